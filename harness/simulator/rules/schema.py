"""The shape of request bodies. The API's own words for a wrong shape are pydantic's, so pydantic judges it here too.

Fields and tags are those that recorded requests of 2024 to 2026 use and anthropic 2.12's types name. Blocks that only
servers write (`*_tool_result` and the like) are taken whatever else they hold.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

HIDDEN = "~"
"""Tags that begin so are ours and are left out of the words."""


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Open(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class CacheControl(_Shape):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class _Markable(_Shape):
    cache_control: CacheControl | None = None


class TextBlock(_Markable):
    type: Literal["text"]
    text: str
    citations: list[dict[str, Any]] | None = None


class _MediaBlock(_Markable):
    source: dict[str, Any]


class ImageBlock(_MediaBlock):
    type: Literal["image"]
    transformation: Any = None


class DocumentBlock(_MediaBlock):
    type: Literal["document"]
    citations: dict[str, Any] | None = None
    context: str | None = None
    title: str | None = None


class SearchResultBlock(_Markable):
    type: Literal["search_result"]
    content: list[dict[str, Any]]
    source: str
    title: str
    citations: dict[str, Any] | None = None


class ThinkingBlock(_Shape):
    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinkingBlock(_Shape):
    type: Literal["redacted_thinking"]
    data: str


_ToolName = Annotated[str, Field(min_length=1, max_length=200)]
_ToolUseId = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$")]


class ToolUseBlock(_Markable):
    type: Literal["tool_use"]
    id: _ToolUseId
    name: _ToolName
    input: dict[str, Any]
    caller: dict[str, Any] | None = None


class ToolResultBlock(_Markable):
    type: Literal["tool_result"]
    tool_use_id: _ToolUseId
    content: "Content | None" = None
    is_error: bool | None = None


class ServerBlock(_Open):
    """A block that a server wrote, or of a kind that only betas have."""

    type: str
    cache_control: CacheControl | None = None


SERVER_BLOCKS = frozenset(
    """
    advisor_tool_result bash_code_execution_tool_result code_execution_tool_result compaction container_upload
    mcp_tool_result mcp_tool_use server_tool_use text_editor_code_execution_tool_result tool_addition tool_reference
    tool_removal tool_search_tool_result web_fetch_tool_result web_search_tool_result
    """.split()  # noqa: SIM905 - names in columns
)


def _type_of(value: Any) -> Any:
    return value.get("type") if isinstance(value, Mapping) else None


def _block_tag(value: Any) -> str:
    kind = _type_of(value)
    return f"{HIDDEN}server" if kind in SERVER_BLOCKS else str(kind)


def _content_tag(value: Any) -> str:
    return f"{HIDDEN}blocks" if isinstance(value, list) else f"{HIDDEN}string"


Block = Annotated[
    Annotated[TextBlock, Tag("text")]
    | Annotated[ImageBlock, Tag("image")]
    | Annotated[DocumentBlock, Tag("document")]
    | Annotated[SearchResultBlock, Tag("search_result")]
    | Annotated[ThinkingBlock, Tag("thinking")]
    | Annotated[RedactedThinkingBlock, Tag("redacted_thinking")]
    | Annotated[ToolUseBlock, Tag("tool_use")]
    | Annotated[ToolResultBlock, Tag("tool_result")]
    | Annotated[ServerBlock, Tag(f"{HIDDEN}server")],
    Discriminator(_block_tag),
]
Content = Annotated[
    Annotated[str, Tag(f"{HIDDEN}string")] | Annotated[list[Block], Tag(f"{HIDDEN}blocks")],
    Discriminator(_content_tag),
]
System = Annotated[
    Annotated[str, Tag(f"{HIDDEN}string")] | Annotated[list[TextBlock], Tag(f"{HIDDEN}blocks")],
    Discriminator(_content_tag),
]


class Message(_Shape):
    role: Literal["user", "assistant", "system"]
    content: Content


class InputSchema(_Open):
    """A JSON schema; `{}` would lack its type."""

    type: Literal["object"]


class CustomTool(_Markable):
    type: Literal["custom"] | None = None
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    description: str | None = None
    input_schema: InputSchema
    strict: bool | None = None
    defer_loading: bool | None = None
    eager_input_streaming: bool | None = None
    allowed_callers: list[str] | None = None
    input_examples: list[dict[str, Any]] | None = None


class AnthropicTool(_Open):
    """A tool that the API defines; which types there are is a rule of its own, since betas open some."""

    type: str
    name: str | None = None
    cache_control: CacheControl | None = None


def _tool_tag(value: Any) -> str:
    return "custom" if _type_of(value) in (None, "custom") else f"{HIDDEN}anthropic"


Tool = Annotated[
    Annotated[CustomTool, Tag("custom")] | Annotated[AnthropicTool, Tag(f"{HIDDEN}anthropic")],
    Discriminator(_tool_tag),
]


class _ParallelChoice(_Shape):
    disable_parallel_tool_use: bool | None = None


class AutoChoice(_ParallelChoice):
    type: Literal["auto"]


class AnyChoice(_ParallelChoice):
    type: Literal["any"]


class ToolChoiceByName(_ParallelChoice):
    type: Literal["tool"]
    name: str


class NoChoice(_Shape):
    type: Literal["none"]


ToolChoice = Annotated[AutoChoice | AnyChoice | ToolChoiceByName | NoChoice, Field(discriminator="type")]


class EnabledThinking(_Shape):
    type: Literal["enabled"]
    budget_tokens: Annotated[int, Field(ge=1024)]
    display: Literal["summarized", "omitted"] | None = None


class AdaptiveThinking(_Shape):
    type: Literal["adaptive"]
    display: Literal["summarized", "omitted"] | None = None


class BetweenToolsThinking(_Shape):
    type: Literal["between_tools"]


class DisabledThinking(_Shape):
    type: Literal["disabled"]


Thinking = Annotated[
    EnabledThinking | AdaptiveThinking | BetweenToolsThinking | DisabledThinking, Field(discriminator="type")
]


class JsonFormat(_Shape):
    type: Literal["json_schema"]
    schema_: Annotated[dict[str, Any], Field(alias="schema")]


class OutputConfig(_Open):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonFormat | None = None


class Metadata(_Shape):
    user_id: str | None = None


class CountTokensBody(_Shape):
    """`POST /v1/messages/count_tokens`."""

    model: str
    messages: list[Message]
    system: System | None = None
    tools: list[Tool] | None = None
    tool_choice: ToolChoice | None = None
    thinking: Thinking | None = None
    cache_control: CacheControl | None = None
    output_config: OutputConfig | None = None
    output_format: JsonFormat | None = None
    mcp_servers: list[dict[str, Any]] | None = None
    context_management: dict[str, Any] | None = None
    speed: str | None = None


class MessagesBody(CountTokensBody):
    """`POST /v1/messages`."""

    max_tokens: Annotated[int, Field(ge=0)]
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: Annotated[float, Field(strict=False)] | None = None
    top_p: Annotated[float, Field(strict=False)] | None = None
    top_k: int | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    container: str | dict[str, Any] | None = None
    inference_geo: str | None = None
    diagnostics: dict[str, Any] | None = None
    user_profile_id: str | None = None
    fallbacks: Any = None
