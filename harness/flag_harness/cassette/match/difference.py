"""Where two JSON values differ, by path; and of two texts, by which words."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, NamedTuple, TypeAlias

import msgspec

from flag_harness.cassette.redact.scan import redact_keys

ABSENT = type("Absent", (), {"__repr__": lambda self: "nothing"})()
"""Stands for a value that one side does not have."""

CONTEXT = 24
"""Characters of a text shown before and after the place where it changes."""
LONGEST = 80
"""Characters of a value that are shown at most."""
_MOST_COMPARED = 250_000
"""Pairs of members, or words, up to which the longest common parts are looked for."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_WORD = re.compile(r"\S+")

Steps: TypeAlias = tuple[str | int, ...]
"""The keys and positions that lead to a value."""
Equal: TypeAlias = Callable[[Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Difference:
    """A place that differs: `path` as `messages[0].content[1].text`, empty for the whole.

    `at` leads to it in the recorded value, `to` in the sent one; where a member of a list is on one side only, the
    other's steps lead to where it would stand. Of such a list, `path` is that of the side that has the member.
    """

    path: str
    recorded: Any
    sent: Any
    at: Steps = field(default=(), compare=False)
    to: Steps = field(default=(), compare=False)

    def __str__(self) -> str:
        recorded, sent = shortened(self.recorded, self.sent)
        words = ""
        if isinstance(self.recorded, str) and isinstance(self.sent, str) and len(self.recorded) > LONGEST:
            words = f"{changed_words(self.recorded, self.sent)}, "
        return f"{self.path or 'body'}: {words}recorded {recorded}, sent {sent}"


class Words(NamedTuple):
    """The words that differ between two texts."""

    recorded: tuple[str, ...]
    sent: tuple[str, ...]

    def __str__(self) -> str:
        count = max(len(self.recorded), len(self.sent))
        return f"{count} word{'s' if count != 1 else ''}" if count else "white space"


def differences(recorded: Any, sent: Any, equal: Equal = lambda one, other: False) -> Iterator[Difference]:
    """The smallest places in which `sent` differs from `recorded`, in the order of the recorded value.

    Lists are aligned: a member that was put in is one difference, however much comes after it. `equal` may say that two
    values that are no containers do not differ though they are not the same.
    """
    return _differences(recorded, sent, (), (), equal)


def path_of(steps: Steps) -> str:
    """Steps as a path: `messages[0].content`. A key that is no plain name stands in brackets."""
    path = ""
    for step in steps:
        if isinstance(step, str) and _NAME.fullmatch(step):
            path += f".{step}" if path else step
        else:
            path += f"[{step!r}]"
    return path


def changed_words(recorded: str, sent: str) -> Words:
    """The words that only one of two texts has, in their order."""
    ours, theirs = _WORD.findall(recorded), _WORD.findall(sent)
    blocks = list(_blocks(ours, theirs))
    return Words(
        tuple(word for start, stop, _, _ in blocks for word in ours[start:stop]),
        tuple(word for _, _, start, stop in blocks for word in theirs[start:stop]),
    )


def shortened(recorded: Any, sent: Any) -> tuple[str, str]:
    """Both values in few characters, without keys; of two texts, the part around the first change."""
    if isinstance(recorded, str) and isinstance(sent, str):
        recorded, sent = redact_keys(recorded), redact_keys(sent)  # before a cut leaves half of one
        start = max(_common(recorded, sent) - CONTEXT, 0)
        return _window(recorded, start), _window(sent, start)
    return _cut(redact_keys(repr(recorded))), _cut(redact_keys(repr(sent)))


def _differences(recorded: Any, sent: Any, at: Steps, to: Steps, equal: Equal) -> Iterator[Difference]:
    if isinstance(recorded, dict) and isinstance(sent, dict):
        for key in [*recorded, *(key for key in sent if key not in recorded)]:
            ours, theirs = recorded.get(key, ABSENT), sent.get(key, ABSENT)
            yield from _differences(ours, theirs, (*at, key), (*to, key), equal)
    elif isinstance(recorded, list) and isinstance(sent, list):
        for block in _blocks(list(map(_identity, recorded)), list(map(_identity, sent))):
            yield from _of_block(recorded, sent, block, (at, to), equal)
    elif (recorded != sent or type(recorded) is not type(sent)) and not equal(recorded, sent):
        yield Difference(path_of(to if recorded is ABSENT else at), recorded, sent, at, to)


def _of_block(
    recorded: list[Any], sent: list[Any], block: "_Block", steps: tuple[Steps, Steps], equal: Equal
) -> Iterator[Difference]:
    """What differs between two runs of members, paired from their start or from their end, whichever is nearer."""
    common = min(block.stop - block.start, block.sent_stop - block.sent_start)

    def of_pair(place: int, other: int, ours: Any, theirs: Any) -> Iterator[Difference]:
        return _differences(ours, theirs, (*steps[0], place), (*steps[1], other), equal)

    def paired(start: int, sent_start: int) -> Iterator[Difference]:
        for place in range(block.start, start):
            yield from of_pair(place, block.sent_start, recorded[place], ABSENT)
        for other in range(block.sent_start, sent_start):
            yield from of_pair(block.start, other, ABSENT, sent[other])
        for shift in range(common):
            place, other = start + shift, sent_start + shift
            yield from of_pair(place, other, recorded[place], sent[other])
        for place in range(start + common, block.stop):
            yield from of_pair(place, block.sent_stop, recorded[place], ABSENT)
        for other in range(sent_start + common, block.sent_stop):
            yield from of_pair(block.stop, other, ABSENT, sent[other])

    starts = {(block.start, block.sent_start), (block.stop - common, block.sent_stop - common)}
    found: list[list[Difference]] = [list(paired(*start)) for start in sorted(starts)]
    yield from min(found, key=len)


class _Block(NamedTuple):
    """Members `start` to `stop` of one list stand where `sent_start` to `sent_stop` of the other do."""

    start: int
    stop: int
    sent_start: int
    sent_stop: int


def _blocks(ours: Sequence[Any], theirs: Sequence[Any]) -> Iterator[_Block]:
    """Where two lists differ, between the longest common parts."""
    start = next((n for n, (one, other) in enumerate(zip(ours, theirs, strict=False)) if one != other), None)
    if start is None:
        start = min(len(ours), len(theirs))
    stop, other_stop = len(ours), len(theirs)
    while stop > start and other_stop > start and ours[stop - 1] == theirs[other_stop - 1]:
        stop, other_stop = stop - 1, other_stop - 1
    if (stop - start) * (other_stop - start) > _MOST_COMPARED:
        yield _Block(start, stop, start, other_stop)
        return
    matcher = SequenceMatcher(None, ours[start:stop], theirs[start:other_stop], autojunk=False)
    for tag, first, last, other_first, other_last in matcher.get_opcodes():
        if tag != "equal":
            yield _Block(start + first, start + last, start + other_first, start + other_last)


def _identity(value: Any) -> bytes:
    return msgspec.json.encode(value, order="sorted")


def _common(one: str, other: str) -> int:
    """How many leading characters two texts share."""
    shortest = min(len(one), len(other))
    return next((place for place in range(shortest) if one[place] != other[place]), shortest)


def _window(text: str, start: int) -> str:
    shown = text[start : start + LONGEST]
    return ("…" if start else "") + repr(shown) + ("…" if start + LONGEST < len(text) else "")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
