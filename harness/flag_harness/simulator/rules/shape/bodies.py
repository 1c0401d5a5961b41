"""Pydantic models of request bodies. The models of messages are in `blocks.py`.

Fields and tags (the values that select a model) are those of recorded requests (2024 to 2026) and of the types of
anthropic 2.14.
"""

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag

from flag_harness.simulator.rules.shape.blocks import (
    PREFIX_OF_TAGS_HIDDEN_IN_ERRORS,
    CacheControl,
    CacheMarkableModel,
    ClosedModel,
    Message,
    OpenModel,
    System,
    type_of_object,
)


class InputSchema(OpenModel):
    """The input schema of a tool. Its `type` is required."""

    type: Literal["object"]


class CustomTool(CacheMarkableModel):
    type: Literal["custom"] | None = None
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    description: str | None = None
    input_schema: InputSchema
    strict: bool | None = None
    defer_loading: bool | None = None
    eager_input_streaming: bool | None = None
    allowed_callers: list[str] | None = None
    input_examples: list[dict[str, Any]] | None = None


class AnthropicTool(OpenModel):
    """A tool that the API defines. A rule checks its type, because some types need a beta."""

    type: str
    name: str | None = None
    cache_control: CacheControl | None = None


def _tool_tag(value: Any) -> str:
    """Return the tag (the value that selects a Pydantic model) for a tool."""
    return "custom" if type_of_object(value) in (None, "custom") else f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}anthropic"


Tool = Annotated[
    Annotated[CustomTool, Tag("custom")] | Annotated[AnthropicTool, Tag(f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}anthropic")],
    Discriminator(_tool_tag),
]


class _ParallelToolChoice(ClosedModel):
    disable_parallel_tool_use: bool | None = None


class AutoToolChoice(_ParallelToolChoice):
    type: Literal["auto"]


class AnyToolChoice(_ParallelToolChoice):
    type: Literal["any"]


class NamedToolChoice(_ParallelToolChoice):
    type: Literal["tool"]
    name: str


class NoToolChoice(ClosedModel):
    type: Literal["none"]


ToolChoice = Annotated[AutoToolChoice | AnyToolChoice | NamedToolChoice | NoToolChoice, Field(discriminator="type")]


class _ThinkingWithDisplay(ClosedModel):
    display: Literal["summarized", "omitted", "updates"] | None = None
    block_binding: dict[str, Any] | None = None


class EnabledThinking(_ThinkingWithDisplay):
    type: Literal["enabled"]
    budget_tokens: Annotated[int, Field(ge=1024)]


class AdaptiveThinking(_ThinkingWithDisplay):
    type: Literal["adaptive"]


class BetweenToolsThinking(ClosedModel):
    type: Literal["between_tools"]


class DisabledThinking(ClosedModel):
    type: Literal["disabled"]


Thinking = Annotated[
    EnabledThinking | AdaptiveThinking | BetweenToolsThinking | DisabledThinking, Field(discriminator="type")
]


class JsonFormat(ClosedModel):
    type: Literal["json_schema"]
    schema_: Annotated[dict[str, Any], Field(alias="schema")]


class OutputConfig(ClosedModel):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: JsonFormat | None = None
    task_budget: dict[str, Any] | None = None


class NewMessageThread(ClosedModel):
    type: Literal["create"]


class ExistingMessageThread(ClosedModel):
    type: Literal["continue"]
    previous_message_id: str


MessageThread = Annotated[NewMessageThread | ExistingMessageThread, Field(discriminator="type")]


class Metadata(ClosedModel):
    user_id: Annotated[str, Field(max_length=256)] | None = None


def _type_or_kind_tag(value: Any) -> str:
    """Return the tag (the value that selects a Pydantic model) for a value: its `type` or, if it has none, its Python
    type.
    """
    return f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}{type(value).__name__ if isinstance(value, (list, dict)) else 'str'}"


_Text = Annotated[str, Tag(f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}str")]
_Object = Annotated[dict[str, Any], Tag(f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}dict")]
Container = Annotated[_Text | _Object, Discriminator(_type_or_kind_tag)]
Token = Annotated[_Text | _Object, Discriminator(_type_or_kind_tag)]
Fallbacks = Annotated[
    _Text | Annotated[list[dict[str, Any]], Tag(f"{PREFIX_OF_TAGS_HIDDEN_IN_ERRORS}list")],
    Discriminator(_type_or_kind_tag),
]


class CountTokensBody(ClosedModel):
    """The body of `POST /v1/messages/count_tokens`."""

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
    speed: Literal["standard", "fast"] | None = None
    compaction: dict[str, Any] | None = None
    billing_policy: dict[str, Any] | None = None


class MessagesBody(CountTokensBody):
    """The body of `POST /v1/messages`."""

    max_tokens: Annotated[int, Field(ge=0)]
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    metadata: Metadata | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    container: Container | None = None
    inference_geo: str | None = None
    diagnostics: dict[str, Any] | None = None
    user_profile_id: str | None = None
    fallbacks: Fallbacks | None = None
    thread: MessageThread | None = None
    fallback_credit_token: Token | None = None
