"""Rebase: a cassette whose answers are kept while its requests are rewritten as they are sent now.

Only what was reviewed is rewritten: the places in which missed requests differed from recorded ones. What no answer
outlives, another model, other tools, another way to think, is refused.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.interaction import Interaction
from flag_harness.cassette.match.difference import ABSENT, Difference, Steps
from flag_harness.cassette.match.matching import canonical
from flag_harness.cassette.match.miss import Miss
from flag_harness.errors import CassetteError

FIXED = (
    *("model", "max_tokens", "stop_sequences", "stream", "tools", "tool_choice", "thinking", "output_config"),
    *("output_format", "context_management", "container", "mcp_servers"),
)
"""Members of a request on which its answer depends beyond its words: where one changed, a recorded answer proves
nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """A place of a request that is sent otherwise than it was recorded: see `Difference`. `ABSENT` is no value."""

    path: str
    at: Steps
    to: Steps
    old: Any
    new: Any

    @property
    def refusal(self) -> str:
        """Why no recorded answer outlives this change; empty where one may."""
        if not self.at:
            return f"{self.path or 'the whole body'} changed"
        return f"{self.path} changed, and with it what the model can answer" if self.at[0] in FIXED else ""

    def row(self) -> dict[str, Any]:
        """The change as plain values."""
        sides = {"old": self.old, "new": self.new}
        known = {name: value for name, value in sides.items() if value is not ABSENT and not isinstance(value, bytes)}
        return {"path": self.path, "at": list(self.at), "to": list(self.to), **known}

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> "Change":
        """The change that `row` was made from. Raises `KeyError` or `TypeError` for any other."""
        return cls(row["path"], tuple(row["at"]), tuple(row["to"]), row.get("old", ABSENT), row.get("new", ABSENT))


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What a request of one interaction is to become. `place` is its number in the cassette."""

    place: int
    changes: tuple[Change, ...]


def changes_of(miss: Miss, recorded: Interaction) -> tuple[Change, ...]:
    """The changes that a miss shows, with the values as they are recorded and sent, normalised or not."""
    return tuple(_change(difference, recorded, miss.asked) for difference in miss.differences)


def rebased(cassette: Cassette, rewrites: Sequence[Rewrite], played: Iterable[int] = ()) -> Cassette:
    """The cassette with its requests rewritten, its answers as they are, stamped `rebased`.

    A request that was neither missed nor `played` gets the changes of a rewrite too, where it says the same in all
    their places: the later turns of a conversation repeat its earlier ones. Raises `CassetteError` where a change must
    not be made, or where the cassette no longer says what it said when the request was missed.
    """
    interactions = list(cassette.interactions)
    by_place: dict[int, Rewrite] = {}
    for rewrite in rewrites:
        if by_place.setdefault(rewrite.place, rewrite) != rewrite:
            raise CassetteError(f"{cassette.path}: different requests came nearest to interaction {rewrite.place}")
    for place, rewrite in sorted(by_place.items()):
        _check(cassette, rewrite)
        value = interactions[place].value
        for change in reversed(rewrite.changes):
            if not _fits(value, change, interactions[place].value):
                raise CassetteError(
                    f"{cassette.path}: interaction {place} has changed since the run: {change.path} is not what it "
                    "was; run the tests again"
                )
            value = _made(value, change.at, change)
        interactions[place] = _rewritten(interactions[place], value)
    kept = {*by_place, *played}
    for place, interaction in enumerate(cassette.interactions):
        if place not in kept:
            interactions[place] = _followed(interaction, cassette, by_place.values())
    return replace(cassette, envelope=replace(cassette.envelope, rebased=True), interactions=tuple(interactions))


def rewritten_places(old: Cassette, new: Cassette) -> tuple[int, ...]:
    """The positions of the requests that differ."""
    pairs = zip(old.interactions, new.interactions, strict=True)
    return tuple(place for place, (one, other) in enumerate(pairs) if one.request != other.request)


def _change(difference: Difference, recorded: Interaction, asked: Interaction) -> Change:
    old = difference.recorded if difference.recorded is ABSENT else _at(recorded.value, difference.at)
    new = difference.sent if difference.sent is ABSENT else _at(asked.value, difference.to)
    return Change(difference.path, difference.at, difference.to, old, new)


def _check(cassette: Cassette, rewrite: Rewrite) -> None:
    if reasons := [change.refusal for change in rewrite.changes if change.refusal]:
        raise CassetteError(f"{cassette.path}: interaction {rewrite.place}: {'; '.join(reasons)}: record it anew")
    if rewrite.place >= len(cassette.interactions):
        raise CassetteError(f"{cassette.path}: has no interaction {rewrite.place}; run the tests again")


def _followed(interaction: Interaction, cassette: Cassette, rewrites: Iterable[Rewrite]) -> Interaction:
    """A request that nobody has sent yet, with the changes of the first rewrite that fits it as a whole."""
    for rewrite in rewrites:
        value, model = interaction.value, cassette.interactions[rewrite.place].value
        for change in reversed(rewrite.changes):
            if not _fits(value, change, model):
                break
            value = _made(value, change.at, change)
        else:
            return _rewritten(interaction, value)
    return interaction


def _rewritten(interaction: Interaction, value: Any) -> Interaction:
    return replace(interaction, request=replace(interaction.request, body=msgspec.json.encode(value)))


def _fits(value: Any, change: Change, model: Any) -> bool:
    """Whether a value says at the place of a change what was recorded there.

    Where a member is put into a list, or taken out of it, what comes before must be what it is in the `model`.
    """
    *parents, last = change.at
    try:
        parent, beside = _at(value, parents), _at(model, parents)
    except (KeyError, IndexError, TypeError):
        return False
    if isinstance(parent, list) and isinstance(last, int) and isinstance(beside, list):
        whole = change.old is not ABSENT and change.new is not ABSENT
        same_start = whole or (last <= len(parent) and _same(parent[:last], beside[:last]))
        return same_start and (change.old is ABSENT or (last < len(parent) and _same(parent[last], change.old)))
    if not isinstance(parent, dict):
        return False
    return last not in parent if change.old is ABSENT else last in parent and _same(parent[last], change.old)


def _made(value: Any, at: Sequence[str | int], change: Change) -> Any:
    """The value with the change made; what is not on its way is shared, not copied."""
    step, rest = at[0], at[1:]
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    if rest:
        copy[step] = _made(value[step], rest, change)
    elif change.new is ABSENT:
        del copy[step]
    elif change.old is ABSENT and isinstance(copy, list):
        copy.insert(int(step), change.new)
    else:
        copy[step] = change.new
    return copy


def _at(value: Any, steps: Sequence[str | int]) -> Any:
    for step in steps:
        value = value[step]
    return value


def _same(one: Any, other: Any) -> bool:
    return canonical(one) == canonical(other)
