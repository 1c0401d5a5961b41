"""Any agent, as a sweep sees it: something that is given a prompt and a stage, and says so where it fails."""

import importlib
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from flag_harness.clock import Clock
from flag_harness.errors import ConfigError


class Told(Exception):  # noqa: N818 - a word of the protocol: the agent says that it could not do it
    """Raised by an agent that has given up: it has told its user so, in words, and goes on at the next prompt."""


@dataclass(frozen=True, slots=True)
class StageTool:
    """A tool that the agent under test must offer, and run when the model calls it, with the call's input."""

    name: str
    description: str
    input_schema: Mapping[str, Any]
    run: Callable[..., Awaitable[str]]

    @property
    def definition(self) -> dict[str, Any]:
        """What stands in a request's `tools`."""
        return {"name": self.name, "description": self.description, "input_schema": dict(self.input_schema)}


@dataclass(slots=True)
class Stage:
    """What an agent is given: the same for all prompts of one conversation.

    `model` and `tools` are to be used in its requests. `messages` is its memory, empty at first: an agent that is a
    function keeps the conversation there. `http_client()` makes an HTTP client for `AsyncAnthropic(http_client=...)`,
    which is cheap; a client that the agent makes itself is answered too. `clock` is that of the sweep. `environ` holds
    the variables that the sweep has set in `os.environ`: the flags that are on, and what the fault needs.
    """

    model: str
    tools: tuple[StageTool, ...]
    http_client: Callable[[], Any]
    clock: Clock
    environ: Mapping[str, str] = field(default_factory=dict)
    messages: list[dict[str, Any]] = field(default_factory=list)


class Performer(Protocol):
    """An agent on a stage. `run` ends when the agent waits for the next prompt; it raises `Told` where it gave up."""

    async def run(self, prompt: str) -> object: ...


Cast: TypeAlias = Callable[[Stage], Performer]
"""Puts a new agent on a stage."""


@dataclass(slots=True)
class _Function:
    """An agent that is a function of the prompt and the stage."""

    function: Callable[[str, Stage], Any]
    stage: Stage

    async def run(self, prompt: str) -> object:
        found = self.function(prompt, self.stage)
        return await found if inspect.isawaitable(found) else found


def cast(name: str) -> Cast:
    """The agent that `module:attribute` names: a class made with a stage, or a function `run(prompt, stage)`.

    Raises `ConfigError` naming what cannot be found.
    """
    module_name, colon, attribute = name.partition(":")
    if not colon or not module_name or not attribute:
        raise ConfigError(f"agent {name!r} must be spelled module:attribute, such as myapp.agent:run")
    found: Any = _imported(name, module_name)
    try:
        for part in attribute.split("."):
            found = getattr(found, part)
    except AttributeError as error:
        raise ConfigError(f"agent {name!r} cannot be found: {error}") from None
    if isinstance(found, type):
        return found
    if not callable(found):
        raise ConfigError(f"agent {name!r} is neither a class nor a function, but {type(found).__name__}")
    return lambda stage: _Function(found, stage)


def _imported(name: str, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ConfigError(f"agent {name!r} cannot be found: {error}") from None
    except Exception as error:
        raise ConfigError(f"agent {name!r} cannot be imported: {type(error).__name__}: {error}") from error
