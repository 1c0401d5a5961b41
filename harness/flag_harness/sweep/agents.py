"""The protocol of agents in a sweep: an agent gets a context and prompts, and raises `AgentGaveUp` if it fails."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from flag_harness.clock import Clock
from flag_harness.errors import ConfigError
from flag_harness.imports import import_attribute


class AgentGaveUp(Exception):  # noqa: N818 - part of the protocol: a clean failure of the agent, no error in the sweep
    """Raised by an agent that could not finish a prompt, but has told its user and is ready for the next prompt."""


@dataclass(frozen=True, slots=True)
class SweepTool:
    """A tool that the agent under test must offer to the model, and run when the model calls it.

    `run` is a coroutine function, and `run_sync` the same for an agent that is not async.
    """

    name: str
    description: str
    input_schema: Mapping[str, Any]
    run: Callable[..., Awaitable[str]]
    run_sync: Callable[..., str]

    @property
    def definition(self) -> dict[str, Any]:
        """The tool's entry in a request's `tools`."""
        return {"name": self.name, "description": self.description, "input_schema": dict(self.input_schema)}


@dataclass(slots=True)
class SweepContext:
    """What a sweep gives to an agent. There is one context for all prompts of a conversation.

    The agent uses `model` and `tools` in its requests. `messages` is empty at first: an agent that is a function keeps
    its conversation there. `http_client()` makes an HTTP client for `AsyncAnthropic(http_client=...)`, which is cheap;
    a client that the agent makes by itself is answered too. `clock` is the sweep's virtual clock. `environ` holds the
    variables that the sweep has set in `os.environ`: the flags that are on, and what the fault needs.
    """

    model: str
    tools: tuple[SweepTool, ...]
    http_client: Callable[[], Any]
    clock: Clock
    environ: Mapping[str, str] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)


class AgentUnderSweep(Protocol):
    """The interface of an agent that a sweep tests.

    `run` returns when the turn is over, and raises `AgentGaveUp` if the agent gave up.
    """

    async def run(self, prompt: str) -> object: ...


AgentFactory: TypeAlias = Callable[[SweepContext], AgentUnderSweep]
"""A function that makes a new agent for one conversation."""


@dataclass(slots=True)
class _FunctionAgent:
    """An agent written as a function of the prompt and the context."""

    function: Callable[[str, SweepContext], Any]
    context: SweepContext

    async def run(self, prompt: str) -> object:
        result = self.function(prompt, self.context)
        return await result if inspect.isawaitable(result) else result


def load_agent(name: str) -> AgentFactory:
    """Import an agent as `module:attribute`.

    The attribute is a class whose constructor takes a context, or a function `run(prompt, context)`. Raise
    `ConfigError` naming what cannot be found.
    """
    found = import_attribute(name, "agent", "myapp.agent:run")
    if isinstance(found, type):
        return found
    if not callable(found):
        raise ConfigError(f"agent {name!r} is neither a class nor a function, but {type(found).__name__}")
    return lambda context: _FunctionAgent(found, context)
