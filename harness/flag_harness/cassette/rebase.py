"""Rebase a cassette: keep its recorded answers, and rewrite its requests to what the tests send now.

The changes are the differences between the requests that had no recorded answer and the nearest recorded ones. Changes
that invalidate the answer, such as another model, other tools or other thinking settings, are refused.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.interaction import Interaction
from flag_harness.cassette.match.difference import ABSENT, Difference, PathSteps
from flag_harness.cassette.match.matching import encode_with_sorted_keys
from flag_harness.cassette.match.miss import Miss
from flag_harness.errors import CassetteError
from flag_harness.wire.timeline import Request

API_REFUSAL_TEXT = "the API would refuse"
UNCHANGEABLE_MEMBERS = (
    *("model", "max_tokens", "stop_sequences", "stream", "tools", "tool_choice", "thinking", "output_config"),
    *("output_format", "context_management", "container", "mcp_servers"),
)
"""Members of a request body that must not change, because the recorded answer depends on them."""


@dataclass(frozen=True, slots=True)
class RequestChange:
    """One change to a recorded request: the old and the new value, or `ABSENT` for a value that does not exist.

    `path`, `recorded_steps` and `sent_steps` say where the value is, as in a `Difference`.
    """

    path: str
    recorded_steps: PathSteps
    sent_steps: PathSteps
    old_value: Any
    new_value: Any

    @property
    def invalidation_reason(self) -> str:
        """Why this change invalidates the recorded answer, or an empty string if it does not."""
        if not self.recorded_steps:
            return f"{self.path or 'the whole body'} changed"
        return (
            f"{self.path} changed, and with it what the model can answer"
            if self.recorded_steps[0] in UNCHANGEABLE_MEMBERS
            else ""
        )

    def to_json_object(self) -> dict[str, Any]:
        """Return the change as a dictionary that can be stored as JSON; `from_json_object` reads it."""
        sides = {"old": self.old_value, "new": self.new_value}
        known = {name: value for name, value in sides.items() if value is not ABSENT and not isinstance(value, bytes)}
        return {"path": self.path, "at": list(self.recorded_steps), "to": list(self.sent_steps), **known}

    @classmethod
    def from_json_object(cls, row: dict[str, Any]) -> "RequestChange":
        """Decode a dictionary from `to_json_object`. Raise `KeyError` or `TypeError` if it is invalid."""
        return cls(row["path"], tuple(row["at"]), tuple(row["to"]), row.get("old", ABSENT), row.get("new", ABSENT))


@dataclass(frozen=True, slots=True)
class RequestRewrite:
    """The changes to the request of the interaction at `interaction_index` in the cassette."""

    interaction_index: int
    changes: tuple[RequestChange, ...]


def request_changes_of_miss(miss: Miss, recorded: Interaction) -> tuple[RequestChange, ...]:
    """Return the changes that turn a recorded request into the request without an answer, with values as they were
    sent.
    """
    return tuple(
        _change_from_difference(difference, recorded, miss.sent_interaction) for difference in miss.differences
    )


def rebase_cassette(cassette: Cassette, rewrites: Sequence[RequestRewrite], played: Iterable[int] = ()) -> Cassette:
    """Return the cassette with requests rewritten and answers kept. Its metadata says that it was rebased.

    A rewrite is also applied to other requests with the same old values, unless a test sent them unchanged (`played`),
    because later turns of a conversation repeat the earlier ones. Raise `CassetteError` if a change is refused, if the
    cassette has changed since the rewrite was found, or if the rewritten requests would not fit the others any more.
    """
    played = tuple(played)
    interactions = list(cassette.interactions)
    by_index: dict[int, RequestRewrite] = {}
    for rewrite in rewrites:
        if by_index.setdefault(rewrite.interaction_index, rewrite) != rewrite:
            raise CassetteError(
                f"{cassette.path}: different requests came nearest to interaction {rewrite.interaction_index}"
            )
    for index, rewrite in sorted(by_index.items()):
        _require_possible_rewrite(cassette, rewrite)
        value = interactions[index].decoded_body
        for change in reversed(rewrite.changes):
            if not _has_old_value(value, change, interactions[index].decoded_body):
                raise CassetteError(
                    f"{cassette.path}: interaction {index} has changed since the run: {change.path} is not what it "
                    "was; run the tests again"
                )
            value = _apply_change(value, change.recorded_steps, change)
        interactions[index] = _replace_body(interactions[index], value)
    kept = {*by_index, *played}
    for index, interaction in enumerate(cassette.interactions):
        if index not in kept:
            interactions[index] = _rewrite_repeated_request(interaction, cassette, by_index.values())
    new = replace(cassette, metadata=replace(cassette.metadata, is_rebased=True), interactions=tuple(interactions))
    for index in by_index:
        _require_order(cassette, index, kept)
        _require_unbroken_conversations(cassette, new, index)
    return new


def find_rebase_problem(
    cassette: Cassette,
    rewrites: Sequence[RequestRewrite],
    played: Iterable[int],
    find_refusal: Callable[[Request], str | None],
) -> str:
    """Return why a cassette cannot be rebased, or an empty string if it can. For the parameters see `rebase_cassette`.

    `find_refusal` returns the message with which the API would refuse a request, or None.
    """
    try:
        require_legal_requests(cassette, rebase_cassette(cassette, rewrites, played), find_refusal)
    except CassetteError as error:
        return str(error).removeprefix(f"{cassette.path}: ")
    return ""


def require_legal_requests(old: Cassette, new: Cassette, find_refusal: Callable[[Request], str | None]) -> None:
    """Raise `CassetteError` if the API would refuse a rewritten request, although it would accept the recorded one.

    `find_refusal` returns the message with which the API would refuse a request, or None.
    """
    for index in indices_of_rewritten_requests(old, new):
        message = find_refusal(new.interactions[index].request)
        if message is not None and find_refusal(old.interactions[index].request) is None:
            raise CassetteError(
                f"{old.path}: interaction {index}: {API_REFUSAL_TEXT} the new request: {message}; "
                "change what the code sends"
            )


def _require_order(cassette: Cassette, index: int, sent: Iterable[int]) -> None:
    """Raise `CassetteError` if the test did not send a request that was recorded before the rewritten one at `index`.

    `sent` are the indices of the recorded requests that it sent.
    """
    case = cassette.interactions[index].case
    earlier = (one for one in range(index) if cassette.interactions[one].case == case)
    if (missing := next((one for one in earlier if one not in sent), None)) is not None:
        raise CassetteError(
            f"{cassette.path}: interaction {index}: the test did not send interaction {missing}, which was recorded "
            "before it: record it again"
        )


def _require_unbroken_conversations(old: Cassette, new: Cassette, index: int) -> None:
    """Raise `CassetteError` if later turns of a conversation no longer fit the rewritten request at `index`.

    They do not fit if a later request of `old` begins with the messages of that request, and the same later request of
    `new` does not.
    """
    before, after = _messages(old.interactions[index]), _messages(new.interactions[index])
    for later in range(index + 1, len(old.interactions)):
        recorded = _messages(old.interactions[later])
        is_continuation = 0 < len(before) < len(recorded) and _is_same_json(recorded[: len(before)], before)
        if is_continuation and not _is_same_json(_messages(new.interactions[later])[: len(after)], after):
            raise CassetteError(
                f"{old.path}: interaction {later} continues interaction {index}, and would not do so any more: "
                "record it again"
            )


def _messages(interaction: Interaction) -> list[Any]:
    value = interaction.decoded_body
    messages = value.get("messages") if isinstance(value, dict) else None
    return messages if isinstance(messages, list) else []


def indices_of_rewritten_requests(old: Cassette, new: Cassette) -> tuple[int, ...]:
    """Return the indices of the interactions whose requests differ between two cassettes."""
    pairs = zip(old.interactions, new.interactions, strict=True)
    return tuple(index for index, (one, other) in enumerate(pairs) if one.request != other.request)


def _change_from_difference(difference: Difference, recorded: Interaction, sent: Interaction) -> RequestChange:
    """Return the change that turns the recorded request into the sent one at the path of a difference."""
    old = (
        difference.recorded_value
        if difference.recorded_value is ABSENT
        else _value_at_path(recorded.decoded_body, difference.recorded_steps)
    )
    new = (
        difference.sent_value
        if difference.sent_value is ABSENT
        else _value_at_path(sent.decoded_body, difference.sent_steps)
    )
    return RequestChange(difference.path, difference.recorded_steps, difference.sent_steps, old, new)


def _require_possible_rewrite(cassette: Cassette, rewrite: RequestRewrite) -> None:
    """Raise `CassetteError` if a change invalidates the recorded answer, or the cassette has no such interaction."""
    if reasons := [change.invalidation_reason for change in rewrite.changes if change.invalidation_reason]:
        raise CassetteError(
            f"{cassette.path}: interaction {rewrite.interaction_index}: {'; '.join(reasons)}: record it again"
        )
    if rewrite.interaction_index >= len(cassette.interactions):
        raise CassetteError(f"{cassette.path}: has no interaction {rewrite.interaction_index}; run the tests again")
    count = len(_messages(cassette.interactions[rewrite.interaction_index]))
    if any(
        one.recorded_steps[0] == "messages" and one.old_value is ABSENT and one.recorded_steps[1:] >= (count,)
        for one in rewrite.changes
    ):
        raise CassetteError(
            f"{cassette.path}: interaction {rewrite.interaction_index}: the test sends more messages than the "
            "one that was answered: record it again"
        )


def _rewrite_repeated_request(
    interaction: Interaction, cassette: Cassette, rewrites: Iterable[RequestRewrite]
) -> Interaction:
    """Return an interaction rewritten by the first of `rewrites` whose old values are all in its request.

    Return the interaction unchanged if there is no such rewrite.
    """
    for rewrite in rewrites:
        value, model = interaction.decoded_body, cassette.interactions[rewrite.interaction_index].decoded_body
        for change in reversed(rewrite.changes):
            if not _has_old_value(value, change, model):
                break
            value = _apply_change(value, change.recorded_steps, change)
        else:
            return _replace_body(interaction, value)
    return interaction


def _replace_body(interaction: Interaction, value: Any) -> Interaction:
    return replace(interaction, request=replace(interaction.request, body=msgspec.json.encode(value)))


def _has_old_value(value: Any, change: RequestChange, original_body: Any) -> bool:
    """Return whether a JSON value has the old value of a change at the path of the change.

    If the change inserts or removes a list element, all elements before it must equal those in `original_body`: the
    body of the request for which the change was found.
    """
    *parents, last = change.recorded_steps
    try:
        parent, beside = _value_at_path(value, parents), _value_at_path(original_body, parents)
    except (KeyError, IndexError, TypeError):
        return False
    if isinstance(parent, list) and isinstance(last, int) and isinstance(beside, list):
        whole = change.old_value is not ABSENT and change.new_value is not ABSENT
        same_start = whole or (last <= len(parent) and _is_same_json(parent[:last], beside[:last]))
        return same_start and (
            change.old_value is ABSENT or (last < len(parent) and _is_same_json(parent[last], change.old_value))
        )
    if not isinstance(parent, dict):
        return False
    return (
        last not in parent
        if change.old_value is ABSENT
        else last in parent and _is_same_json(parent[last], change.old_value)
    )


def _apply_change(value: Any, steps: Sequence[str | int], change: RequestChange) -> Any:
    """Return a copy of a JSON value with the change made at the path `steps`.

    Unchanged parts are shared with the original.
    """
    step, rest = steps[0], steps[1:]
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    if rest:
        copy[step] = _apply_change(value[step], rest, change)
    elif change.new_value is ABSENT:
        del copy[step]
    elif change.old_value is ABSENT and isinstance(copy, list):
        copy.insert(int(step), change.new_value)
    else:
        copy[step] = change.new_value
    return copy


def _value_at_path(value: Any, steps: Sequence[str | int]) -> Any:
    for step in steps:
        value = value[step]
    return value


def _is_same_json(one: Any, other: Any) -> bool:
    return encode_with_sorted_keys(one) == encode_with_sorted_keys(other)
