"""Edits: what is to stand in the place of some characters of a text, or of some bytes, also where it comes in parts."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from flag_harness.cassette.redact.texts import UTF8, Part

REDACTED = "REDACTED"
"""What stands where something was taken out."""


class Edit(NamedTuple):
    """What is to stand in the place of characters, or bytes, `start` to `stop`."""

    start: int
    stop: int
    new: Any


def hidden(spans: Iterable[tuple[int, int]]) -> list[Edit]:
    """The edits that put one mark in the place of spans that overlap or touch."""
    edits: list[Edit] = []
    for start, stop in sorted(span for span in spans if span[0] < span[1]):
        if edits and start <= edits[-1].stop:
            edits[-1] = edits[-1]._replace(stop=max(stop, edits[-1].stop))
        else:
            edits.append(Edit(start, stop, REDACTED))
    return edits


def written(part: Part, edits: list[Edit], document: str) -> Iterator[Edit]:
    """The edits of what a part says as edits of the document: where it is written as it is said, one for each."""
    if part.kind != "number" and document[part.start : part.stop] == part.value:
        for start, stop, new in edits:
            yield Edit(part.start + start, part.start + stop, part.written(new))
    else:
        yield Edit(part.start, part.stop, part.written(edited(part.value, edits)))


def spliced(parts: Sequence[Any], edits: Iterable[Edit]) -> list[Any]:
    """The parts, bytes or text, with what the edits of all of them together leave of each."""
    return [edited(part, own) for part, own in zip(parts, distributed(map(len, parts), edits), strict=True)]


def distributed(lengths: Iterable[int], edits: Iterable[Edit]) -> list[list[Edit]]:
    """The edits of each part, counted from its start. What is new goes where its span begins."""
    left, result, start = deque(edits), [], 0
    for length in lengths:
        stop, own = start + length, []
        while left and left[0].start < stop:
            edit = left.popleft()
            own.append(Edit(edit.start - start, min(edit.stop, stop) - start, edit.new))
            if edit.stop > stop:
                left.appendleft(Edit(stop, edit.stop, edit.new[:0]))
                break
        result.append(own)
        start = stop
    return result


def edited(part: Any, edits: Iterable[Edit]) -> Any:
    """Text or bytes after the edits."""
    result, position = part[:0], 0
    for start, stop, new in edits:
        result += part[position:start] + new
        position = stop
    return result + part[position:]


def in_bytes(text: str, edits: Iterable[Edit]) -> list[Edit]:
    """Edits of a text as edits of its bytes."""
    position = size = 0
    result = []
    for start, stop, new in edits:
        first = size + len(text[position:start].encode(*UTF8))
        last = first + len(text[start:stop].encode(*UTF8))
        result.append(Edit(first, last, new.encode(*UTF8)))
        position, size = stop, last
    return result
