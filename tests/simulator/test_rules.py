"""Illegal requests are refused with the API's status, type and words."""

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flag_harness.simulator import parse_scenario, simulate
from flag_harness.simulator.answer import signatures
from flag_harness.simulator.answer.signatures import SeededSignatures
from flag_harness.simulator.checking import check_request
from flag_harness.simulator.rules import RULES
from flag_harness.simulator.scenario.scenario import Scenario

_spec = importlib.util.spec_from_file_location("illegal", Path(__file__).with_name("illegal.py"))
assert _spec is not None
assert _spec.loader is not None
illegal = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(illegal)
ILLEGAL: dict[str, tuple[dict[str, Any], str]] = illegal.ILLEGAL

TEXT = {"type": "text", "text": "hello"}
MARKED = {**TEXT, "cache_control": {"type": "ephemeral"}}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"}
TOOL = {"name": "bash", "input_schema": {"type": "object"}}
BUDGET = {"type": "enabled", "budget_tokens": 1024}
DOCUMENTATION = (
    "Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
)


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


def assistant(*content: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(content)}


EIGHT = {
    "no max_tokens": ({"max_tokens": ...}, "max_tokens: Field required"),
    "no version": ({"headers": {"anthropic-version": None}}, "anthropic-version: header is required"),
    "empty messages": ({"messages": []}, "messages: at least one message is required"),
    "orphan tool_result": (
        {"messages": [user(RESULT)]},
        "messages.0.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_1. Each `tool_result` "
        "block must have a corresponding `tool_use` block in the previous message.",
    ),
    "unanswered tool_use": (
        {"messages": [user(TEXT), assistant(CALL), user(TEXT)]},
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1. Each "
        "`tool_use` block must have a corresponding `tool_result` block in the next message.",
    ),
    "five cache marks": (
        {"messages": [user(*[MARKED] * 5)]},
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    "budget at max_tokens": (
        {"thinking": {"type": "enabled", "budget_tokens": 4096}},
        "`max_tokens` must be greater than `thinking.budget_tokens`. "
        f"{DOCUMENTATION}#max-tokens-and-context-window-size",
    ),
    "unknown field": ({"colour": "red"}, "colour: Extra inputs are not permitted"),
}
MORE = {
    "unknown beta": (
        {"headers": {"anthropic-beta": "files-api-2025-04-14, moon-2030-01-01"}},
        "Unexpected value(s) `moon-2030-01-01` for the `anthropic-beta` header. Please consult our documentation at "
        "docs.claude.com or try again without the header.",
    ),
    "another content type": (
        {"headers": {"content-type": "text/plain"}},
        "content-type: must be application/json",
    ),
    "empty content": (
        {"messages": [user(), user(TEXT)]},
        "messages.0: all messages must have non-empty content except for the optional final assistant message",
    ),
    "empty text": (
        {"messages": [user({"type": "text", "text": ""})]},
        "messages: text content blocks must be non-empty",
    ),
    "empty system text": (
        {"system": [{"type": "text", "text": ""}]},
        "system: text content blocks must be non-empty",
    ),
    "mark on empty text": (
        {"messages": [user(TEXT, {**MARKED, "text": ""})]},
        "messages.0.content.1.text: cache_control cannot be set for empty text blocks",
    ),
    "long lifetime after a short one": (
        {"system": [MARKED, {**MARKED, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        "system.1.cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control "
        "block. Note that blocks are processed in the following order: `tools`, `system`, `messages`.",
    ),
    "marks in a tool_result among five": (
        {
            "messages": [
                user(MARKED),
                assistant(CALL),
                user({**RESULT, "content": [MARKED] * 3, "cache_control": {"type": "ephemeral"}}),
            ]
        },
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    "a mark on empty text in a tool_result": (
        {"messages": [user(TEXT), assistant(CALL), user({**RESULT, "content": [{**MARKED, "text": ""}]})]},
        "messages.2.content.0.content.0.text: cache_control cannot be set for empty text blocks",
    ),
    "an automatic hour after five minutes": (
        {"system": [MARKED], "cache_control": {"type": "ephemeral", "ttl": "1h"}},
        "cache_control.ttl: a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block. Note "
        "that blocks are processed in the following order: `tools`, `system`, `messages`.",
    ),
    "an automatic mark beside four": (
        {"cache_control": {"type": "ephemeral"}, "messages": [user(*[MARKED] * 4)]},
        "A maximum of 4 blocks with cache_control may be provided. Found 5.",
    ),
    "small budget": (
        {"thinking": {"type": "enabled", "budget_tokens": 1000}},
        "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024",
    ),
    "budget on a model that takes none": (
        {"thinking": BUDGET, "model": "claude-opus-4-8"},
        '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive" and '
        '"output_config.effort" to control thinking behavior.',
    ),
    "adaptive thinking on a model with budgets": (
        {"thinking": {"type": "adaptive"}},
        "adaptive thinking is not supported on this model",
    ),
    "thinking on a model without": (
        {"thinking": BUDGET, "model": "claude-3-haiku-20240307"},
        "'claude-3-haiku-20240307' does not support thinking.",
    ),
    "effort on a model without": (
        {"output_config": {"effort": "low"}},
        "This model does not support the effort parameter.",
    ),
    "effort that a model lacks": (
        {"output_config": {"effort": "xhigh"}, "model": "claude-sonnet-4-6"},
        "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium.",
    ),
    "too many tokens": (
        {"max_tokens": 204096},
        "max_tokens: 204096 > 64000, which is the maximum allowed number of output tokens for claude-haiku-4-5",
    ),
    "forced tool while thinking": (
        {"thinking": BUDGET, "tools": [TOOL], "tool_choice": {"type": "any"}},
        "Thinking may not be enabled when tool_choice forces tool use.",
    ),
    "temperature while thinking": (
        {"thinking": BUDGET, "temperature": 0.5},
        "`temperature` may only be set to 1 when thinking is enabled. "
        f"{DOCUMENTATION}#important-considerations-when-using-extended-thinking",
    ),
    "temperature": ({"temperature": 1.5}, "temperature: range: 0..1"),
    "a tool that needs a beta": (
        {"tools": [{"type": "computer_20251124", "name": "computer"}]},
        "tools.0: Input tag 'computer_20251124' found using 'type' does not match any of the expected tags: "
        "'bash_20250124', 'browser_toolset_20260801', 'code_execution_20250522', 'code_execution_20250825', "
        "'code_execution_20260120', 'code_execution_20260521', 'computer_toolset_20260801', 'custom', "
        "'memory_20250818', 'text_editor_20250124', 'text_editor_20250429', 'text_editor_20250728', "
        "'tool_search_tool_bm25', 'tool_search_tool_bm25_20251119', 'tool_search_tool_regex', "
        "'tool_search_tool_regex_20251119', 'web_fetch_20250910', 'web_fetch_20260209', 'web_fetch_20260309', "
        "'web_fetch_20260318', 'web_search_20250305', 'web_search_20260209', 'web_search_20260318'",
    ),
    "two tools of one name": ({"tools": [TOOL, TOOL]}, "tools: Tool names must be unique."),
    "a forced tool that is not there": (
        {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "python"}},
        "Tool 'python' not found in provided tools",
    ),
    "a schema without a type": (
        {"tools": [{"name": "bash", "input_schema": {}}]},
        "tools.0.custom.input_schema.type: Field required",
    ),
    "a schema of another type": (
        {"tools": [{"name": "bash", "input_schema": {"type": "string"}}]},
        "tools.0.custom.input_schema.type: Input should be 'object'",
    ),
    "an unknown block": (
        {"messages": [user({"type": "song"})]},
        "messages.0.content.0: Input tag 'song' found using 'type' does not match any of the expected tags: "
        "'advisor_tool_result', 'bash_code_execution_tool_result', 'browser_state', 'code_execution_tool_result', "
        "'compaction', 'container_upload', 'document', 'fallback', 'image', 'mcp_tool_listing', 'mcp_tool_result', "
        "'mcp_tool_use', 'redacted_thinking', 'search_result', 'server_tool_use', 'text', "
        "'text_editor_code_execution_tool_result', 'thinking', 'tool_addition', 'tool_reference', 'tool_removal', "
        "'tool_result', 'tool_search_tool_result', 'tool_use', 'web_fetch_tool_result', 'web_search_tool_result'",
    ),
    "a block whose type is no text": (
        {"messages": [user({"type": []})]},
        "messages.0.content.0: Input tag '[]' found using 'type' does not match any of the expected tags: "
        "'advisor_tool_result', 'bash_code_execution_tool_result', 'browser_state', 'code_execution_tool_result', "
        "'compaction', 'container_upload', 'document', 'fallback', 'image', 'mcp_tool_listing', 'mcp_tool_result', "
        "'mcp_tool_use', 'redacted_thinking', 'search_result', 'server_tool_use', 'text', "
        "'text_editor_code_execution_tool_result', 'thinking', 'tool_addition', 'tool_reference', 'tool_removal', "
        "'tool_result', 'tool_search_tool_result', 'tool_use', 'web_fetch_tool_result', 'web_search_tool_result'",
    ),
    "an image without its bytes": (
        {"messages": [user({"type": "image", "source": {"type": "base64", "media_type": "image/png"}})]},
        "messages.0.content.0.image.source.base64.data: Field required",
    ),
    "an image of another type": (
        {"messages": [user({"type": "image", "source": {"type": "base64", "media_type": "image/bmp", "data": ""}})]},
        "messages.0.content.0.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' "
        "or 'image/webp'",
    ),
    "a document from nowhere": (
        {"messages": [user({"type": "document", "source": {"type": "disk"}})]},
        "messages.0.content.0.document.source: Input tag 'disk' found using 'type' does not match any of the expected "
        "tags: 'base64', 'content', 'file', 'text', 'url'",
    ),
    "a server's call without its input": (
        {"messages": [user(TEXT), assistant({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search"})]},
        "messages.1.content.0.server_tool_use.input: Field required",
    ),
    "a temperature in words": ({"temperature": "1"}, "temperature: Input should be a valid number"),
    "fallbacks that are a number": ({"fallbacks": 3}, "fallbacks: Input should be a valid string"),
    "a container that is a number": ({"container": 3}, "container: Input should be a valid string"),
    "an unknown speed": ({"speed": "bogus"}, "speed: Input should be 'standard' or 'fast'"),
    "a setting of system messages on another": (
        {"messages": [{"role": "user", "content": "hello", "clear_at": "never"}]},
        "messages.0.clear_at: Extra inputs are not permitted",
    ),
    "an extra key in a block": (
        {"messages": [user({**TEXT, "size": 3})]},
        "messages.0.content.0.text.size: Extra inputs are not permitted",
    ),
    "an unknown kind of thinking": (
        {"thinking": {"type": "deep"}},
        "thinking: Input tag 'deep' found using 'type' does not match any of the expected tags: 'adaptive', "
        "'between_tools', 'disabled', 'enabled'",
    ),
    "a role that is none": (
        {"messages": [{"role": "tool", "content": "x"}]},
        "messages.0.role: Input should be 'user', 'assistant' or 'system'",
    ),
    "prefill where there is none": (
        {"model": "claude-sonnet-4-6", "messages": [user(TEXT), assistant(TEXT)]},
        "This model does not support assistant message prefill. The conversation must end with a user message.",
    ),
    "white space after a prefill": (
        {"messages": [user(TEXT), assistant({"type": "text", "text": "Well, "})]},
        "messages: final assistant content cannot end with trailing whitespace",
    ),
    "a call twice": (
        {"messages": [user(TEXT), assistant(CALL), user(RESULT), assistant(CALL), user(RESULT)]},
        "messages: `tool_use` ids must be unique",
    ),
    "a call that ends the conversation": (
        {"messages": [user(TEXT), assistant(CALL)]},
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1. Each "
        "`tool_use` block must have a corresponding `tool_result` block in the next message.",
    ),
    "a tool loop without thinking that begins the conversation": (
        {"thinking": BUDGET, "messages": [assistant(CALL), user(RESULT)]},
        "messages.0.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` "
        "is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of "
        "`tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To avoid "
        f"this requirement, disable `thinking`. {DOCUMENTATION}",
    ),
    "forged thinking": (
        {"messages": [user(TEXT), assistant({"type": "thinking", "thinking": "x", "signature": "ABCD"}), user(TEXT)]},
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
    "forged redacted thinking": (
        {"messages": [user(TEXT), assistant({"type": "redacted_thinking", "data": "ABCD"}), user(TEXT)]},
        "messages.1.content.0: Invalid `data` in `redacted_thinking` block",
    ),
    "a tool loop that lost its thinking": (
        {"thinking": BUDGET, "messages": [user(TEXT), assistant(CALL), user(RESULT)]},
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `tool_use`. When `thinking` "
        "is enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of "
        "`tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To avoid "
        f"this requirement, disable `thinking`. {DOCUMENTATION}",
    ),
}


SERVER_CALL = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []}
SAID = {"type": "thinking", "thinking": "I said so.", "signature": SeededSignatures(0).sign("I said so.")}
LATER: dict[str, tuple[dict[str, Any], str]] = {
    "a result by the assistant": (
        {"messages": [user(TEXT), assistant(CALL, RESULT), user(TEXT)]},
        "messages.1: `tool_result` blocks can only be in `user` messages",
    ),
    **{
        f"{block['type']} by the user": (
            {"messages": [user(block)]},
            f"messages.0: `{block['type']}` blocks can only be in `assistant` messages",
        )
        for block in (SAID, {"type": "redacted_thinking", "data": "x"}, SERVER_CALL)
    },
    "a message that ends with thinking": (
        {"messages": [user(TEXT), assistant(TEXT, SAID), user(TEXT)]},
        "messages.1: The final block in an assistant message cannot be `thinking`.",
    ),
    "thinking before the words that the model shall continue": (
        {"messages": [user(TEXT), assistant(SAID, TEXT)]},
        "messages.1.content.0: When thinking is disabled, an `assistant` message in the final position cannot contain "
        "`thinking`. To use thinking blocks, enable `thinking` in your request.",
    ),
    "words without thinking that the model shall continue": (
        {"thinking": BUDGET, "messages": [user(TEXT), assistant(TEXT)]},
        "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`. When `thinking` is "
        "enabled, a final `assistant` message must start with a thinking block (preceeding the lastmost set of "
        "`tool_use` and `tool_result` blocks). We recommend you include thinking blocks from previous turns. To avoid "
        f"this requirement, disable `thinking`. {DOCUMENTATION}",
    ),
    "a call by the user": (
        {"messages": [user(CALL)]},
        "messages.0: `tool_use` blocks can only be in `assistant` messages",
    ),
    "two results of one call": (
        {"messages": [user(TEXT), assistant(CALL), user(RESULT), user(TEXT, RESULT)]},
        "messages.3.content.1: each tool_use must have a single result. Found multiple `tool_result` blocks with id: "
        "toolu_1",
    ),
    "words before the results": (
        {"messages": [user(TEXT), assistant(CALL), user(TEXT, RESULT)]},
        "messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_1. Each "
        "`tool_use` block must have a corresponding `tool_result` block in the next message.",
    ),
    "a server's call without its result": (
        {"messages": [user(TEXT), assistant(TEXT, SERVER_CALL), user(TEXT)]},
        "messages.1: `web_search` tool use with id `srvtoolu_1` was found without a corresponding "
        "`web_search_tool_result` block",
    ),
    "a search for tools without its result": (
        {"messages": [user(TEXT), assistant({**SERVER_CALL, "name": "tool_search_tool_regex"}), user(TEXT)]},
        "messages.1: `tool_search_tool_regex` tool use with id `srvtoolu_1` was found without a corresponding "
        "`tool_search_tool_result` block",
    ),
    "a tool of the API by another name": (
        {"tools": [{"type": "bash_20250124", "name": "shell"}]},
        "tools.0.bash_20250124.name: Input should be 'bash'",
    ),
    "a tool of the API without its name": (
        {"tools": [TOOL, {"type": "web_search_20250305"}]},
        "tools.1.web_search_20250305.name: Field required",
    ),
    "a tool of the API with what it does not have": (
        {"tools": [{"type": "text_editor_20250124", "name": "str_replace_editor", "max_characters": 3}]},
        "tools.0.text_editor_20250124.max_characters: Extra inputs are not permitted",
    ),
    "a screen without its width": (
        {
            "headers": {"anthropic-beta": "computer-use-2025-01-24"},
            "tools": [{"type": "computer_20250124", "name": "computer", "display_height_px": 3}],
        },
        "tools.0.computer_20250124.display_width_px: Field required",
    ),
    "an output that is set by nothing known": (
        {"output_config": {"foo": 1}},
        "output_config.foo: Extra inputs are not permitted",
    ),
    "white space alone": (
        {"messages": [user({"type": "text", "text": " \n"}, {"type": "text", "text": "\t"})]},
        "messages: text content blocks must contain non-whitespace text",
    ),
    "temperature and top_p": (
        {"temperature": 0.5, "top_p": 0.5},
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
    ),
    "temperature and top_p on the first model that takes only one": (
        {"temperature": 0.5, "top_p": 0.5, "model": "claude-opus-4-1"},
        "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
    ),
    "top_p": ({"top_p": 1.9}, "top_p: range: 0..1"),
    "any of no tools": (
        {"tool_choice": {"type": "any"}},
        "tool_choice.any may only be specified while providing tools",
    ),
    "an answer that does not fit beside the prompt": (
        {
            "model": "claude-sonnet-4-0",
            "max_tokens": 64_000,
            "messages": [user({"type": "text", "text": "a " * 150_000})],
        },
        "input length and `max_tokens` exceed context limit: 150007 + 64000 > 200000, decrease input length or "
        "`max_tokens` and try again",
    ),
    "thinking that was changed in the latest turn": (
        {"messages": [user(TEXT), assistant(TEXT, {**SAID, "thinking": "I did not."}, TEXT), user(TEXT)]},
        "messages.1.content.1: `thinking` or `redacted_thinking` blocks in the latest assistant message cannot be "
        "modified. These blocks must remain as they were in the original response.",
    ),
    "thinking that was changed in an earlier turn": (
        {
            "messages": [
                user(TEXT),
                assistant({**SAID, "thinking": "No."}),
                user(TEXT),
                assistant(TEXT, SAID),
                user(TEXT),
            ]
        },
        "messages.1.content.0: Invalid `signature` in `thinking` block",
    ),
}


def strict(*schemas: dict[str, Any]) -> list[dict[str, Any]]:
    """Strict tools with these input schemas."""
    return [
        {"name": f"tool_{index}", "strict": True, "input_schema": {"additionalProperties": False, **schema}}
        for index, schema in enumerate(schemas)
    ]


def properties(count: int, schema: dict[str, Any], *, required: bool = True) -> dict[str, Any]:
    """An object with so many properties of one schema."""
    names = [f"p{index}" for index in range(count)]
    return {"type": "object", "properties": dict.fromkeys(names, schema), "required": names if required else []}


NULLABLE: dict[str, Any] = {"type": ["string", "null"]}
TEXTS = {"type": "string"}
EMPTY = {"type": "object", "properties": {}}
NODE = {
    **properties(1, {"$ref": "#/$defs/Node"}),
    "$defs": {
        "Name": TEXTS,
        "Node": {
            **properties(1, {"anyOf": [{"$ref": "#/$defs/Name"}, {"$ref": "#/$defs/Link"}]}),
            "additionalProperties": False,
        },
        "Link": {"anyOf": [{"$ref": "#/$defs/Name"}, {"$ref": "#/$defs/Node"}]},
    },
}
BOUNDED = {"type": "integer", "minimum": 1, "maximum": 2}
LIMITED: dict[str, tuple[dict[str, Any], str]] = {
    "a system message where the model takes none": (
        {"messages": [user(TEXT), {"role": "system", "content": "Be brief."}]},
        'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not "system" as '
        "an input message role.",
    ),
    "a field that a beta opens": ({"mcp_servers": []}, "mcp_servers: Extra inputs are not permitted"),
    "binding of thinking without its beta": (
        {"thinking": {"type": "adaptive", "block_binding": {}}, "model": "claude-opus-4-8"},
        "thinking.adaptive.block_binding: Extra inputs are not permitted",
    ),
    "sampling where the model takes none": (
        {"model": "claude-opus-4-8", "top_k": 5},
        "`top_k` is deprecated for this model.",
    ),
    "many strict tools": (
        {"tools": strict(*[EMPTY] * 21)},
        "Too many strict tools (21). The maximum number of strict tools supported is 20. Try reducing the number of "
        "tools marked as strict.",
    ),
    "many optional parameters": (
        {"tools": strict(properties(13, TEXTS, required=False), properties(12, TEXTS, required=False))},
        "Schemas contains too many optional parameters (25), which would make grammar compilation inefficient. Reduce "
        "the number of optional parameters in your tool schemas (limit: 24).",
    ),
    "many unions": (
        {"tools": strict(properties(9, NULLABLE), properties(8, NULLABLE))},
        "Schemas contains too many parameters with union types (17 parameters with type arrays or anyOf). This causes "
        "exponential compilation cost. Reduce the number of nullable or union-typed parameters (limit: 16 parameters "
        "with unions).",
    ),
    "sixteen unions in one schema": (
        {"tools": strict(properties(16, NULLABLE))},
        "Schema is too complex for compilation. Try reducing the number of tools or simplifying tool schemas.",
    ),
    "a definition that leads back to itself": (
        {"tools": strict(NODE)},
        "tools.0.custom: Invalid schema: Circular reference detected in schema definitions: Node -> Link -> Node. "
        "Self-referencing or mutually-referencing definitions are not supported.",
    ),
    "a schema that leads back to itself": (
        {"tools": strict(properties(1, {"$ref": "#"}))},
        "tools.0.custom: Invalid schema: Circular reference detected in schema definitions: # -> #. "
        "Self-referencing or mutually-referencing definitions are not supported.",
    ),
    "a property that may be anything": (
        {"tools": strict({"type": "object", "properties": {"score": True}, "required": ["score"]})},
        "tools.0.custom: For 'object' type, property 'properties' is not supported",
    ),
    "properties that are none, in an output's schema": (
        {
            "output_config": {
                "format": {
                    "type": "json_schema",
                    "schema": {"type": "object", "properties": [], "additionalProperties": False},
                }
            }
        },
        "output_config.format.schema: For 'object' type, property 'properties' is not supported",
    ),
    **{
        f"a schema that is none: {keyword}": (
            {"tools": [TOOL, {"name": "a", "input_schema": {"type": "object", keyword: value}}]},
            "tools.1.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12 "
            "(https://json-schema.org/draft/2020-12). Learn more about tool use at "
            "https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview.",
        )
        for keyword, value in {
            "required": 3,
            "properties": {"a": 1},
            "$defs": [1],
            "anyOf": [1],
            "enum": 1,
            "items": {"type": 1},
        }.items()
    },
    "an open object": (
        {"tools": strict({**EMPTY, "additionalProperties": True})},
        "tools.0.custom: For 'object' type, 'additionalProperties' must be explicitly set to false",
    ),
    "one keyword that is not compiled": (
        {"tools": strict(properties(1, {"type": "string", "minLength": 1}))},
        "tools.0.custom: For 'string' type, property 'minLength' is not supported",
    ),
    "two keywords that are not compiled, in an output's schema": (
        {"output_config": {"format": {"type": "json_schema", "schema": BOUNDED}}},
        "output_config.format.schema: For 'integer' type, properties maximum, minimum are not supported",
    ),
    "an output's schema in its older place": (
        {
            "headers": {"anthropic-beta": "structured-outputs-2025-11-13"},
            "output_format": {"type": "json_schema", "schema": {"type": "object"}},
        },
        "output_format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false",
    ),
}


@pytest.mark.parametrize(
    ("changes", "words"),
    [*EIGHT.values(), *MORE.values(), *LATER.values(), *LIMITED.values(), *ILLEGAL.values()],
    ids=[*EIGHT, *MORE, *LATER, *LIMITED, *ILLEGAL],
)
def test_illegal_request_is_refused(changes: dict[str, Any], words: str, request_for: Any, read: Any) -> None:
    """A 400 of the API's type, with its words, and no invitation to try again."""
    response = simulate()(request_for(**changes))
    status, error = read(response)
    assert (400, {"type": "invalid_request_error", "message": words}) == (status, error["error"])
    assert "error" == error["type"]
    assert dict(response[0].headers)["request-id"] == error["request_id"]
    assert "false" == dict(response[0].headers)["x-should-retry"]


def test_no_rule_is_untested(request_for: Any) -> None:
    """Every rule of the table refuses at least one request of this file."""
    refused = {
        check_request(request_for(**changes), SeededSignatures(0), Scenario()).rule_name
        for changes, _ in [*EIGHT.values(), *MORE.values(), *LATER.values(), *LIMITED.values(), *ILLEGAL.values()]
    }
    elsewhere = {
        *("the path exists", "the method fits the path", "the body is at most 32 MB", "the API key is valid"),
        *("there is an API key", "the page size is from 1 to 1000", "the requested models exist", "the body is JSON"),
        *("the body is not nested too deeply", "the body is an object", "the scenario allows all parameters"),
        *("the model exists", "the prompt fits the context window"),
    }
    names = [rule.name for rule in RULES]
    assert (elsewhere, len(names)) == (set(names) - refused, len(set(names)))


def test_a_prompt_longer_than_the_window_is_refused(request_for: Any, read: Any) -> None:
    """The words name what it has and what fits; the one-million beta makes room."""
    long = "word " * 210_000
    _, error = read(simulate()(request_for(messages=[{"role": "user", "content": long}])))
    assert "prompt is too long: 210007 tokens > 200000 maximum" == error["error"]["message"]
    roomy = request_for(
        headers={"anthropic-beta": "context-1m-2025-08-07"}, messages=[{"role": "user", "content": long}]
    )
    assert 200 == read(simulate()(roomy))[0]


def test_requests_without_a_key_are_refused(request_for: Any, read: Any) -> None:
    """A 401, as for a wrong key; the newer authorization header is a key, too."""
    status, error = read(simulate()(request_for(headers={"x-api-key": None})))
    assert (401, {"type": "authentication_error", "message": "x-api-key header is required"}) == (
        status,
        error["error"],
    )
    bearer = request_for(headers={"x-api-key": None, "authorization": "Bearer key"})
    assert 200 == read(simulate()(bearer))[0]


def test_a_body_larger_than_32_mb_is_refused_by_the_edge(request_for: Any, read: Any) -> None:
    """The edge's body has neither a top-level type nor a request id."""
    large = request_for(messages=[{"role": "user", "content": "x" * 33_600_000}])
    expected = {"error": {"type": "request_too_large", "message": "Request exceeds the maximum size"}}
    assert (413, expected) == read(simulate()(large))


@pytest.mark.parametrize("model", ["claude-4-5-haiku", "claude-haiku-4-5-20250101"])
def test_a_model_that_does_not_exist_is_not_found(model: str, request_for: Any, read: Any) -> None:
    """A 404 that names it; where a model's date is known, no other is one."""
    status, error = read(simulate()(request_for(model=model)))
    assert (404, {"type": "not_found_error", "message": f"model: {model}"}) == (status, error["error"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"{", "The request body is not valid JSON: Input data was truncated"),
        (b"[]", "Input should be a valid dictionary"),
    ],
)
def test_a_body_that_is_no_object_is_refused(text: bytes, words: str, request_for: Any, read: Any) -> None:
    """Broken JSON, and JSON that is not an object."""
    status, error = read(simulate()(replace(request_for(), body=text)))
    assert (400, words) == (status, error["error"]["message"])


@pytest.mark.parametrize(
    ("method", "path", "status", "kind", "words"),
    [
        ("POST", "/v1/complete", 404, "not_found_error", "Not found"),
        ("POST", "/v1/complete?a=1", 404, "not_found_error", "Not found"),
        (
            "POST",
            "/gateway?tenant=a&key=/v1/messages?beta=true",
            404,
            "not_found_error",
            "Not found: the base_url of the client has a query, so /v1/messages became a part of that; give the client "
            'default_query={"tenant": ..., "key": ...} instead (params={"tenant": ..., "key": ...} of an httpx client)',
        ),
        ("GET", "/v1/messages", 405, "invalid_request_error", "Method Not Allowed"),
        (
            "GET",
            "/v1/models?limit=many",
            400,
            "invalid_request_error",
            "limit: Input should be a valid integer, unable to parse string as an integer",
        ),
        ("GET", "/v1/models/claude-9", 404, "not_found_error", "model: claude-9"),
        ("GET", "/v1/models?after_id=claude-9", 404, "not_found_error", "model: claude-9"),
        ("GET", "/v1/models?before_id=claude-9", 404, "not_found_error", "model: claude-9"),
        (
            "GET",
            "/v1/models?limit=0",
            400,
            "invalid_request_error",
            "limit: Input should be greater than or equal to 1",
        ),
        (
            "GET",
            "/v1/models?limit=-",
            400,
            "invalid_request_error",
            "limit: Input should be a valid integer, unable to parse string as an integer",
        ),
        (
            "GET",
            "/v1/models?limit=1001",
            400,
            "invalid_request_error",
            "limit: Input should be less than or equal to 1000",
        ),
    ],
)
def test_other_paths_and_methods_are_refused(
    method: str, path: str, status: int, kind: str, words: str, request_for: Any, read: Any
) -> None:
    """What the API does not have is not found; what it has for other methods is not allowed."""
    answered, error = read(simulate()(replace(request_for(path), method=method)))
    assert (status, {"type": kind, "message": words}) == (answered, error["error"])


def test_a_scenario_may_refuse_betas_and_parameters(request_for: Any, read: Any) -> None:
    """In the API's words, while requests without them are answered."""
    scenario = parse_scenario(
        'refused_betas = ["files-api-2025-04-14"]\nrefused_parameters = ["metadata"]\n[[turn]]\ntext = "Hi."'
    )
    simulator = simulate(scenario)
    _, beta = read(simulator(request_for(headers={"anthropic-beta": "files-api-2025-04-14"})))
    _, parameter = read(simulator(request_for(metadata={"user_id": "me"})))
    assert beta["error"]["message"].startswith("Unexpected value(s) `files-api-2025-04-14` for the `anthropic-beta`")
    assert "metadata: Extra inputs are not permitted" == parameter["error"]["message"]
    assert 200 == read(simulator(request_for()))[0]


LEGAL = {
    "properties of inner objects may have any name": {
        "tools": [
            {
                "name": "a",
                "input_schema": {"type": "object", "properties": {"b.c": {"properties": {"$top": {"type": "null"}}}}},
            }
        ]
    },
    "an MCP server has one toolset": {
        "headers": {"anthropic-beta": illegal.MCP},
        "mcp_servers": [illegal.SERVER],
        "tools": [{"type": "mcp_toolset", "mcp_server_name": "m"}],
    },
    "a recorder may have removed the ids of results": {
        "messages": [
            user(TEXT),
            assistant(
                {"type": "server_tool_use", "id": "srvtoolu_1", "name": "advisor", "input": {}},
                {"type": "advisor_tool_result", "tool_use_id": "REDACTED", "content": []},
            ),
            user(TEXT),
        ]
    },
    "a beta opens its tool": {
        "headers": {"anthropic-beta": "computer-use-2025-01-24"},
        "tools": [{"type": "computer_20250124", "name": "computer", "display_width_px": 1, "display_height_px": 1}],
    },
    "interleaved thinking has budgets beyond max_tokens": {
        "headers": {"anthropic-beta": "interleaved-thinking-2025-05-14"},
        "thinking": {"type": "enabled", "budget_tokens": 8000},
        "tools": [TOOL],
    },
    "an empty assistant message may come last": {"messages": [user(TEXT), assistant()]},
    "also as an empty string": {"messages": [user(TEXT), {"role": "assistant", "content": ""}]},
    "a model may be named as in its first days": {"model": "claude-4-opus-20250514"},
    "results may be spread over consecutive messages": {
        "messages": [
            user(TEXT),
            assistant(CALL, {**CALL, "id": "toolu_2"}),
            user(RESULT),
            user({**RESULT, "tool_use_id": "toolu_2"}),
        ]
    },
    "an assistant's turn may be two messages": {
        "messages": [user(TEXT), assistant(TEXT), assistant(CALL), user(RESULT)]
    },
    "thinking is not wanted of a turn that has ended": {
        "thinking": BUDGET,
        "messages": [user(TEXT), assistant(TEXT), user(TEXT)],
    },
    "later steps of a tool loop go without thinking": {
        "thinking": BUDGET,
        "messages": [
            user(TEXT),
            assistant(TEXT),
            user(TEXT),
            assistant({"type": "redacted_thinking", "data": SeededSignatures(0).encrypt_thinking("why")}, CALL),
            user(RESULT),
            assistant({**CALL, "id": "toolu_2"}),
            user({**RESULT, "tool_use_id": "toolu_2"}, TEXT),
        ],
    },
    "an automatic mark beside three": {"cache_control": {"type": "ephemeral"}, "messages": [user(*[MARKED] * 3)]},
    "a call stands alone where its results come first": {
        "messages": [user(TEXT), assistant(CALL, TEXT), user(RESULT, TEXT), user(TEXT)]
    },
    "a call may be answered again in the next turn by another": {
        "messages": [
            user(TEXT),
            assistant(CALL),
            user(RESULT),
            assistant({**CALL, "id": "toolu_2"}),
            user({**RESULT, "tool_use_id": "toolu_2"}),
        ]
    },
    "a system message is no part of the turn that answers": {
        "model": "claude-opus-4-8",
        "messages": [user(TEXT), assistant(CALL), {"role": "system", "content": "Be brief."}, user(RESULT)],
    },
    "a server's call waits for a client's result": {
        "messages": [user(TEXT), assistant(SERVER_CALL, CALL), user(RESULT), assistant(FOUND, TEXT), user(TEXT)]
    },
    "a server's call and its result": {"messages": [user(TEXT), assistant(SERVER_CALL, FOUND), user(TEXT)]},
    "ids of a server's calls that a recorder took out": {
        "messages": [user(TEXT), assistant(SERVER_CALL, {**FOUND, "tool_use_id": "ID"}), user(TEXT)]
    },
    "a set of tools has no name": {"tools": [{"type": "computer_toolset_20260801"}]},
    "a date of a model whose dates are not known": {"model": "claude-opus-4-8-20260601"},
    "white space beside words": {"messages": [user({"type": "text", "text": " "}, TEXT)]},
    "temperature and top_p on older models": {"temperature": 0.5, "top_p": 0.5, "model": "claude-sonnet-4-0"},
    "no choice among no tools": {"tool_choice": {"type": "auto"}},
    "an answer that ends where the window does": {
        "model": "claude-sonnet-4-0",
        "max_tokens": 64_000,
        "messages": [user({"type": "text", "text": "a " * 150_000})],
        "headers": {"anthropic-beta": "model-context-window-exceeded-2025-08-26"},
    },
    "newer models end where the window does": {
        "max_tokens": 64_000,
        "messages": [user({"type": "text", "text": "a " * 150_000})],
    },
    "thinking as it was, or out of sight": {
        "messages": [
            user(TEXT),
            assistant(SAID, TEXT),
            user(TEXT),
            assistant({**SAID, "thinking": ""}, TEXT),
            user(TEXT),
        ]
    },
    "a paused turn goes on": {
        "model": "claude-sonnet-4-6",
        "messages": [
            user(TEXT),
            assistant({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
        ],
    },
    "adaptive thinking takes forced tools": {
        "model": "claude-opus-4-6",
        "thinking": {"type": "adaptive"},
        "tools": [TOOL],
        "tool_choice": {"type": "any"},
    },
    "a newer model takes system messages and the defaults of sampling": {
        "model": "claude-opus-4-8",
        "messages": [user(TEXT), {"role": "system", "content": "Be brief."}, user(TEXT)],
        "temperature": 1,
    },
    "a beta opens the binding of thinking": {
        "headers": {"anthropic-beta": "thinking-binding-controls-2026-08-01"},
        "thinking": {"type": "adaptive", "block_binding": {}, "display": "updates"},
        "model": "claude-opus-4-8",
    },
    "a system message that only sets the effort": {
        "model": "claude-opus-4-8",
        "messages": [user(TEXT), {"role": "system", "output_config": {"effort": "low"}}, user(TEXT)],
    },
    "a beta opens its field": {"headers": {"anthropic-beta": "mcp-client-2025-11-20"}, "mcp_servers": []},
    "as many unions as there may be, in two schemas": {
        "tools": strict(properties(8, NULLABLE), properties(8, NULLABLE))
    },
    "definitions that are shared": {
        "tools": strict(
            {**properties(2, {"$ref": "#/$defs/A"}), "$defs": {"A": {"anyOf": [{"$ref": "#/$defs/B"}] * 2}, "B": TEXTS}}
        )
    },
    "a schema that is not strict may be anything": {
        "tools": [{"name": "a", "input_schema": {**NODE, "minProperties": 1}}]
    },
    "literals of a strict schema are no schemas": {
        "tools": strict(
            {
                **properties(1, {"const": {"type": "object"}, "default": {"type": "object"}}),
                "examples": [{"type": "string", "minLength": 1}],
            }
        )
    },
    "nothing is no keyword": {"tools": [{"name": "a", "input_schema": {"type": "object", "required": None}}]},
    "thinking may be switched off": {"thinking": {"type": "disabled"}},
    "context management without edits": {
        "headers": {"anthropic-beta": illegal.EDITS},
        "context_management": {"edits": None},
    },
    "tool uses are cleared": illegal.edits("clear_tool_uses_20250919"),
    "thinking is cleared before tool uses": illegal.edits(
        "clear_thinking_20251015", "clear_tool_uses_20250919", thinking=BUDGET, max_tokens=2048
    ),
    "a null mark is none": {"messages": [user({**TEXT, "cache_control": None})]},
}


@pytest.mark.parametrize("changes", LEGAL.values(), ids=list(LEGAL))
def test_legal_request_is_answered(changes: dict[str, Any], request_for: Any, read: Any) -> None:
    """What lies near the rules' borders is accepted."""
    status, answer = read(simulate()(request_for(**changes)))
    assert 200 == status, answer


def test_the_oldest_paused_answer_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Continuing it is then an error, as after a restart."""
    monkeypatch.setattr(signatures, "_MAX_REMEMBERED_ANSWERS", 2)
    issued = SeededSignatures(0)
    for text in "abc":
        issued.remember_paused_answer([{"type": "text", "text": text}])
    assert [False, True, True] == [issued.is_paused_answer({"role": "assistant", "content": text}) for text in "abc"]
