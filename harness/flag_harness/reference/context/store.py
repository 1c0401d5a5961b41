"""Save contexts to files of versioned JSON, and load them. Invalid files are refused with a clear message."""

import json
import math
import re
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from flag_harness.errors import ContextError
from flag_harness.files import read_regular_file, write_atomically
from flag_harness.reference.context.context import ConversationContext, ToolCallState, to_json_value
from flag_harness.reference.context.repair import repair_context
from flag_harness.reference.tools.schema import CompiledSchema, InvalidToolInputError
from flag_harness.reference.tools.tool import ToolOutcome
from flag_harness.wire.usage import Usage

FORMAT_VERSION = 1
"""The format version that this release writes; there has been no other."""
MAX_CONTEXT_BYTES = 256 << 20
"""The largest context file in bytes that is read. Cassettes have the same limit."""

_PACKAGE_NAME = "flag-harness"
_ADVICE_AFTER_ERROR = "restore it from a copy, or start a new session"
_LONE_SURROGATE_PATTERN = re.compile("[\ud800-\udfff]")
_TEXT_SCHEMA = {"type": "string"}
_BLOCK_SCHEMA = {"type": "object", "properties": {"type": _TEXT_SCHEMA}, "required": ["type"]}
_MESSAGE_SCHEMA = {
    "type": "object",
    "properties": {
        "role": {"enum": ["user", "assistant"]},
        "content": {"anyOf": [_TEXT_SCHEMA, {"type": "array", "items": _BLOCK_SCHEMA}]},
    },
    "required": ["role", "content"],
}
_CALL_STATE_SCHEMA = {
    "type": "object",
    "properties": {
        "outcome": {
            "type": ["object", "null"],
            "properties": {"content": _TEXT_SCHEMA, "is_error": {"type": "boolean"}},
            "required": ["content", "is_error"],
            "additionalProperties": False,
        }
    },
    "required": ["outcome"],
    "additionalProperties": False,
}
_FILE_SCHEMA = {
    "type": "object",
    "properties": {
        "version": {"type": "integer"},
        "harness": _TEXT_SCHEMA,
        "model": _TEXT_SCHEMA,
        "combination": {"type": ["string", "null"]},
        "dropped": {"type": "array", "items": _TEXT_SCHEMA},
        "usage": {"type": "object"},
        "ledger": {"type": "object", "additionalProperties": _CALL_STATE_SCHEMA},
        "messages": {"type": "array", "items": _MESSAGE_SCHEMA},
    },
    "required": ["version", "harness", "model", "combination", "dropped", "usage", "ledger", "messages"],
    "additionalProperties": False,
}
_COMPILED_FILE_SCHEMA, _COMPILED_MESSAGES_SCHEMA = (
    CompiledSchema(_FILE_SCHEMA),
    CompiledSchema({"type": "array", "items": _MESSAGE_SCHEMA}),
)
_BLOCK_SCHEMAS_BY_TYPE: Mapping[str, CompiledSchema] = {
    kind: CompiledSchema({"type": "object", "properties": fields, "required": [*fields]})
    for kind, fields in {
        "text": {"text": _TEXT_SCHEMA},
        "tool_use": {"id": _TEXT_SCHEMA, "name": _TEXT_SCHEMA, "input": {"type": "object"}},
        "tool_result": {"tool_use_id": _TEXT_SCHEMA},
        "server_tool_use": {"id": _TEXT_SCHEMA, "name": _TEXT_SCHEMA},
        "mcp_tool_use": {"id": _TEXT_SCHEMA, "name": _TEXT_SCHEMA},
    }.items()
}
"""For each type of block that a restored session uses, a schema with the required fields. Blocks of other types are
accepted unchecked.
"""


