"""Contexts in files: versioned JSON, written whole or not at all, refused in words where it cannot be trusted."""

import json
import math
import re
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from flag_harness.errors import ContextError
from flag_harness.files import write_whole
from flag_harness.reference.context.context import Context, LedgerEntry, plain
from flag_harness.reference.context.heal import healed
from flag_harness.reference.tools.schema import InvalidInput, Schema
from flag_harness.reference.tools.tool import ToolOutcome
from flag_harness.wire.usage import Usage

VERSION = 1
"""The version of the format that this harness writes, and the only one there has been."""

_DISTRIBUTION = "flag-harness"
_NEXT = "restore it from a copy, or begin a new session without it"
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_TEXT = {"type": "string"}
_BLOCK = {"type": "object", "properties": {"type": _TEXT}, "required": ["type"]}
_MESSAGE = {
    "type": "object",
    "properties": {
        "role": {"enum": ["user", "assistant"]},
        "content": {"anyOf": [_TEXT, {"type": "array", "items": _BLOCK}]},
    },
    "required": ["role", "content"],
}
_ENTRY = {
    "type": "object",
    "properties": {
        "outcome": {
            "type": ["object", "null"],
            "properties": {"content": _TEXT, "is_error": {"type": "boolean"}},
            "required": ["content", "is_error"],
            "additionalProperties": False,
        }
    },
    "required": ["outcome"],
    "additionalProperties": False,
}
_FILE = {
    "type": "object",
    "properties": {
        "version": {"type": "integer"},
        "harness": _TEXT,
        "model": _TEXT,
        "combination": {"type": ["string", "null"]},
        "dropped": {"type": "array", "items": _TEXT},
        "usage": {"type": "object"},
        "ledger": {"type": "object", "additionalProperties": _ENTRY},
        "messages": {"type": "array", "items": _MESSAGE},
    },
    "required": ["version", "harness", "model", "combination", "dropped", "usage", "ledger", "messages"],
    "additionalProperties": False,
}
_WHOLE_FILE, _MESSAGES = Schema(_FILE), Schema({"type": "array", "items": _MESSAGE})
_BLOCKS: Mapping[str, Schema] = {
    kind: Schema({"type": "object", "properties": fields, "required": [*fields]})
    for kind, fields in {
        "text": {"text": _TEXT},
        "tool_use": {"id": _TEXT, "name": _TEXT, "input": {"type": "object"}},
        "tool_result": {"tool_use_id": _TEXT},
        "server_tool_use": {"id": _TEXT, "name": _TEXT},
        "mcp_tool_use": {"id": _TEXT, "name": _TEXT},
    }.items()
}
"""What the blocks that a restored session acts on must hold. Blocks of other types pass as they are."""


def save(context: Context, path: Path) -> None:
    """Write the context to `path`, whole or not at all. SDK objects in its messages are saved as what they hold.

    Raises `ContextError` where the context holds what no JSON can, or the file cannot be written; the old file stays.
    """
    try:
        text = json.dumps(_document(context), indent=2, ensure_ascii=False, allow_nan=False)
        # what is no character cannot be in UTF-8, but JSON has a spelling for it
        text = _LONE_SURROGATE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        write_whole(path, text.encode() + b"\n")
    except (OSError, TypeError, ValueError, RecursionError) as error:
        raise ContextError(f"{path}: the context was not saved: {error}; what was there before is untouched") from None


def load(path: Path) -> Context:
    """Read a context. Raises `ContextError` naming the file, the line or the field, and what to do next."""
    try:
        document = json.loads(path.read_bytes().decode("utf-8-sig"), parse_float=_finite, parse_constant=_finite)
    except OSError as error:
        raise ContextError(f"{path}: cannot be read: {error.strerror}; check the path") from None
    except json.JSONDecodeError as error:
        raise ContextError(f"{path}: {_misspelt(error)}; {_NEXT}") from None
    except (ValueError, RecursionError) as error:
        raise ContextError(f"{path}: is no JSON that can be read: {error}; {_NEXT}") from None
    _check_version(document, path)
    return _context(document, path)


def verify(path: Path) -> list[str]:
    """What a restore would mend in the file, one sentence each; empty where it is sound. Raises as `load` does."""
    return list(healed(load(path))[1])


def check_messages(messages: Any, source: str) -> None:
    """Raise `ContextError` naming the field where `messages` are none that the API could have been sent."""
    _check(_MESSAGES, messages, source, "messages")
    for number, message in enumerate(messages):
        for index, block in enumerate([] if isinstance(message["content"], str) else message["content"]):
            if schema := _BLOCKS.get(block["type"]):
                _check(schema, block, source, f"messages[{number}].content[{index}]")


def _document(context: Context) -> dict[str, Any]:
    return {
        "version": VERSION,
        "harness": installed_version(_DISTRIBUTION),
        "model": context.model,
        "combination": context.combination,
        "dropped": list(context.dropped),
        "usage": context.usage.to_json(),
        "ledger": {id: _entry(entry) for id, entry in context.ledger.items()},
        "messages": plain(context.messages),
    }


def _entry(entry: LedgerEntry) -> dict[str, Any]:
    outcome = entry.outcome
    return {"outcome": outcome and {"content": outcome.content, "is_error": outcome.is_error}}


def _check_version(document: Any, path: Path) -> None:
    found = document.get("version") if isinstance(document, dict) else None
    if type(found) is not int:
        raise ContextError(f'{path}: is no context file: it does not begin with "version"; {_NEXT}')
    if found > VERSION:
        raise ContextError(
            f"{path}: has version {found} of the format, and {_DISTRIBUTION} {installed_version(_DISTRIBUTION)} reads "
            f"version {VERSION}; it needs {_DISTRIBUTION} {document.get('harness')}, which wrote it, or a later one: "
            f"pip install --upgrade {_DISTRIBUTION}"
        )
    if found < VERSION:
        raise ContextError(
            f"{path}: has version {found} of the format, and the oldest that there is, is {VERSION}; {_NEXT}"
        )


def _context(document: dict[str, Any], path: Path) -> Context:
    """The context in a document of this version. Its values are the document's own, so that keys keep their order."""
    _check(_WHOLE_FILE, document, str(path))
    check_messages(document["messages"], str(path))
    try:
        usage = Usage.from_mapping(document["usage"])
    except ValueError as error:
        raise ContextError(f"{path}: {error}; mend it, or {_NEXT}") from None
    return Context(
        messages=tuple(document["messages"]),
        usage=usage,
        combination=document["combination"],
        model=document["model"],
        dropped=tuple(document["dropped"]),
        ledger={id: LedgerEntry(_outcome(id, entry["outcome"])) for id, entry in document["ledger"].items()},
    )


def _outcome(id: str, saved: Mapping[str, Any] | None) -> ToolOutcome | None:
    return None if saved is None else ToolOutcome(id, saved["content"], saved["is_error"])


def _check(schema: Schema, value: Any, source: str, at: str = "") -> None:
    try:
        schema.filled(value, at)
    except InvalidInput as error:
        raise ContextError(f"{source}: {error.problems[0]}; mend it, or {_NEXT}") from None


def _finite(text: str) -> float:
    """A number that JSON can hold: Python would also read NaN and Infinity, and 1e999 as infinity."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def _misspelt(error: json.JSONDecodeError) -> str:
    cut = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string")
    place = f"line {error.lineno}, column {error.colno}"
    return f"is cut off at {place}" if cut else f"is not JSON at {place}: {error.msg}"
