"""Requests that break one rule about tools, media, citations or edits each, with the API's words."""

import base64
import struct
import zlib
from typing import Any

TEXT = {"type": "text", "text": "hello"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}}
TOOL: dict[str, Any] = {"name": "bash", "input_schema": {"type": "object"}}
SEARCH: dict[str, Any] = {"type": "web_search_20250305", "name": "web_search"}
SCHEMA = {"type": "object", "properties": {}, "additionalProperties": False}
FORMAT = {"format": {"type": "json_schema", "schema": SCHEMA}}
EDITS = "context-management-2025-06-27"
BUDGET = {"type": "enabled", "budget_tokens": 1024}
IMPORTANT = (
    "Please consult our documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
    "#important-considerations-when-using-extended-thinking"
)


MCP = "mcp-client-2025-11-20"
SERVER = {"type": "url", "url": "https://mcp.example.com", "name": "m"}
CALLED: list[dict[str, Any]] = [{"role": "user", "content": [TEXT]}]


def png(width: int = 20, height: int = 20, length: int = 100) -> bytes:
    """Return the start of a PNG of this size, filled up to `length` bytes."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return start + bytes(max(0, length - len(start)))


def image(data: bytes | str, media_type: str = "image/png") -> dict[str, Any]:
    """Return an image block; text is taken as it is, bytes as base64."""
    text = data if isinstance(data, str) else base64.b64encode(data).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": media_type, "data": text}}


def pdf(data: bytes | str, **more: Any) -> dict[str, Any]:
    """Return a document block with a PDF."""
    text = data if isinstance(data, str) else base64.b64encode(data).decode()
    return {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": text}, **more}


def plain(**more: Any) -> dict[str, Any]:
    """Return a document block with text."""
    return {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}, **more}


def said(*content: Any) -> dict[str, Any]:
    """Return a conversation of one user message."""
    return {"messages": [{"role": "user", "content": [*content, TEXT]}]}


def result(**fields: Any) -> dict[str, Any]:
    """Return a conversation in which a tool call gets this result."""
    return {
        "messages": [
            {"role": "user", "content": [TEXT]},
            {"role": "assistant", "content": [CALL]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", **fields}]},
        ]
    }


def edits(*kinds: Any, **more: Any) -> dict[str, Any]:
    """Return context management with these edits."""
    listed = [kind if isinstance(kind, dict) else {"type": kind} for kind in kinds]
    return {"headers": {"anthropic-beta": EDITS}, "context_management": {"edits": listed}, **more}


PAGES = b"%PDF-1.4\n" + b"1 0 obj << /Type /Page >> endobj\n" * 101
LARGE = "A" * (5 * 1024 * 1024 + 4)
MEDIA: dict[str, tuple[dict[str, Any], str]] = {
    "an image over 5 MB, as base64": (
        said(image(LARGE)),
        "messages.0.content.0.image.source.base64: image exceeds 5 MB maximum: 5242884 bytes > 5242880 bytes",
    ),
    "an image over 8000 pixels, in a tool result": (
        result(content=[TEXT, image(png(20, 8001))]),
        "messages.2.content.0.tool_result.content.1.image.source.base64.data: At least one of the image dimensions "
        "exceed max allowed size: 8000 pixels",
    ),
    "more than 20 images, one of them over 2000 pixels": (
        said(*[image(png())] * 20, image(png(2001, 20))),
        "messages.0.content.20.image.source.base64.data: At least one of the image dimensions exceed max allowed size "
        "for many-image requests: 2000 pixels",
    ),
    "more than 100 images": (
        said(*[image(png())] * 101),
        "Too much media: 0 document pages + 101 images > 100",
    ),
    "more than 100 pages": (said(pdf(PAGES)), "A maximum of 100 PDF pages may be provided."),
    "a JPEG called a PNG": (
        said(image(b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08\x00\x10\x00\x10\x03")),
        "messages.0.content.0.image.source.base64.data: Image does not match the provided media type image/png",
    ),
    "an image that is no base64": (
        said(image("data:image/png;base64,AAAA")),
        "messages.0.content.0.image.source.base64.data: Invalid base64 data",
    ),
    "an empty image": (said(image("")), "messages.0.content.0.image.source.base64: image cannot be empty"),
    "words in place of an image": (said(image(b"no image")), "Could not process image"),
    "an image cut off in its header": (said(image(png()[:12])), "Could not process image"),
    "an image in a document": (
        said({"type": "document", "source": {"type": "content", "content": [TEXT, image("@")]}}),
        "messages.0.content.0.document.source.content.1.image.source.base64.data: Invalid base64 data",
    ),
    "an image from an insecure URL": (
        said({"type": "image", "source": {"type": "url", "url": "http://example.com/a.png"}}),
        "messages.0.content.0.image.source.url.url: Only HTTPS URLs are supported.",
    ),
    "words in place of a PDF, in a tool result": (
        result(content=[pdf(b"no document")]),
        "messages.2.content.0.tool_result.content.0.pdf.source.base64.data: The PDF specified was not valid.",
    ),
    "a PDF that is no base64": (
        said(pdf("%PDF")),
        "messages.0.content.0.pdf.source.base64.data: Invalid base64 data",
    ),
    "an empty PDF": (said(pdf("")), "messages.0.content.0.pdf.source.base64: PDF cannot be empty"),
    "a PDF with a password": (
        said(pdf(b"%PDF-1.7\ntrailer << /Encrypt 5 0 R >>")),
        "messages.0.content.0.pdf.source.base64.data: The PDF specified is password protected.",
    ),
}
TOOLS: dict[str, tuple[dict[str, Any], str]] = {
    **{
        f"an error without content: {fields}": (
            result(is_error=True, **fields),
            "messages.2.content.0.tool_result: content cannot be empty if `is_error` is true",
        )
        for fields in ({"content": ""}, {"content": []}, {})
    },
    "an error with an image": (
        result(is_error=True, content=[TEXT, image(png())]),
        "messages.2.content.0.tool_result: all content must be type 'text' if 'is_error' is true",
    ),
    **{
        f"{block['type']} of the assistant": (
            {"messages": [*CALLED, {"role": "assistant", "content": [block]}, *CALLED]},
            f"messages.1: '{block['type']}' blocks are not permitted within assistant turns",
        )
        for block in (image(png()), plain())
    },
    "thinking in a tool result": (
        result(content=[{"type": "thinking", "thinking": "a", "signature": "b"}]),
        "messages.2.content.0.tool_result.content.0: Input tag 'thinking' found using 'type' does not match any of the "
        "expected tags: 'document', 'image', 'search_result', 'text', 'tool_reference'",
    ),
    **{
        f"a schema with {keyword} at its top": (
            {"tools": [{"name": "a", "input_schema": {"type": "object", keyword: [{"required": ["a"]}]}}]},
            "tools.0.custom.input_schema: input_schema does not support oneOf, allOf, or anyOf at the top level",
        )
        for keyword in ("anyOf", "oneOf", "allOf")
    },
    **{
        f"a stop sequence without words: {sequence!r}": (
            {"stop_sequences": ["END", sequence]},
            "stop_sequences: each stop sequence must contain non-whitespace",
        )
        for sequence in ("", " ", "\n\t")
    },
    "an editor that the model no longer has": (
        {"tools": [{"type": "text_editor_20250429", "name": "str_replace_based_edit_tool"}]},
        "'claude-haiku-4-5' does not support tool types: text_editor_20250429. Did you mean one of "
        "text_editor_20250728?",
    ),
    "a computer that the model does not have yet": (
        {
            "headers": {"anthropic-beta": "computer-use-2025-11-24"},
            "tools": [{"type": "computer_20251124", "name": "computer", "display_width_px": 1, "display_height_px": 1}],
        },
        "'claude-haiku-4-5' does not support tool types: computer_20251124. Did you mean one of "
        "computer_toolset_20260801?",
    ),
    "domains both allowed and blocked": (
        {"tools": [{**SEARCH, "allowed_domains": ["a.com"], "blocked_domains": ["b.com"]}]},
        "tools.0.web_search_20250305: Only one of `allowed_domains` and `blocked_domains` may be specified.",
    ),
    "a domain with a scheme": (
        {"tools": [{**SEARCH, "blocked_domains": ["a.com", "https://b.com"]}]},
        "tools.0.web_search_20250305.blocked_domains.1: Domains must not include a scheme such as `https://`.",
    ),
    "a screen without pixels": (
        {
            "headers": {"anthropic-beta": "computer-use-2025-01-24"},
            "tools": [{"type": "computer_20250124", "name": "computer", "display_width_px": 9, "display_height_px": 0}],
        },
        "tools.0.computer_20250124.display_height_px: Input should be greater than or equal to 1",
    ),
    "a bound of draft 4": (
        {"tools": [{**TOOL, "input_schema": {"type": "object", "properties": {"a": {"exclusiveMinimum": True}}}}]},
        "tools.0.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12 "
        "(https://json-schema.org/draft/2020-12). Learn more about tool use at "
        "https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview.",
    ),
    "items of draft 4": (
        {"tools": [{**TOOL, "input_schema": {"type": "object", "properties": {"a": {"items": [{}]}}}}]},
        "tools.0.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12 "
        "(https://json-schema.org/draft/2020-12). Learn more about tool use at "
        "https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview.",
    ),
    "an array of two items at least": (
        {
            "output_config": {
                "format": {
                    "type": "json_schema",
                    "schema": {**SCHEMA, "properties": {"a": {"type": "array", "items": {}, "minItems": 2}}},
                }
            }
        },
        "output_config.format.schema: For 'array' type, property 'minItems' is not supported",
    ),
    "a user with a long id": (
        {"metadata": {"user_id": "a" * 257}},
        "metadata.user_id: String should have at most 256 characters",
    ),
    "an edit that waits for minutes": (
        {
            "headers": {"anthropic-beta": EDITS},
            "context_management": {"edits": [{"type": "clear_tool_uses_20250919", "trigger": {"type": "minutes"}}]},
        },
        "context_management.edits.0.clear_tool_uses_20250919.trigger: Input tag 'minutes' found using 'type' does not "
        "match any of the expected tags: 'input_tokens', 'tool_uses'",
    ),
    "an MCP server without TLS": (
        {"headers": {"anthropic-beta": MCP}, "mcp_servers": [{**SERVER, "url": "http://a"}], "tools": [TOOL]},
        "mcp_servers.0.url: MCP server URL must start with https://",
    ),
    "two MCP servers of one name": (
        {"headers": {"anthropic-beta": MCP}, "mcp_servers": [SERVER, SERVER], "tools": [TOOL]},
        "mcp_servers: MCP server names must be unique. Found multiple servers named 'm'.",
    ),
    "an error result of an empty text": (
        result(is_error=True, content=[{"type": "text", "text": ""}]),
        "messages.2.content.0.tool_result: content cannot be empty if `is_error` is true",
    ),
    "a search that may not be used": (
        {"tools": [{**SEARCH, "max_uses": 0}]},
        "tools.0.web_search_20250305.max_uses: Input should be greater than 0",
    ),
    "all tools deferred": (
        {"tools": [{**TOOL, "defer_loading": True}]},
        "All tools have defer_loading set. At least one tool must be non-deferred.",
    ),
    "a cache mark on a deferred tool": (
        {"tools": [TOOL, {**TOOL, "name": "a", "defer_loading": True, "cache_control": {"type": "ephemeral"}}]},
        "Tool 'a' cannot have both defer_loading=true and cache_control set. Tools with defer_loading cannot use "
        "prompt caching.",
    ),
    "a deferred search for tools": (
        {"tools": [TOOL, {"type": "tool_search_tool_regex", "name": "tool_search_tool_regex", "defer_loading": True}]},
        "Tool 'tool_search_tool_regex' cannot have defer_loading=true: tool search tools are always loaded.",
    ),
    "a strict tool that code calls": (
        {"tools": [{**TOOL, "strict": True, "input_schema": SCHEMA, "allowed_callers": ["code_execution_20260120"]}]},
        "Tool 'bash': `strict` is not supported with programmatic tool calling.",
    ),
    "no parallel calls beside a tool that code calls": (
        {
            "tools": [{**TOOL, "allowed_callers": ["code_execution_20260120"]}],
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        },
        "`disable_parallel_tool_use` is not supported with programmatic tool calling.",
    ),
    "a forced tool that only code calls": (
        {
            "tools": [{**TOOL, "allowed_callers": ["code_execution_20260120"]}],
            "tool_choice": {"type": "tool", "name": "bash"},
        },
        "tool_choice.tool: Tool 'bash' can only be called by code execution.",
    ),
    **{
        f"a property called {name[:9]!r}": (
            {"tools": [{"name": "a", "input_schema": {"type": "object", "properties": {name: {"type": "string"}}}}]},
            "tools.0.custom.input_schema.properties: Property keys should match pattern '^[a-zA-Z0-9_.-]{1,64}$'",
        )
        for name in ("filter[id]", "$top", "", "a" * 65)
    },
    "a type that does not exist, in an inner schema": (
        {"tools": [{"name": "a", "input_schema": {"type": "object", "properties": {"b": {"type": ["date", "null"]}}}}]},
        "tools.0.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12 "
        "(https://json-schema.org/draft/2020-12). Learn more about tool use at "
        "https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview.",
    ),
    **{
        f"{kind} without a call": (
            {"messages": [*CALLED[:1], {"role": "assistant", "content": [orphan, TEXT]}, *CALLED[:1]]},
            f"messages.1.content.0: unexpected `tool_use_id` found in `{kind}` blocks: srvtoolu_1. Each `{kind}` block "
            f"must have a corresponding `{call}` block before it.",
        )
        for kind, call in (("advisor_tool_result", "server_tool_use"), ("mcp_tool_result", "mcp_tool_use"))
        for orphan in [{"type": kind, "tool_use_id": "srvtoolu_1", "content": []}]
    },
    "an MCP server without a toolset": (
        {"headers": {"anthropic-beta": MCP}, "mcp_servers": [SERVER], "tools": [TOOL]},
        "MCP server 'm' is defined but not referenced by any `mcp_toolset` in `tools`.",
    ),
    "a toolset without its MCP server": (
        {
            "headers": {"anthropic-beta": MCP},
            "mcp_servers": [SERVER],
            "tools": [{"type": "mcp_toolset", "mcp_server_name": name} for name in "mn"],
        },
        "MCP server 'n' of an `mcp_toolset` is not defined in `mcp_servers`.",
    ),
    "a reference to a tool that is missing": (
        {**result(content=[{"type": "tool_reference", "tool_name": "moon"}]), "tools": [TOOL]},
        "Tool reference 'moon' not found in available tools",
    ),
}
OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "a top_k below zero": ({"top_k": -1}, "top_k: Input should be greater than or equal to 0"),
    "a search result with an image": (
        said({"type": "search_result", "source": "s", "title": "t", "content": [image(png())]}),
        "messages.0.content.0.search_result.content.0.type: Input should be 'text'",
    ),
    "a search result without content": (
        said({"type": "search_result", "source": "s", "title": "t", "content": []}),
        "messages.0.content.0.search_result.content: List should have at least 1 item after validation, not 0",
    ),
    "top_k while thinking": (
        {"thinking": BUDGET, "top_k": 5},
        f"`top_k` must be unset when thinking is enabled. {IMPORTANT}",
    ),
    "a low top_p while thinking": (
        {"thinking": BUDGET, "top_p": 0.9},
        f"`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled. {IMPORTANT}",
    ),
    "an edit of no known type": (
        edits("clear_everything"),
        "context_management.edits.0: Input tag 'clear_everything' found using 'type' does not match any of the "
        "expected tags: 'clear_thinking_20251015', 'clear_tool_uses_20250919'",
    ),
    "an edit whose beta is missing": (
        edits("compact_20260112"),
        "context_management.edits.0: Input tag 'compact_20260112' found using 'type' does not match any of the "
        "expected tags: 'clear_thinking_20251015', 'clear_tool_uses_20250919'",
    ),
    "an edit without a type": (
        edits({"keep": "all"}),
        "context_management.edits.0: Unable to extract tag using discriminator 'type'",
    ),
    "an edit that is no object": (
        {"headers": {"anthropic-beta": EDITS}, "context_management": {"edits": ["clear"]}},
        "context_management.edits.0: Input should be a valid dictionary",
    ),
    "edits that are no list": (
        {"headers": {"anthropic-beta": EDITS}, "context_management": {"edits": {}}},
        "context_management.edits: Input should be a valid list",
    ),
    "an unknown key beside the edits": (
        {"headers": {"anthropic-beta": EDITS}, "context_management": {"edit": []}},
        "context_management.edit: Extra inputs are not permitted",
    ),
    "an unknown key of an edit": (
        edits({"type": "clear_tool_uses_20250919", "colour": "red"}),
        "context_management.edits.0.clear_tool_uses_20250919.colour: Extra inputs are not permitted",
    ),
    "an edit given twice": (
        edits("clear_tool_uses_20250919", "clear_tool_uses_20250919"),
        "context_management.edits: `clear_tool_uses_20250919` may only be specified once.",
    ),
    "thinking cleared after tool uses": (
        edits("clear_tool_uses_20250919", "clear_thinking_20251015", thinking=BUDGET),
        "context_management.edits: `clear_thinking_20251015` must be the first edit.",
    ),
    "thinking cleared where none is": (
        edits("clear_thinking_20251015"),
        "`clear_thinking_20251015` strategy requires `thinking` to be enabled or adaptive",
    ),
    "citations beside an output format": (
        {**said(plain(citations={"enabled": True})), "output_config": FORMAT},
        "output_config.format: Citations cannot be used together with structured outputs.",
    ),
    "citations of a fetching tool beside an output format": (
        {
            "tools": [{"type": "web_fetch_20250910", "name": "web_fetch", "citations": {"enabled": True}}],
            "output_config": FORMAT,
        },
        "output_config.format: Citations cannot be used together with structured outputs.",
    ),
    "citations of some documents": (
        said(plain(citations={"enabled": True}), plain()),
        "messages.0.content.1.document: Citations must be enabled for all document blocks or for none.",
    ),
    "two output formats": (
        {
            "headers": {"anthropic-beta": "structured-outputs-2025-11-13"},
            "output_config": FORMAT,
            "output_format": FORMAT["format"],
        },
        "output_format: Cannot be specified together with `output_config.format`.",
    ),
    "an output format and a prefill": (
        {
            "messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "{"}],
            "output_config": FORMAT,
        },
        "output_config.format: Prefilling the assistant message cannot be used together with structured outputs.",
    ),
}
ILLEGAL = {**MEDIA, **TOOLS, **OPTIONS}
