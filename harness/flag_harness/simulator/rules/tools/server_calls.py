"""Rules for calls of the tools that the API runs itself, and for their results.

Some recorders remove ids. So if the ids do not match, only the numbers of calls and results are compared.
"""

from collections.abc import Mapping
from typing import Any

from flag_harness.simulator.rules.request import ParsedRequest
from flag_harness.simulator.scenario.matching import message_blocks

_TOOL_RESULT_TYPE = "tool_result"
_SERVER_TOOL_USE_TYPE = "server_tool_use"
_SERVER_CALL_TYPES = (_SERVER_TOOL_USE_TYPE, "mcp_tool_use")
_TOOL_SEARCH_NAME_PREFIX = "tool_search_tool"
"""The beginning of the names of tool-search tools. All their results have the same type."""


def check_server_results_have_calls(request: ParsedRequest) -> str | None:
    """Return the error message for the result of a server tool or MCP tool without a call before it, or None.

    If the scenario itself has such a result without a call, it is accepted if the client sends it back.
    """
    known: set[str] = set()
    for number, message in enumerate(request.body["messages"]):
        blocks = message_blocks(message)
        calls = [block for block in blocks if block["type"] in _SERVER_CALL_TYPES]
        results = [block for block in blocks if block["type"].endswith(f"_{_TOOL_RESULT_TYPE}")]
        for index, block in enumerate(blocks):
            known |= {block["id"]} if block["type"] in _SERVER_CALL_TYPES else set()
            identifier = str(block.get("tool_use_id"))
            if block not in results or identifier in known or len(results) <= len(calls):
                continue
            if not request.signatures.is_result_without_call(identifier):
                call = "mcp_tool_use" if block["type"] == "mcp_tool_result" else _SERVER_TOOL_USE_TYPE
                return (
                    f"messages.{number}.content.{index}: unexpected `tool_use_id` found in `{block['type']}` blocks: "
                    f"{identifier}. Each `{block['type']}` block must have a corresponding `{call}` block before it."
                )
    return None


def check_server_calls_have_results(request: ParsedRequest) -> str | None:
    """Return the error message for a server tool call without a result, or None.

    A call may lack its result if the user's next message has only tool results.
    """
    messages = request.body["messages"]
    answered = [block.get("tool_use_id") for message in messages for block in message_blocks(message)]
    for number, message in enumerate(messages[:-1]):
        blocks = message_blocks(message)
        calls = [block for block in blocks if block["type"] == _SERVER_TOOL_USE_TYPE]
        results = [block for block in blocks if block["type"].endswith(f"_{_TOOL_RESULT_TYPE}")]
        open_calls = [call for call in calls if call["id"] not in answered]
        if open_calls and len(results) < len(calls) and _has_user_content_besides_tool_results(messages[number + 1]):
            name = open_calls[0]["name"]
            result = _TOOL_SEARCH_NAME_PREFIX if name.startswith(_TOOL_SEARCH_NAME_PREFIX) else f"{name}_tool"
            return (
                f"messages.{number}: `{name}` tool use with id `{open_calls[0]['id']}` was found without a "
                f"corresponding `{result}_result` block"
            )
    return None


def _has_user_content_besides_tool_results(message: Mapping[str, Any]) -> bool:
    """Return whether a user message has content other than tool results."""
    return message["role"] == "user" and any(block["type"] != _TOOL_RESULT_TYPE for block in message_blocks(message))
