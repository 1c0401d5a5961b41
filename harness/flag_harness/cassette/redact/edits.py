"""Edits: replacements of spans in a text or in bytes, which may be split into several parts."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from flag_harness.cassette.redact.body_texts import LOSSLESS_UTF8, BodyPart

REDACTED = "REDACTED"
"""The text that replaces a removed secret."""


class TextEdit(NamedTuple):
    """Replaces the characters or bytes from `start` to `stop` by `replacement`."""

    start: int
    stop: int
    replacement: Any


def merge_edits(edits: list[TextEdit]) -> list[TextEdit]:
    """Return the edits sorted by position; edits that overlap become one."""
    merged: list[TextEdit] = []
    for edit in sorted(edits):
        if edit.start == edit.stop:
            continue
        if merged and edit.start < merged[-1].stop:
            if edit != merged[-1]:
                merged[-1] = TextEdit(merged[-1].start, max(edit.stop, merged[-1].stop), merged[-1].replacement)
                if merged[-1].replacement != edit.replacement:
                    merged[-1] = merged[-1]._replace(replacement=REDACTED)
        elif merged and edit.start == merged[-1].stop and edit.replacement == merged[-1].replacement == REDACTED:
            merged[-1] = merged[-1]._replace(stop=edit.stop)
        else:
            merged.append(edit)
    return merged


def convert_to_document_edits(part: BodyPart, edits: list[TextEdit], document: str) -> Iterator[TextEdit]:
    """Turn edits of a part's decoded value into edits of the document that contains the part.

    If the document contains the value unencoded, each edit is only moved; else one edit replaces the whole part.
    """
    if part.encoding != "number" and document[part.start : part.stop] == part.value:
        for start, stop, new in edits:
            yield TextEdit(part.start + start, part.start + stop, part.encode_value(new))
    else:
        yield TextEdit(part.start, part.stop, part.encode_value(edit_text(part.value, edits)))


def apply_edits_to_parts(parts: Sequence[Any], edits: Iterable[TextEdit]) -> list[Any]:
    """Apply edits to a text, or bytes, that is split into parts; positions count from the first part."""
    return [
        edit_text(part, part_edits)
        for part, part_edits in zip(parts, split_edits_by_part(map(len, parts), edits), strict=True)
    ]


def split_edits_by_part(lengths: Iterable[int], edits: Iterable[TextEdit]) -> list[list[TextEdit]]:
    """Return a list of edits for each part, given the parts' lengths; positions count from the part's start.

    If an edit spans several parts, the new text goes to the first of them.
    """
    left, result, start = deque(edits), [], 0
    for length in lengths:
        stop, part_edits = start + length, []
        while left and left[0].start < stop:
            edit = left.popleft()
            part_edits.append(TextEdit(edit.start - start, min(edit.stop, stop) - start, edit.replacement))
            if edit.stop > stop:
                left.appendleft(TextEdit(stop, edit.stop, edit.replacement[:0]))
                break
        result.append(part_edits)
        start = stop
    return result


def edit_text(part: Any, edits: Iterable[TextEdit]) -> Any:
    """Apply edits to a text or to bytes."""
    result, position = part[:0], 0
    for start, stop, new in edits:
        result += part[position:start] + new
        position = stop
    return result + part[position:]


def convert_to_byte_edits(text: str, edits: Iterable[TextEdit]) -> list[TextEdit]:
    """Convert edits of a text to edits of its bytes in UTF-8."""
    position = size = 0
    result = []
    for start, stop, new in edits:
        first = size + len(text[position:start].encode(*LOSSLESS_UTF8))
        last = first + len(text[start:stop].encode(*LOSSLESS_UTF8))
        result.append(TextEdit(first, last, new.encode(*LOSSLESS_UTF8)))
        position, size = stop, last
    return result
