"""List the strings of a body quickly, without their positions, to find out whether any of them may contain a key."""

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import Any

from flag_harness.cassette.redact.body_texts import GROWING_MEMBERS, LOSSLESS_UTF8, BodyText, body_texts
from flag_harness.cassette.redact.encodings import TEXT_SEPARATOR
from flag_harness.wire.json import decode_json

MIN_LARGE_BODY_BYTES = 16 << 20
"""The size in bytes above which a body is searched as plain text, without decoding its JSON, to save memory."""
_WINDOW_LENGTH, _WINDOW_OVERLAP_LENGTH = 4 << 20, 64 << 10
"""The number of characters that are searched at once, and how many of them are searched again with the
following ones.
"""
_LINE_PATTERN = re.compile(rb"[^\r\n]+")


def body_strings(data: bytes) -> Iterable[str]:
    """Return the strings of a body, each after the name of its JSON member, such as `token: abc`.

    The deltas of a content block are joined. Invalid JSON and incomplete streams are read, too, which takes longer. A
    large body is returned as overlapping parts of its text.
    """
    is_large = len(data) > MIN_LARGE_BODY_BYTES
    if not is_large and data.startswith((b"{", b"[")) and (value := decode_json(data)) is not None:
        return _json_strings(value)
    if (strings := _stream_strings(data)) is not None:
        return strings
    if is_large:
        return split_into_overlapping_windows(_decode_in_parts(data))
    return [add_member_name_before_text(text)[1] for text in body_texts(data.decode(*LOSSLESS_UTF8))]


def join_into_windows(texts: Iterable[str]) -> Iterator[str]:
    """Join short texts to long ones, because searching one long text is faster than searching many short ones."""
    found: list[str] = []
    size = 0
    for text in texts:
        found.append(text)
        size += len(text)
        if size > _WINDOW_LENGTH:
            yield TEXT_SEPARATOR.join(found)
            found, size = [], 0
    yield TEXT_SEPARATOR.join(found)


def split_into_overlapping_windows(parts: Iterable[str]) -> Iterator[str]:
    """Yield a long text in parts that overlap, so that each key lies completely in at least one of them.

    `parts` are the pieces of which the text consists.
    """
    found: list[str] = []
    size = 0
    for part in parts:
        for start in range(0, len(part), _WINDOW_LENGTH):
            found.append(part[start : start + _WINDOW_LENGTH])
            size += len(found[-1])
            if size > _WINDOW_LENGTH:
                window = "".join(found)
                yield window
                found = [window[-_WINDOW_OVERLAP_LENGTH:]]
                size = _WINDOW_OVERLAP_LENGTH
    yield "".join(found)


def _decode_in_parts(data: bytes) -> Iterator[str]:
    """Decode a large body as UTF-8, and yield the text piece by piece."""
    decoder = codecs.getincrementaldecoder(LOSSLESS_UTF8[0])(LOSSLESS_UTF8[1])
    for start in range(0, len(data), _WINDOW_LENGTH):
        yield decoder.decode(data[start : start + _WINDOW_LENGTH], start + _WINDOW_LENGTH >= len(data))


def add_member_name_before_text(text: BodyText) -> tuple[int, str]:
    """Return `(prefix_length, text)`: the text with the name of its JSON member in front, as in `token: abc`.

    `prefix_length` is the number of characters in front of the text. It is 0 if the text is not the value of a member.
    """
    part = text.parts[0]
    name = part.path.rpartition(".")[2] if part.encoding == "string" and not text.delta_indices else ""
    prefix = f"{name}: " if name else ""
    return len(prefix), prefix + text.value


def _json_strings(value: Any, name: str = "") -> Iterator[str]:
    """Yield each string in a JSON value as `name: text`, and the names of other members.

    `name` is that of the value itself.
    """
    if isinstance(value, str):
        yield f"{name}: {value}" if name else value
    elif isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(member, str):
                yield key
            yield from _json_strings(member, key)
    elif isinstance(value, list):
        for member in value:
            yield from _json_strings(member)


def find_growing_texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield `(path, text)` for each string in an event that may be the next part of a text that earlier events began.

    The streams of other APIs and gateways consist of such events: `choices[].delta.content`,
    `candidates[].content.parts[].text`.
    """
    if isinstance(value, dict):
        for key, member in value.items():
            if isinstance(member, str) and key in GROWING_MEMBERS:
                yield f"{path}.{key}", member
            elif not isinstance(member, str):
                yield from find_growing_texts(member, f"{path}.{key}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from find_growing_texts(member, f"{path}[{index}]")


def _stream_strings(data: bytes) -> list[str] | None:
    """Return the strings in an event stream. Return None if it is no stream, or if an event is incomplete or large."""
    if not data.startswith(b"data:") and b"\ndata:" not in data:
        return None
    strings: dict[str, None] = {}
    deltas: dict[tuple[Any, str], list[str]] = {}
    for found in _LINE_PATTERN.finditer(data):
        if not found[0].startswith(b"data:"):
            strings[found[0].decode(*LOSSLESS_UTF8)] = None
            continue
        if len(found[0]) > MIN_LARGE_BODY_BYTES or not isinstance(
            event := decode_json(found[0][len(b"data:") :]), dict
        ):
            return None
        if isinstance(delta := event.get("delta"), dict) and event.get("type") == "content_block_delta":
            index = str(event.get("index"))
            for name in [name for name, value in delta.items() if isinstance(value, str)]:
                deltas.setdefault((index, name), []).append(delta.pop(name))
                strings[name] = None
        for path, text in find_growing_texts(event):
            deltas.setdefault((path, ""), []).append(text)
        strings.update(dict.fromkeys(_json_strings(event)))
    return [*strings, *(window for parts in deltas.values() for window in split_into_overlapping_windows(parts))]
