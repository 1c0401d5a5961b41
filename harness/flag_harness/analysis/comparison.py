"""Two cassettes, interaction by interaction: the places in which their requests and their answers differ.

What an API makes up anew each time takes no part: ids, signatures, moments. An id that comes back in a later request
equals the other cassette's where both came from the same place of the answers.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from typing import Any

from flag_harness.analysis.conversation import ending
from flag_harness.cassette import Cassette, Interaction
from flag_harness.cassette.match.difference import ABSENT, Difference, differences
from flag_harness.cassette.match.miss import request_differences
from flag_harness.wire.compression import uncompressed
from flag_harness.wire.message import Received, received

_MADE_UP = frozenset({"id", "request_id", "tool_use_id", "signature", "expires_at"})
"""Members whose values differ from answer to answer."""


@dataclass(frozen=True, slots=True)
class Pair:
    """An interaction of each cassette, `None` where one has none, and what differs between them.

    `before` and `after` are their places. `request` and `answer` are the places that differ: `recorded` in the first
    cassette, `sent` in the second.
    """

    before: int | None
    after: int | None
    method: str
    path: str
    request: tuple[Difference, ...] = ()
    answer: tuple[Difference, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        return None in (self.before, self.after) or bool(self.request or self.answer)


def compared(first: Cassette, second: Cassette) -> Iterator[Pair]:
    """The pairs of interactions, in the order of the first cassette."""
    same: set[tuple[str, str]] = set()
    for before, after in _paired(first.interactions, second.interactions):
        ours = None if before is None else first.interactions[before]
        theirs = None if after is None else second.interactions[after]
        request = (ours or theirs).request  # type: ignore[union-attr]
        if ours is None or theirs is None:
            yield Pair(before, after, request.method, request.path)
            continue
        asked = request_differences(ours, theirs, partial(_are_renamed, same))
        answers = [received(uncompressed(one.response)) for one in (ours, theirs)]
        same.update(_renamed(answers[0].value, answers[1].value))
        found = differences(*(_comparable(one, answer) for one, answer in zip((ours, theirs), answers, strict=True)))
        yield Pair(before, after, request.method, request.path, tuple(asked), tuple(found))


def _paired(ours: Sequence[Interaction], theirs: Sequence[Interaction]) -> Iterator[tuple[int | None, int | None]]:
    """Equal requests stand side by side; between them the others do, in their order."""
    matcher = SequenceMatcher(None, [one.key for one in ours], [one.key for one in theirs], autojunk=False)
    for _, start, stop, other_start, other_stop in matcher.get_opcodes():
        for shift in range(max(stop - start, other_stop - other_start)):
            place, other = start + shift, other_start + shift
            yield place if place < stop else None, other if other < other_stop else None


def _comparable(interaction: Interaction, answer: Received) -> Any:
    """What an answer says, as one value: a stream and a plain answer that say the same are equal but for `streamed`."""
    ended = ending(interaction.response[-1])
    how = {"status": answer.status, "streamed": answer.streamed, "ended": ended}
    error = {"error": answer.error} if answer.streamed and answer.error is not None else {}
    value = _without_made_up(answer.value)
    return how | error | (value if isinstance(value, dict) else {"body": value})


def _are_renamed(same: Collection[tuple[str, str]], one: Any, other: Any) -> bool:
    return isinstance(one, str) and isinstance(other, str) and (one, other) in same


def _without_made_up(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_made_up(member) for key, member in value.items() if key not in _MADE_UP}
    return [_without_made_up(member) for member in value] if isinstance(value, list) else value


def _renamed(ours: Any, theirs: Any) -> Iterator[tuple[str, str]]:
    """The made-up values that stand at the same places of two answers."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in ours.keys() & theirs.keys():
            one, other = ours[key], theirs[key]
            if key in _MADE_UP and isinstance(one, str) and isinstance(other, str):
                yield one, other
            else:
                yield from _renamed(one, other)
    elif isinstance(ours, list) and isinstance(theirs, list):
        for one, other in zip(ours, theirs, strict=False):
            yield from _renamed(one, other)


def shown_value(value: Any) -> Any:
    """A side of a difference as JSON has it; what is not there is `None`."""
    return None if value is ABSENT else list(value) if isinstance(value, tuple) else value


def as_json(difference: Difference) -> Mapping[str, Any]:
    """A difference for scripts."""
    values = {"before": difference.recorded, "after": difference.sent}
    absent = [side for side, value in values.items() if value is ABSENT]
    return {"path": difference.path, **{side: shown_value(value) for side, value in values.items()}, "absent": absent}
