"""List the strings of a body quickly, without their positions, to see whether any may hold a key."""

from collections.abc import Iterator
from typing import Any

from flag_harness.cassette.redact.body_texts import BodyText, body_texts
from flag_harness.wire.json import decode_json


def body_strings(document: str) -> list[str]:
    """Return the strings of a body, each after the name of its JSON member, such as `token: abc`.

    The deltas of a content block are joined. A body that is neither JSON nor a stream of complete JSON events is read
    by a slower parser, which can read invalid JSON.
    """
    if document.startswith(("{", "[")) and (value := decode_json(document)) is not None:
        return list(_json_strings(value))
    if (strings := _stream_strings(document)) is not None:
        return strings
    return [prefix_with_member_name(text)[1] for text in body_texts(document)]


def prefix_with_member_name(text: BodyText) -> tuple[int, str]:
    """Put the name of a text's JSON member before the text; return the length of this prefix, and the new text."""
    part = text.parts[0]
    name = part.path.rpartition(".")[2] if part.kind == "string" and not text.deltas else ""
    prefix = f"{name}: " if name else ""
    return len(prefix), prefix + text.value


def _json_strings(value: Any, name: str = "") -> Iterator[str]:
    """Yield each string of a JSON value as `name: text`, and the name of each member that is not a string."""
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


def _stream_strings(document: str) -> list[str] | None:
    """Return the strings of an event stream, or None if it is not a stream or an event is incomplete."""
    if not document.startswith("data:") and "\ndata:" not in document:
        return None
    strings: dict[str, None] = {}
    deltas: dict[tuple[Any, str], list[str]] = {}
    for line in document.replace("\r", "\n").split("\n"):
        if not line.startswith("data:"):
            strings[line] = None
            continue
        if not isinstance(event := decode_json(line[len("data:") :]), dict):
            return None
        if isinstance(delta := event.get("delta"), dict) and event.get("type") == "content_block_delta":
            index = str(event.get("index"))
            for name in [name for name, value in delta.items() if isinstance(value, str)]:
                deltas.setdefault((index, name), []).append(delta.pop(name))
                strings[name] = None
        strings.update(dict.fromkeys(_json_strings(event)))
    return [*strings, *map("".join, deltas.values())]
