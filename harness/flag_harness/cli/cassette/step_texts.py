"""The texts of one step of a conversation, each with its label: what is new in the request, and the answer."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from flag_harness.analysis.conversation import ConversationStep

_NEWLINE_SIGN = " ⏎ "


def request_texts(step: ConversationStep) -> Iterator[tuple[str, str]]:
    """Yield a label and a text for each new part of a request. One text lists the names of all tools."""
    tools = [_tool_name(block) for role, block in step.new_content if role == "tools"]
    texts = [_block_text(role, block) for role, block in step.new_content if role != "tools"]
    yield from (one for one in texts if one[0] == "system")
    if tools:
        yield "tools", ", ".join(tools)
    yield from (one for one in texts if one[0] != "system")


def _tool_name(definition: Mapping[str, Any]) -> str:
    kind = definition.get("type")
    name = str(definition.get("name", kind))
    return name if kind in (None, "custom", name) else f"{name} ({kind})"


def answer_texts(step: ConversationStep) -> Iterator[tuple[str, str]]:
    """Yield a label and a text for each block of an answer, and for its error."""
    answer = step.answer
    yield from (_block_text("assistant", block) for block in answer.blocks)
    if answer.error is not None:
        yield "error", ": ".join(str(answer.error[key]) for key in ("type", "message") if key in answer.error)
    elif not answer.blocks and answer.decoded_body not in (None, {}) and "content" not in answer.message:
        yield "answer", _json_text(answer.decoded_body)


def _block_text(role: str, block: Mapping[str, Any]) -> tuple[str, str]:
    match block.get("type"):
        case "text":
            return role, str(block.get("text"))
        case "thinking":
            return "thinking", str(block.get("thinking") or "(nothing of it is shown)")
        case "redacted_thinking":
            return "thinking", "(redacted)"
        case "tool_use" | "server_tool_use" | "mcp_tool_use":
            return "tool use", f"{block.get('name')} {_join_into_one_line(_input_text(block.get('input')))}"
        case "tool_result":
            return ("error" if block.get("is_error") else "tool result"), _join_into_one_line(
                _content_text(block.get("content"))
            )
    return str(block.get("type", role)), _json_text({key: value for key, value in block.items() if key != "type"})


def _input_text(value: Any) -> str:
    """Return the input of a tool call as text: `name: value, ...` if all values are strings, else JSON."""
    if isinstance(value, dict) and all(isinstance(member, str) for member in value.values()):
        return ", ".join(f"{key}: {member}" for key, member in value.items()) or "{}"
    return value if isinstance(value, str) else _json_text(value)


def _join_into_one_line(text: str) -> str:
    return text.strip("\n").replace("\n", _NEWLINE_SIGN)


def _content_text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(_block_text("", block)[1] if isinstance(block, dict) else _json_text(block) for block in value)
    return value if isinstance(value, str) else _json_text(value)


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
