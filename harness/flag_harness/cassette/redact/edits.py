"""Edits: replacements of parts of a text or of bytes. The text may be split into several pieces, such as chunks."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from flag_harness.cassette.redact.body_texts import LOSSLESS_UTF8, BodyPart

REDACTED = "REDACTED"
"""The text that is put in place of a removed secret."""


class TextEdit(NamedTuple):
    """Replaces the characters or bytes from `start` to `stop` by `replacement`."""

    start: int
    stop: int
    replacement: Any


def merge_edits(edits: list[TextEdit]) -> list[TextEdit]:
    """Return the edits sorted by position. Edits that overlap are merged into one."""
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
    """Yield edits of a document that make the given edits in the decoded value of `part`, which the document contains.

    If the document has the value as it is, each edit is only moved. If it has the value encoded, one edit replaces the
    whole part.
    """
    if part.encoding != "number" and document[part.start : part.stop] == part.value:
        for start, stop, new in edits:
            yield TextEdit(part.start + start, part.start + stop, part.encode_value(new))
    else:
        yield TextEdit(part.start, part.stop, part.encode_value(edit_text(part.value, edits)))


def apply_edits_to_parts(parts: Sequence[Any], edits: Iterable[TextEdit]) -> list[Any]:
    """Apply edits to a text, or to bytes, that is split into parts, and return the changed parts.

    The positions in the edits count from the beginning of the first part.
    """
    return [
        edit_text(part, part_edits)
        for part, part_edits in zip(parts, split_edits_by_part(map(len, parts), edits), strict=True)
    ]


def split_edits_by_part(lengths: Iterable[int], edits: Iterable[TextEdit]) -> list[list[TextEdit]]:
    """Return the edits of each part of a split text, with positions that count from the beginning of the part.

    `lengths` are those of the parts. If an edit reaches over several parts, the new text goes to the first of them.
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
    """Return a text, or bytes, with the edits applied. They must be sorted and must not overlap."""
    result, position = part[:0], 0
    for start, stop, new in edits:
        result += part[position:start] + new
        position = stop
    return result + part[position:]


def convert_to_byte_edits(text: str, edits: Iterable[TextEdit]) -> list[TextEdit]:
    """Return edits of the UTF-8 bytes of a text that have the same effect as the given edits of the text."""
    position = size = 0
    result = []
    for start, stop, new in edits:
        first = size + len(text[position:start].encode(*LOSSLESS_UTF8))
        last = first + len(text[start:stop].encode(*LOSSLESS_UTF8))
        result.append(TextEdit(first, last, new.encode(*LOSSLESS_UTF8)))
        position, size = stop, last
    return result
