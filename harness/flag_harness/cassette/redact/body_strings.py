"""The strings of a body without their positions: enough to see whether it holds anything at all, and quick."""

from collections.abc import Iterator
from typing import Any

from flag_harness.cassette.redact.body_texts import BodyText, body_texts
from flag_harness.wire.json import decode_json


def body_strings(document: str) -> list[str]:
    """Return the strings of a body, each after its name; the deltas of a block are joined.

    A body that is neither JSON nor a stream of whole JSON events is read the slow way, which follows broken JSON.
    """
    if document.startswith(("{", "[")) and (value := decode_json(document)) is not None:
        return list(_json_strings(value))
    if (strings := _stream_strings(document)) is not None:
        return strings
    return [text_with_name(text)[1] for text in body_texts(document)]


def text_with_name(text: BodyText) -> tuple[int, str]:
    """Return a text after the name of its JSON value, and the length of what stands before it."""
    part = text.parts[0]
    name = part.path.rpartition(".")[2] if part.kind == "string" and not text.deltas else ""
    prefix = f"{name}: " if name else ""
    return len(prefix), prefix + text.value


def _json_strings(value: Any, name: str = "") -> Iterator[str]:
    """Yield the strings of a JSON value, those of objects with their names, and the names."""
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
    """Return the strings of a stream, or None if it is no stream or one of its events is not whole."""
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
