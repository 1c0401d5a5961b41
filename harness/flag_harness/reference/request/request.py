"""The request for the next answer: what the flags ask for and the session has not dropped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flag_harness.models import find, thinking_parameters
from flag_harness.reference.request.cache_marks import MOST_MARKS, marked_tail, marked_turns
from flag_harness.reference.request.limits import PLAIN_MAX_TOKENS
from flag_harness.reference.settings import Settings
from flag_harness.reference.tools.tool import Toolbox

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

CACHE_MARKS = "cache_control"
BETA_HEADER = "anthropic-beta"
OWN_ARGUMENTS = frozenset({"betas", "max_tokens", "messages", "model", "stream", "system", "tools"})
"""Arguments that the agent sets itself."""

_LATEST_TURNS = 2


@dataclass(frozen=True, slots=True)
class Brief:
    """What an agent was made with that its requests say: model, system prompt and further request parameters.

    Betas among the parameters' `extra_headers` are betas like any other: see `betas`.
    """

    model: str
    system: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if own := sorted(OWN_ARGUMENTS.intersection(self.parameters)):
            raise ValueError(
                f"parameters cannot hold {own[0]!r}: the agent sets it itself, from its arguments, flags and tools"
            )

    @property
    def betas(self) -> tuple[str, ...]:
        """The values of `anthropic-beta`, in any case, among the parameters' `extra_headers`."""
        headers = self.parameters.get("extra_headers") or {}
        listed = (value.split(",") for name, value in headers.items() if name.lower() == BETA_HEADER)
        return tuple(beta.strip() for values in listed for beta in values if beta.strip())

    @property
    def optional(self) -> dict[str, Any]:
        """The parameters without the betas; no `extra_headers` where these were all."""
        headers = self.parameters.get("extra_headers") or {}
        kept = {name: value for name, value in headers.items() if name.lower() != BETA_HEADER}
        parameters = {name: value for name, value in self.parameters.items() if name != "extra_headers"}
        return {**parameters, **({"extra_headers": kept} if kept else {})}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request ready to be sent: arguments for `messages.create`, and the betas that it needs.

    `tool_betas` maps the type of each tool that needs a beta to that beta. `features` are the names of everything that
    could be left out: betas, parameters, and `cache_control` for the cache marks.
    """

    arguments: Mapping[str, Any]
    betas: tuple[str, ...] = ()
    tool_betas: Mapping[str, str] = field(default_factory=dict)
    features: tuple[str, ...] = ()

    @property
    def streams(self) -> bool:
        """Whether the answer comes as a stream."""
        return bool(self.arguments.get("stream"))

    async def send(self, client: "AsyncAnthropic") -> Any:
        """The SDK's answer: a message, or a stream of raw events. Raises whatever the SDK raises.

        The beta namespace is used only where a tool needs it. The client must not retry by itself.
        """
        if self.tool_betas:
            return await client.beta.messages.create(**self.arguments, betas=list(self.betas))
        if self.betas:
            headers = {**(self.arguments.get("extra_headers") or {}), BETA_HEADER: ",".join(self.betas)}
            return await client.messages.create(**{**self.arguments, "extra_headers": headers})
        return await client.messages.create(**self.arguments)


def usable_tools(toolbox: Toolbox, dropped: Sequence[str]) -> Toolbox:
    """The tools that may be offered and run: those whose beta was not dropped."""
    for beta in dropped:
        toolbox = toolbox.without_beta(beta)
    return toolbox


def prepare(
    brief: Brief,
    settings: Settings,
    messages: Sequence[Mapping[str, Any]],
    *,
    toolbox: Toolbox,
    dropped: Sequence[str] = (),
    legacy_beta: str = "",
) -> Prepared:
    """The next request of a session. `toolbox` holds the usable tools; nothing that is passed in is changed."""
    optional = {**_thinking(brief, settings), **brief.optional}
    optional = {name: value for name, value in optional.items() if name not in dropped}
    marks = settings.prompt_cache and CACHE_MARKS not in dropped
    legacy = (legacy_beta,) if settings.prompt_cache and legacy_beta else ()
    betas = tuple(dict.fromkeys((*toolbox.betas, *(beta for beta in (*legacy, *brief.betas) if beta not in dropped))))
    arguments = {
        "model": brief.model,
        "max_tokens": settings.max_tokens if settings.extended_output else PLAIN_MAX_TOKENS,
        **_prompt(brief.system, toolbox.definitions, messages, marks, automatic=CACHE_MARKS in optional),
        **optional,
        **({"stream": True} if settings.streaming else {}),
    }
    features = dict.fromkeys((*betas, *optional, *((CACHE_MARKS,) if marks else ())))
    return Prepared(arguments, betas, _tool_betas(toolbox), tuple(features))


def _thinking(brief: Brief, settings: Settings) -> dict[str, Any]:
    return thinking_parameters(find(brief.model), settings.thinking_budget) if settings.extended_output else {}


def _tool_betas(toolbox: Toolbox) -> dict[str, str]:
    """Tools with a type of their own are named by it in the API's messages."""
    return {str(tool.definition.get("type", tool.name)): tool.beta for tool in toolbox.tools if tool.beta}


def _prompt(
    system: str, tools: list[dict[str, Any]], messages: Sequence[Mapping[str, Any]], marks: bool, automatic: bool
) -> dict[str, Any]:
    """The parts that make the prompt, in the order in which they are cached; absent where empty.

    Automatic caching (a `cache_control` of the whole request) takes one of the four marks.
    """
    if not marks:
        parts: dict[str, Any] = {"tools": tools, "system": system}
        return {**{key: value for key, value in parts.items() if value}, "messages": list(messages)}
    blocks = [{"type": "text", "text": system}] if system else []
    parts = {"tools": marked_tail(tools), "system": marked_tail(blocks)}
    parts = {key: value for key, value in parts.items() if value}
    room = min(_LATEST_TURNS, MOST_MARKS - len(parts) - automatic)
    return {**parts, "messages": marked_turns(messages, room)}
