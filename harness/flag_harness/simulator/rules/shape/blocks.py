"""Pydantic models of messages and content blocks.

Fields and tags (the values that select a model) are those of recorded requests (2024 to 2026) and of the types of
anthropic 2.14. Blocks that only servers write, such as `*_tool_result`, may have any fields.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

PREFIX_OF_TAGS_HIDDEN_IN_ERRORS = "~"
"""The prefix of tags (the values that select a Pydantic model) that only we use. Error messages leave these tags
out.
"""


class ClosedModel(BaseModel):
    """An object that must not have other keys than the declared ones."""

    model_config = ConfigDict(extra="forbid", strict=True)


class OpenModel(BaseModel):
    """An object that may have other keys than the declared ones."""

    model_config = ConfigDict(extra="allow", strict=True)


class CacheControl(ClosedModel):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class CacheMarkableModel(ClosedModel):
    """A block that may have a cache mark (`cache_control`)."""

    cache_control: CacheControl | None = None


class TextBlock(CacheMarkableModel):
    type: Literal["text"]
    text: str
    citations: list[dict[str, Any]] | None = None


class Base64Image(ClosedModel):
    type: Literal["base64"]
    media_type: Literal["image/jpeg", "image/png", "image/gif", "image/webp"]
    data: str


class Base64Document(ClosedModel):
    type: Literal["base64"]
    media_type: Literal["application/pdf"]
    data: str


class PlainTextDocument(ClosedModel):
    type: Literal["text"]
    media_type: Literal["text/plain"]
    data: str


class UrlSource(ClosedModel):
    type: Literal["url"]
    url: str


class FileSource(ClosedModel):
    type: Literal["file"]
    file_id: str


ImageSource = Annotated[Base64Image | UrlSource | FileSource, Field(discriminator="type")]


class ImageBlock(CacheMarkableModel):
    type: Literal["image"]
    source: ImageSource
    transformations: dict[str, Any] | None = None


class DocumentOfBlocks(ClosedModel):
    type: Literal["content"]
    content: str | list[Annotated[TextBlock | ImageBlock, Field(discriminator="type")]]


DocumentSource = Annotated[
    Base64Document | PlainTextDocument | DocumentOfBlocks | UrlSource | FileSource, Field(discriminator="type")
]


class DocumentBlock(CacheMarkableModel):
    type: Literal["document"]
    source: DocumentSource
    citations: dict[str, Any] | None = None
    context: str | None = None
    title: str | None = None


class SearchResultBlock(CacheMarkableModel):
    type: Literal["search_result"]
    content: Annotated[list[TextBlock], Field(min_length=1)]
    source: str
    title: str
    citations: dict[str, Any] | None = None


class ThinkingBlock(ClosedModel):
    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinkingBlock(ClosedModel):
    type: Literal["redacted_thinking"]
    data: str


_ToolName = Annotated[str, Field(min_length=1, max_length=200)]
_ToolUseId = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$")]


class ToolUseBlock(CacheMarkableModel):
    type: Literal["tool_use"]
    id: _ToolUseId
    name: _ToolName
    input: dict[str, Any]
    caller: dict[str, Any] | None = None
    toolset_name: str | None = None


class ToolResultBlock(CacheMarkableModel):
    type: Literal["tool_result"]
    tool_use_id: _ToolUseId
    content: "Content | None" = None
    is_error: bool | None = None
    toolset_name: str | None = None


class ServerToolCall(OpenModel):
    """A call of a tool that the API runs itself."""

    type: Literal["server_tool_use", "mcp_tool_use"]
    id: str
    name: str
    input: dict[str, Any]
    cache_control: CacheControl | None = None


class ServerBlock(OpenModel):
    """A block that the API's own tools have written, or a block type that needs a beta."""

    type: str
    cache_control: CacheControl | None = None


SERVER_BLOCK_TYPES = frozenset(
    """
    advisor_tool_result bash_code_execution_tool_result browser_state code_execution_tool_result compaction
    container_upload fallback mcp_tool_listing mcp_tool_result text_editor_code_execution_tool_result tool_addition
    tool_reference tool_removal tool_search_tool_result web_fetch_tool_result web_search_tool_result
    """.split()  # noqa: SIM905 - names in columns
)


COMMON_BLOCK_TYPES = frozenset(
    """
    document image mcp_tool_use redacted_thinking search_result server_tool_use text thinking tool_result tool_use
    """.split()  # noqa: SIM905 - names in columns
)
"""The block types whose keys are checked. Blocks of other types may have any keys."""


def type_of_object(value: Any) -> Any:
    """Return the `type` of a JSON object, or None if it has no type or is no object."""
    return value.get("type") if isinstance(value, Mapping) else None


def _block_tag(value: Any) -> str:
    """Return the tag (the value that selects a Pydantic model) for a content block."""
    kind = type_of_object(value)
    return (
        f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}server"
        if isinstance(kind, str) and kind in SERVER_BLOCK_TYPES
        else str(kind)
    )


def content_tag(value: Any) -> str:
    """Return the tag (the value that selects a Pydantic model) for a content: one for a list of blocks, another for a
    string.
    """
    return (
        f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}blocks"
        if isinstance(value, list)
        else f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}string"
    )


ContentBlock = Annotated[
    Annotated[TextBlock, Tag("text")]
    | Annotated[ImageBlock, Tag("image")]
    | Annotated[DocumentBlock, Tag("document")]
    | Annotated[SearchResultBlock, Tag("search_result")]
    | Annotated[ThinkingBlock, Tag("thinking")]
    | Annotated[RedactedThinkingBlock, Tag("redacted_thinking")]
    | Annotated[ToolUseBlock, Tag("tool_use")]
    | Annotated[ToolResultBlock, Tag("tool_result")]
    | Annotated[ServerToolCall, Tag("server_tool_use")]
    | Annotated[ServerToolCall, Tag("mcp_tool_use")]
    | Annotated[ServerBlock, Tag(f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}server")],
    Discriminator(_block_tag),
]
Content = Annotated[
    Annotated[str, Tag(f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}string")]
    | Annotated[list[ContentBlock], Tag(f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}blocks")],
    Discriminator(content_tag),
]
System = Annotated[
    Annotated[str, Tag(f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}string")]
    | Annotated[list[TextBlock], Tag(f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}blocks")],
    Discriminator(content_tag),
]


class UserOrAssistantMessage(ClosedModel):
    role: Literal["user", "assistant", "system"]
    content: Content


class SystemRoleMessage(ClosedModel):
    """The shape of a message with the role `system`. It has no content if it only changes settings."""

    role: Literal["system"]
    content: Content | None = None
    clear_at: Literal["next_user_message", "never"] | None = None
    output_config: dict[str, Any] | None = None


def _role_tag(value: Any) -> str:
    """Return the tag (the value that selects a Pydantic model) for a message, which depends on the message's role."""
    role = value.get("role") if isinstance(value, Mapping) else None
    return (
        f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}system" if role == "system" else f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}spoken"
    )


Message = Annotated[
    Annotated[UserOrAssistantMessage, Tag(f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}spoken")]
    | Annotated[SystemRoleMessage, Tag(f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}system")],
    Discriminator(_role_tag),
]
