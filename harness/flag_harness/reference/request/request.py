"""Build the agent's next request from the flags, without features that the API has refused before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flag_harness.models import find_model, thinking_parameters
from flag_harness.reference.request.cache_marks import (
    MAX_CACHE_MARKS,
    add_cache_mark_to_last_block,
    add_cache_marks_to_latest_turns,
)
from flag_harness.reference.request.limits import MAX_TOKENS_WITHOUT_EXTENDED_OUTPUT
from flag_harness.reference.settings import AgentSettings
from flag_harness.reference.tools.tool import Toolbox

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

CACHE_MARK_KEY = "cache_control"
BETA_HEADER = "anthropic-beta"
RESERVED_ARGUMENTS = frozenset({"betas", "max_tokens", "messages", "model", "stream", "system", "tools"})
"""Arguments that only the agent sets."""

_TURNS_WITH_CACHE_MARK = 2


@dataclass(frozen=True, slots=True)
class RequestTemplate:
    """The parts that all requests of an agent share: model, system prompt and further parameters.

    `betas` are those in the `extra_headers` of the parameters; they are handled like all other betas.
    """

    model: str
    system: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if own := sorted(RESERVED_ARGUMENTS.intersection(self.parameters)):
            raise ValueError(
                f"parameters cannot hold {own[0]!r}: the agent sets it itself, from its arguments, flags and tools"
            )

    @property
    def betas(self) -> tuple[str, ...]:
        """The values of the `anthropic-beta` header in the parameters' `extra_headers`."""
        headers = self.parameters.get("extra_headers") or {}
        listed = (value.split(",") for name, value in headers.items() if name.lower() == BETA_HEADER)
        return tuple(beta.strip() for values in listed for beta in values if beta.strip())

    @property
    def parameters_without_betas(self) -> dict[str, Any]:
        """The parameters without the `anthropic-beta` header."""
        headers = self.parameters.get("extra_headers") or {}
        kept = {name: value for name, value in headers.items() if name.lower() != BETA_HEADER}
        parameters = {name: value for name, value in self.parameters.items() if name != "extra_headers"}
        return {**parameters, **({"extra_headers": kept} if kept else {})}


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request that is ready to send: the arguments of `messages.create`, and the betas that it needs.

    `beta_by_tool_type` maps the type of each tool that needs a beta to that beta. `droppable_features` names everything
    that can be left out if the API refuses it: betas, parameters, and `cache_control` for the cache marks.
    """

    arguments: Mapping[str, Any]
    betas: tuple[str, ...] = ()
    beta_by_tool_type: Mapping[str, str] = field(default_factory=dict)
    droppable_features: tuple[str, ...] = ()

    @property
    def is_streaming(self) -> bool:
        """Whether the request asks for a stream."""
        return bool(self.arguments.get("stream"))

    async def send(self, client: "AsyncAnthropic") -> Any:
        """Send the request and return the SDK's message, or its stream of raw events. Raise what the SDK raises.

        The beta namespace is used only if a tool needs it. The client must not retry by itself.
        """
        if self.beta_by_tool_type:
            return await client.beta.messages.create(**self.arguments, betas=list(self.betas))
        if self.betas:
            headers = {**(self.arguments.get("extra_headers") or {}), BETA_HEADER: ",".join(self.betas)}
            return await client.messages.create(**{**self.arguments, "extra_headers": headers})
        return await client.messages.create(**self.arguments)


def usable_tools(toolbox: Toolbox, dropped_features: Sequence[str]) -> Toolbox:
    """Return the toolbox without the tools that need a beta in `dropped_features`."""
    for beta in dropped_features:
        toolbox = toolbox.without_beta(beta)
    return toolbox


def prepare_request(
    template: RequestTemplate,
    settings: AgentSettings,
    messages: Sequence[Mapping[str, Any]],
    *,
    toolbox: Toolbox,
    dropped_features: Sequence[str] = (),
    legacy_beta: str = "",
) -> PreparedRequest:
    """Build the next request of a session. None of the arguments is changed.

    `toolbox` has the tools that the model may call. `dropped_features` are the betas and parameters that the API has
    refused, so that they are left out. `legacy_beta` is a further beta to send with cache marks, or empty.
    """
    optional = {**_thinking_parameters(template, settings), **template.parameters_without_betas}
    optional = {name: value for name, value in optional.items() if name not in dropped_features}
    marks = settings.prompt_cache and CACHE_MARK_KEY not in dropped_features
    legacy = (legacy_beta,) if settings.prompt_cache and legacy_beta else ()
    betas = tuple(
        dict.fromkeys((*toolbox.betas, *(beta for beta in (*legacy, *template.betas) if beta not in dropped_features)))
    )
    arguments = {
        "model": template.model,
        "max_tokens": settings.max_tokens if settings.extended_output else MAX_TOKENS_WITHOUT_EXTENDED_OUTPUT,
        **_prompt_parts(
            template.system, toolbox.definitions, messages, marks, has_automatic_mark=CACHE_MARK_KEY in optional
        ),
        **optional,
        **({"stream": True} if settings.streaming else {}),
    }
    features = dict.fromkeys((*betas, *optional, *((CACHE_MARK_KEY,) if marks else ())))
    return PreparedRequest(arguments, betas, _beta_by_tool_type(toolbox), tuple(features))


def _thinking_parameters(template: RequestTemplate, settings: AgentSettings) -> dict[str, Any]:
    return thinking_parameters(find_model(template.model), settings.thinking_budget) if settings.extended_output else {}


def _beta_by_tool_type(toolbox: Toolbox) -> dict[str, str]:
    """Return the beta of each tool that needs one, by the tool's type, or its name if it has no type."""
    return {str(tool.definition.get("type", tool.name)): tool.beta for tool in toolbox.tools if tool.beta}


def _prompt_parts(
    system: str,
    tools: list[dict[str, Any]],
    messages: Sequence[Mapping[str, Any]],
    has_cache_marks: bool,
    has_automatic_mark: bool,
) -> dict[str, Any]:
    """Return the non-empty parts of the prompt (tools, system, messages), in the order in which they are cached.

    With `has_cache_marks`, the parts get cache marks. `has_automatic_mark` is True if the whole request has a
    `cache_control`, which counts as one of the four marks.
    """
    if not has_cache_marks:
        parts: dict[str, Any] = {"tools": tools, "system": system}
        return {**{key: value for key, value in parts.items() if value}, "messages": list(messages)}
    blocks = [{"type": "text", "text": system}] if system else []
    parts = {"tools": add_cache_mark_to_last_block(tools), "system": add_cache_mark_to_last_block(blocks)}
    parts = {key: value for key, value in parts.items() if value}
    room = min(_TURNS_WITH_CACHE_MARK, MAX_CACHE_MARKS - len(parts) - has_automatic_mark)
    return {**parts, "messages": add_cache_marks_to_latest_turns(messages, room)}