def save_context(context: ConversationContext, path: Path) -> None:
    """Write the context to `path` atomically. SDK objects in its messages are saved as plain JSON.

    Raise `ContextError` if the context has a value that JSON cannot express, or if the file cannot be written; the old
    file is then kept.
    """
    try:
        text = json.dumps(_context_to_json(context), indent=2, ensure_ascii=False, allow_nan=False)
        # a lone surrogate is invalid in UTF-8, but JSON can escape it
        text = _LONE_SURROGATE_PATTERN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        write_atomically(path, text.encode() + b"\n")
    except (OSError, TypeError, ValueError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ContextError(f"{path}: the context was not saved: {reason}; what was there before is untouched") from None


def load_context(path: Path) -> ConversationContext:
    """Read a context from a file. Raise a `ContextError` that says which file is wrong, where in it, and what to do."""
    try:
        document = json.loads(
            read_regular_file(path, MAX_CONTEXT_BYTES).decode("utf-8-sig"),
            parse_float=_parse_finite_number,
            parse_constant=_parse_finite_number,
        )
    except OSError as error:
        raise ContextError(f"{path}: cannot be read: {error.strerror}; check the path") from None
    except json.JSONDecodeError as error:
        raise ContextError(f"{path}: {_json_problem(error)}; {_ADVICE_AFTER_ERROR}") from None
    except (ValueError, RecursionError) as error:
        raise ContextError(f"{path}: is not readable JSON: {error}; {_ADVICE_AFTER_ERROR}") from None
    _check_version(document, path)
    return _context_from_json(document, path)


def find_repairs_of_saved_context(path: Path) -> list[str]:
    """Return one sentence for each repair that restoring the context file would make.

    Raise the same errors as `load_context`.
    """
    return list(repair_context(load_context(path))[1])


def check_messages(messages: Any, source: str) -> None:
    """Raise a `ContextError` that names the field if messages are not valid for the API.

    `source` says where the messages come from, such as a file, and begins the error message.
    """
    _check_schema(_COMPILED_MESSAGES_SCHEMA, messages, source, "messages")
    for number, message in enumerate(messages):
        for index, block in enumerate([] if isinstance(message["content"], str) else message["content"]):
            if schema := _BLOCK_SCHEMAS_BY_TYPE.get(block["type"]):
                _check_schema(schema, block, source, f"messages[{number}].content[{index}]")


def _context_to_json(context: ConversationContext) -> dict[str, Any]:
    return {
        "version": FORMAT_VERSION,
        "harness": installed_version(_PACKAGE_NAME),
        "model": context.model,
        "combination": context.combination,
        "dropped": list(context.dropped_features),
        "usage": context.usage.to_json(),
        "ledger": {id: _call_state_to_json(entry) for id, entry in context.call_states_by_id.items()},
        "messages": to_json_value(context.messages),
    }


def _call_state_to_json(entry: ToolCallState) -> dict[str, Any]:
    outcome = entry.outcome
    return {"outcome": outcome and {"content": outcome.content, "is_error": outcome.is_error}}


def _check_version(document: Any, path: Path) -> None:
    found = document.get("version") if isinstance(document, dict) else None
    if type(found) is not int:
        raise ContextError(f'{path}: is not a context file: it does not start with "version"; {_ADVICE_AFTER_ERROR}')
    if found > FORMAT_VERSION:
        raise ContextError(
            f"{path}: has version {found} of the format, and {_PACKAGE_NAME} {installed_version(_PACKAGE_NAME)} reads "
            f"version {FORMAT_VERSION}; it needs {_PACKAGE_NAME} {document.get('harness')}, which wrote it, or a later "
            f"one: pip install --upgrade {_PACKAGE_NAME}"
        )
    if found < FORMAT_VERSION:
        raise ContextError(
            f"{path}: has version {found} of the format, and the oldest is {FORMAT_VERSION}; {_ADVICE_AFTER_ERROR}"
        )


def _context_from_json(document: dict[str, Any], path: Path) -> ConversationContext:
    """Return the context in a JSON document of the current format version. Values are not copied, so that keys keep
    their order.
    """
    _check_schema(_COMPILED_FILE_SCHEMA, document, str(path))
    check_messages(document["messages"], str(path))
    try:
        usage = Usage.from_mapping(document["usage"])
    except ValueError as error:
        raise ContextError(f"{path}: {error}; fix it, or {_ADVICE_AFTER_ERROR}") from None
    return ConversationContext(
        messages=tuple(document["messages"]),
        usage=usage,
        combination=document["combination"],
        model=document["model"],
        dropped_features=tuple(document["dropped"]),
        call_states_by_id={
            id: ToolCallState(_outcome_from_json(id, entry["outcome"])) for id, entry in document["ledger"].items()
        },
    )


def _outcome_from_json(id: str, saved: Mapping[str, Any] | None) -> ToolOutcome | None:
    return None if saved is None else ToolOutcome(id, saved["content"], saved["is_error"])


def _check_schema(schema: CompiledSchema, value: Any, source: str, path: str = "") -> None:
    try:
        schema.validate(value, path)
    except InvalidToolInputError as error:
        raise ContextError(f"{source}: {error.problems[0]}; fix it, or {_ADVICE_AFTER_ERROR}") from None


def _parse_finite_number(text: str) -> float:
    """Parse a number. Raise `ValueError` for NaN, Infinity and 1e999, which Python would accept."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is not a finite number")
    return number


def _json_problem(error: json.JSONDecodeError) -> str:
    cut = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string")
    position = f"line {error.lineno}, column {error.colno}"
    return f"is cut off at {position}" if cut else f"is not JSON at {position}: {error.msg}"
