"""Tools of the agent: the protocol, a call, its outcome, and the toolbox that runs calls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from flag_harness.clock import Clock
from flag_harness.errors import HarnessError
from flag_harness.reference.request.watchdog import WaitTimeoutError, await_with_timeout
from flag_harness.reference.tools.schema import CompiledSchema, InvalidToolInputError

TOOL_DELAY_SECONDS = 0.5
"""Seconds between the event that announces a tool call and the start of the tool, so that a reader can follow."""

TOOL_TIMEOUT_SECONDS = 600.0
"""Seconds after which a running tool is cancelled: as long as the SDK waits for an answer. Tools with their own limit,
such as `BashTool`, stop much earlier."""

TOOL_OUTPUT_LIMIT = 100_000
"""The most characters of a result to send to the model, about 25,000 tokens: more than `BashTool` returns."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One `tool_use` block: the model calls `name` with `input`, which is unchecked."""

    id: str
    name: str
    input: Any


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """The outcome of the tool call `id`. `content` is the result or error message for the model."""

    id: str
    content: str
    is_error: bool = False

    @property
    def result_block(self) -> dict[str, Any]:
        """The `tool_result` block for the next user message, with `is_error` only if it is true."""
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": self.id, "content": self.content}
        return {**block, "is_error": True} if self.is_error else block


class Tool(Protocol):
    """Something that the model can call.

    `beta` is the `anthropic-beta` value that the tool needs, or None if it is generally available. `definition` is the
    tool's entry in the request. `input_schema` is the JSON schema of the input, even for a tool of the API whose
    definition has no schema. `run` gets arguments that fit the schema, with defaults filled in, and may raise.
    """

    @property
    def name(self) -> str: ...

    @property
    def beta(self) -> str | None: ...

    @property
    def definition(self) -> Mapping[str, Any]: ...

    @property
    def input_schema(self) -> Mapping[str, Any]: ...

    async def run(self, arguments: Mapping[str, Any]) -> str: ...


class Toolbox:
    """The tools of one agent, by name.

    A call is checked, and its tool starts `delay` seconds later on `clock`. After `timeout` seconds, the tool is
    cancelled (a synchronous function cannot be stopped, and continues in its thread). If a result is longer than
    `output_limit` characters, its middle is left out. Raise `SchemaError` if a tool's schema is not supported, and
    `HarnessError` if two tools share a name.
    """

    def __init__(
        self,
        tools: Sequence[Tool],
        *,
        clock: Clock,
        delay: float = TOOL_DELAY_SECONDS,
        timeout: float = TOOL_TIMEOUT_SECONDS,
        output_limit: int = TOOL_OUTPUT_LIMIT,
    ) -> None:
        self.tools = tuple(tools)
        self._clock, self._delay, self._timeout, self._output_limit = clock, delay, timeout, output_limit
        self._by_name: dict[str, tuple[Tool, CompiledSchema]] = {}
        for tool in self.tools:
            if tool.name in self._by_name:
                raise HarnessError(f"two tools are called {tool.name!r}; give one of them another name")
            self._by_name[tool.name] = (tool, CompiledSchema(tool.input_schema))

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """Copies of the tools' entries in a request, in order. Cache marks can be added to them."""
        return [_copy_containers(dict(tool.definition)) for tool in self.tools]

    @property
    def betas(self) -> tuple[str, ...]:
        """The `anthropic-beta` values that the tools need, without duplicates, in the order of the tools."""
        return tuple(dict.fromkeys(tool.beta for tool in self.tools if tool.beta))

    def without_beta(self, beta: str) -> "Toolbox":
        """Return a toolbox without the tools that need `beta`, since the API refuses a tool without its beta."""
        kept = [tool for tool in self.tools if tool.beta != beta]
        return Toolbox(
            kept, clock=self._clock, delay=self._delay, timeout=self._timeout, output_limit=self._output_limit
        )

    async def run(self, call: ToolCall) -> ToolOutcome:
        """Check the call's input, fill in defaults, wait for the delay, and run the tool.

        An `Exception`, an unknown tool and an invalid input become an outcome with `is_error`. Other exceptions are
        raised, such as a refused command or a cancellation.
        """
        try:
            return ToolOutcome(call.id, self._make_sendable(await self._check_input_and_run(call)))
        except _ToolCallFailedError as error:
            return ToolOutcome(call.id, self._make_sendable(str(error)), is_error=True)
        except Exception as error:
            words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return ToolOutcome(call.id, self._make_sendable(words), is_error=True)

    async def _check_input_and_run(self, call: ToolCall) -> str:
        if call.name not in self._by_name:
            names = ", ".join(self._by_name) or "none"
            raise _ToolCallFailedError(f"There is no tool called {call.name!r}. The tools are: {names}.")
        tool, schema = self._by_name[call.name]
        try:
            arguments = schema.validate(call.input)
        except InvalidToolInputError as error:
            problems = "\n".join(f"- {problem}" for problem in error.problems)
            raise _ToolCallFailedError(
                f"{call.name} was not run: its input does not fit its schema.\n{problems}"
            ) from None
        await self._clock.async_sleep(self._delay)
        try:
            return await await_with_timeout(self._clock, self._timeout, tool.run(arguments))
        except WaitTimeoutError:
            raise _ToolCallFailedError(
                f"{call.name} was stopped after {self._timeout:g} s; it may or may not have taken effect."
            ) from None

    def _make_sendable(self, text: str) -> str:
        """Return `text` shortened to the limit, and without lone surrogates, which a request cannot hold."""
        if (left_out := len(text) - self._output_limit) > 0:
            head = self._output_limit // 2
            text = f"{text[:head]}\n[{left_out} characters left out]\n{text[head + left_out :]}"
        return text.encode("utf-8", "replace").decode("utf-8")


class _ToolCallFailedError(Exception):
    """Raised with a message for the model if a tool call does not run, or does not finish."""


def _copy_containers(value: Any) -> Any:
    """Return a copy of a JSON value, in a fifth of the time of `deepcopy`."""
    if isinstance(value, dict):
        return {key: _copy_containers(part) for key, part in value.items()}
    return [_copy_containers(part) for part in value] if isinstance(value, list) else value
