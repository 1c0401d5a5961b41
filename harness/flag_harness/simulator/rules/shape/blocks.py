"""The shape of content blocks and messages. The API's words for a wrong shape are pydantic's, so pydantic judges it.

Fields and tags are those that recorded requests of 2024 to 2026 use and anthropic 2.14's types name. Blocks that only
servers write (`*_tool_result` and the like) are taken whatever else they hold.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

HIDDEN = "~"
"""Tags that begin so are ours and are left out of the words."""


class Shape(BaseModel):
    """An object that has these keys alone."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Open(BaseModel):
    """An object that may have other keys, too."""

    model_config = ConfigDict(extra="allow", strict=True)


class CacheControl(Shape):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class Markable(Shape):
    """What may carry a cache mark."""

    cache_control: CacheControl | None = None


class TextBlock(Markable):
    type: Literal["text"]
    text: str
    citations: list[dict[str, Any]] | None = None


class Base64Image(Shape):
    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: str


class Base64Document(Shape):
    type: Literal["base64"]
    media_type: Literal["application/pdf"]
    data: str


class PlainDocument(Shape):
    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: str


class DocumentOfBlocks(Shape):
    type: Literal["content"]
    content: str | list[dict[str, Any]]


class UrlSource(Shape):
    type: Literal["url"]
    url: str


class FileSource(Shape):
    type: Literal["file"]
    file_id: str


ImageSource = Annotated[Base64Image | UrlSource | FileSource, Field(discriminator="type")]
DocumentSource = Annotated[
    Base64Document | PlainDocument | DocumentOfBlocks | UrlSource | FileSource, Field(discriminator="type")
]


class ImageBlock(Markable):
    type: Literal["image"]
    source: ImageSource
    transformations: dict[str, Any] | None = None


class DocumentBlock(Markable):
    type: Literal["document"]
    source: DocumentSource
    citations: dict[str, Any] | None = None
    context: str | None = None
    title: str | None = None


class SearchResultBlock(Markable):
    type: Literal["search_result"]
    content: list[dict[str, Any]]
    source: str
    title: str
    citations: dict[str, Any] | None = None


class ThinkingBlock(Shape):
    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinkingBlock(Shape):
    type: Literal["redacted_thinking"]
    data: str


_ToolName = Annotated[str, Field(min_length=1, max_length=200)]
_ToolUseId = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$")]


class ToolUseBlock(Markable):
    type: Literal["tool_use"]
    id: _ToolUseId
    name: _ToolName
    input: dict[str, Any]
    caller: dict[str, Any] | None = None
    toolset_name: str | None = None


class ToolResultBlock(Markable):
    type: Literal["tool_result"]
    tool_use_id: _ToolUseId
    content: "Content | None" = None
    is_error: bool | None = None
    toolset_name: str | None = None


class ServerCall(Open):
    """A call of a tool that a server runs."""

    type: Literal["server_tool_use", "mcp_tool_use"]
    id: str
    name: str
    input: dict[str, Any]
    cache_control: CacheControl | None = None


class ServerBlock(Open):
    """A block that a server wrote, or of a kind that only betas have."""

    type: str
    cache_control: CacheControl | None = None


SERVER_BLOCKS = frozenset(
    """
    advisor_tool_result bash_code_execution_tool_result browser_state code_execution_tool_result compaction
    container_upload fallback mcp_tool_listing mcp_tool_result text_editor_code_execution_tool_result tool_addition
    tool_reference tool_removal tool_search_tool_result web_fetch_tool_result web_search_tool_result
    """.split()  # noqa: SIM905 - names in columns
)


def type_of(value: Any) -> Any:
    """The type that an object states; None where it states none, and of what is no object."""
    return value.get("type") if isinstance(value, Mapping) else None


def _block_tag(value: Any) -> str:
    kind = type_of(value)
    return f"{HIDDEN}server" if isinstance(kind, str) and kind in SERVER_BLOCKS else str(kind)


def content_tag(value: Any) -> str:
    """Whether a content is blocks or a string."""
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
    | Annotated[ServerCall, Tag("server_tool_use")]
    | Annotated[ServerCall, Tag("mcp_tool_use")]
    | Annotated[ServerBlock, Tag(f"{HIDDEN}server")],
    Discriminator(_block_tag),
]
Content = Annotated[
    Annotated[str, Tag(f"{HIDDEN}string")] | Annotated[list[Block], Tag(f"{HIDDEN}blocks")],
    Discriminator(content_tag),
]
System = Annotated[
    Annotated[str, Tag(f"{HIDDEN}string")] | Annotated[list[TextBlock], Tag(f"{HIDDEN}blocks")],
    Discriminator(content_tag),
]


class SpokenMessage(Shape):
    role: Literal["user", "assistant", "system"]
    content: Content


class SystemMessage(Shape):
    """A system prompt among the messages; one that only sets the effort has no content."""

    role: Literal["system"]
    content: Content | None = None
    clear_at: Literal["next_user_message", "never"] | None = None
    output_config: dict[str, Any] | None = None


def _role_tag(value: Any) -> str:
    role = value.get("role") if isinstance(value, Mapping) else None
    return f"{HIDDEN}system" if role == "system" else f"{HIDDEN}spoken"


Message = Annotated[
    Annotated[SpokenMessage, Tag(f"{HIDDEN}spoken")] | Annotated[SystemMessage, Tag(f"{HIDDEN}system")],
    Discriminator(_role_tag),
]
