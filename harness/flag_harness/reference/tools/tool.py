"""Tools as the agent sees them: what a tool is, one call, its outcome, and the box that runs them."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol

from flag_harness.clock import Clock
from flag_harness.errors import HarnessError
from flag_harness.reference.request.watchdog import TimeIsUpError, within
from flag_harness.reference.tools.schema import InvalidInput, Schema

DELAY = 0.5
"""Seconds between the event that shows a call and the start of its tool, so that a reader can follow."""

TIMEOUT = 600.0
"""Seconds that any tool may run: as long as the SDK waits for an answer. Tools with work of their own to bound, like
`Bash`, stop much earlier."""

OUTPUT_LIMIT = 100_000
"""Characters of a result that are sent to the model: more than `Bash` gives, and about 25,000 tokens."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One `tool_use` block: the model asks for `name` with `input`, which nobody has checked yet."""

    id: str
    name: str
    input: Any


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a call came to. `id` is that of its call; an error says in words what the model can do about it."""

    id: str
    content: str
    is_error: bool = False

    @property
    def block(self) -> dict[str, Any]:
        """The `tool_result` block for the next user message. `is_error` stands in it only where it is true."""
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": self.id, "content": self.content}
        return {**block, "is_error": True} if self.is_error else block


class Tool(Protocol):
    """Something that the model may call.

    `beta` is the `anthropic-beta` value that the tool needs, None where it is generally available. `definition` is what
    stands in the request's `tools`. `input_schema` is the JSON schema of its input, also where the API defines the tool
    and the definition holds none. `run` gets arguments that fit the schema, defaults filled in, and may raise.
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

    On `clock`, `delay` seconds are waited between the check of a call and its run, which may take `timeout` seconds;
    then it is cancelled (a synchronous function goes on in its thread, where nothing can stop it). Of a result or an
    error, the first and the last half of `output_limit` characters are kept. Raises `SchemaError` where a tool's schema
    cannot be checked, `HarnessError` where two tools share a name.
    """

    def __init__(
        self,
        tools: Sequence[Tool],
        *,
        clock: Clock,
        delay: float = DELAY,
        timeout: float = TIMEOUT,
        output_limit: int = OUTPUT_LIMIT,
    ) -> None:
        self.tools = tuple(tools)
        self._clock, self._delay, self._timeout, self._output_limit = clock, delay, timeout, output_limit
        self._by_name: dict[str, tuple[Tool, Schema]] = {}
        for tool in self.tools:
            if tool.name in self._by_name:
                raise HarnessError(f"two tools are called {tool.name!r}; give one of them another name")
            self._by_name[tool.name] = (tool, Schema(tool.input_schema))

    @property
    def definitions(self) -> list[dict[str, Any]]:
        """What stands in the request's `tools`, in the order given; copies, so that marks set on them stay there."""
        return [deepcopy(dict(tool.definition)) for tool in self.tools]

    @property
    def betas(self) -> tuple[str, ...]:
        """The `anthropic-beta` values that the tools need, each once, in the order of the tools."""
        return tuple(dict.fromkeys(tool.beta for tool in self.tools if tool.beta))

    def without_beta(self, beta: str) -> "Toolbox":
        """A box without the tools that need `beta`: a tool kept without its header is answered with a 400."""
        kept = [tool for tool in self.tools if tool.beta != beta]
        return Toolbox(
            kept, clock=self._clock, delay=self._delay, timeout=self._timeout, output_limit=self._output_limit
        )

    async def run(self, call: ToolCall) -> ToolOutcome:
        """Check the call's input, fill in declared defaults, wait, run the tool.

        Every `Exception`, a tool that does not exist and an input that does not fit become an outcome with `is_error`;
        what derives from `BaseException` alone passes: a refused command, a cancellation.
        """
        try:
            return ToolOutcome(call.id, self._sendable(await self._result(call)))
        except _NoResult as error:
            return ToolOutcome(call.id, self._sendable(str(error)), is_error=True)
        except Exception as error:
            words = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return ToolOutcome(call.id, self._sendable(words), is_error=True)

    async def _result(self, call: ToolCall) -> str:
        if call.name not in self._by_name:
            names = ", ".join(self._by_name) or "none"
            raise _NoResult(f"There is no tool called {call.name!r}. The tools are: {names}.")
        tool, schema = self._by_name[call.name]
        try:
            arguments = schema.filled(call.input)
        except InvalidInput as error:
            problems = "\n".join(f"- {problem}" for problem in error.problems)
            raise _NoResult(f"{call.name} was not run: its input does not fit its schema.\n{problems}") from None
        await self._clock.asleep(self._delay)
        try:
            return await within(self._clock, self._timeout, tool.run(arguments))
        except TimeIsUpError:
            raise _NoResult(
                f"{call.name} was stopped after {self._timeout:g} s; it may or may not have taken effect."
            ) from None

    def _sendable(self, text: str) -> str:
        """`text` within the limit and without lone surrogates, which no request body can hold: they would end the
        session, not the call."""
        if (left_out := len(text) - self._output_limit) > 0:
            head = self._output_limit // 2
            text = f"{text[:head]}\n[{left_out} characters left out]\n{text[head + left_out :]}"
        return text.encode("utf-8", "replace").decode("utf-8")


class _NoResult(Exception):  # noqa: N818 - it ends a call, and is no error of a tool
    """Words for the model about a call that no tool has seen, or has finished."""
