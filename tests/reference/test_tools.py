"""The box that checks calls and runs tools."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.clock import Clock, VirtualClock
from flag_harness.errors import CommandRefused, HarnessError
from flag_harness.reference.tools.function_tool import FunctionTool, function_tool
from flag_harness.reference.tools.tool import Toolbox, ToolCall, ToolOutcome
from flag_harness.transports import SystemClock

SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"], "default": "C"}},
    "required": ["city"],
    "additionalProperties": False,
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
)


def weather(city: str, unit: str) -> str:
    """The tool of these tests."""
    return f"{city}: 20 {unit}"


def box(function: Any = weather, schema: Mapping[str, Any] = SCHEMA, clock: VirtualClock | None = None) -> Toolbox:
    """A box with one tool."""
    return Toolbox([function_tool("weather", "Tells it", schema, function)], clock=clock or VirtualClock())


@pytest.mark.asyncio
async def test_a_call_runs_its_tool_with_defaults_after_the_delay() -> None:
    """Half a second on the clock, none in the world."""
    clock = VirtualClock()
    outcome = await box(clock=clock).run(ToolCall("toolu_1", "weather", {"city": "Köln"}))
    assert ToolOutcome("toolu_1", "Köln: 20 C") == outcome
    assert clock.now() == 0.5
    assert {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Köln: 20 C"} == outcome.result_block


@pytest.mark.asyncio
async def test_a_bad_input_is_an_error_that_names_each_field_and_costs_no_time() -> None:
    """The tool is not run."""
    clock = VirtualClock()
    outcome = await box(clock=clock).run(ToolCall("toolu_1", "weather", {"unit": "K"}))
    content = (
        "weather was not run: its input does not fit its schema.\n"
        '- city is required\n- unit must be "C" or "F", not "K"'
    )
    assert ToolOutcome("toolu_1", content, is_error=True) == outcome
    assert outcome.result_block["is_error"] is True
    assert clock.now() == 0


@pytest.mark.asyncio
async def test_a_tool_that_does_not_exist_is_an_error_that_names_those_that_do() -> None:
    """So that the model can choose again."""
    outcome = await box().run(ToolCall("toolu_1", "wether", {}))
    assert ToolOutcome("toolu_1", "There is no tool called 'wether'. The tools are: weather.", True) == outcome
    empty = await Toolbox([], clock=VirtualClock()).run(ToolCall("toolu_1", "x", {}))
    assert empty.content == "There is no tool called 'x'. The tools are: none."


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("error", "content"), [(KeyError("city"), "KeyError: 'city'"), (RuntimeError(), "RuntimeError")]
)
async def test_what_a_tool_raises_is_an_error_with_words(error: Exception, content: str) -> None:
    """Never an empty one: the API refuses an error result without content."""

    def raising(**_: Any) -> str:
        raise error

    outcome = await box(raising).run(ToolCall("toolu_1", "weather", {"city": "Bonn"}))
    assert ToolOutcome("toolu_1", content, is_error=True) == outcome


@pytest.mark.asyncio
@pytest.mark.parametrize("error", [CommandRefused("rm"), asyncio.CancelledError()])
async def test_a_refusal_and_a_cancellation_pass(error: BaseException) -> None:
    """They are no answer for the model."""

    async def raising(**_: Any) -> str:
        raise error

    with pytest.raises(type(error)):
        await box(raising).run(ToolCall("toolu_1", "weather", {"city": "Bonn"}))


@pytest.mark.asyncio
async def test_a_result_that_no_request_could_carry_is_made_sendable() -> None:
    """A lone surrogate would fail every later request of the session."""
    outcome = await box(lambda **_: "a\ud800b").run(ToolCall("toolu_1", "weather", {"city": "Bonn"}))
    assert outcome.content == "a?b"


@pytest.mark.asyncio
@pytest.mark.parametrize("clock", [VirtualClock(), SystemClock()], ids=["virtual", "real"])
async def test_a_tool_that_takes_too_long_is_stopped(clock: Clock) -> None:
    """On the clock; and the model is told that nobody knows what came of it."""

    async def slow(seconds: float) -> str:
        await clock.async_sleep(seconds)
        return "done"

    tools = [function_tool("slow", "Waits", {"type": "object"}, slow)]
    limited = Toolbox(tools, clock=clock, delay=0, timeout=0.2).without_beta("none")
    assert ToolOutcome("t", "done") == await limited.run(ToolCall("t", "slow", {"seconds": 0}))
    words = "slow was stopped after 0.2 s; it may or may not have taken effect."
    assert ToolOutcome("t", words, True) == await limited.run(ToolCall("t", "slow", {"seconds": 0.3}))


@pytest.mark.asyncio
async def test_a_timeout_of_a_tools_own_is_its_own_error() -> None:
    """With the tool's words."""

    async def slow(**_: Any) -> str:
        raise TimeoutError("the database is busy")

    outcome = await box(slow).run(ToolCall("toolu_1", "weather", {"city": "Bonn"}))
    assert ToolOutcome("toolu_1", "TimeoutError: the database is busy", True) == outcome


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("limit", "content"),
    [(7, "abcdefg"), (6, "abc\n[1 characters left out]\nefg"), (1, "\n[6 characters left out]\ng"), (8, "abcdefg")],
)
async def test_a_long_result_is_sent_as_its_head_and_its_tail(limit: int, content: str) -> None:
    """A result or an error; what was left out is counted."""

    def raising() -> str:
        raise _Bare

    tools = [function_tool("long", "", {}, lambda: "abcdefg"), function_tool("bad", "", {}, raising)]
    limited = Toolbox(tools, clock=VirtualClock(), output_limit=limit).without_beta("none")
    assert ToolOutcome("t", content) == await limited.run(ToolCall("t", "long", {}))
    assert ToolOutcome("t", content, True) == await limited.run(ToolCall("t", "bad", {}))


class _Bare(Exception):  # noqa: N818
    """An exception without words; its name is what the model gets."""


_Bare.__name__ = "abcdefg"


@given(JSON)
def test_no_input_of_any_kind_makes_the_box_raise(value: Any) -> None:
    """Whatever a model sends, it gets an answer, and the answer can be sent."""
    outcome = asyncio.run(box().run(ToolCall("toolu_1", "weather", value)))
    assert outcome.is_error is not (isinstance(value, dict) and set(value) == {"city"})
    assert outcome.content.encode()


@dataclass
class Screen:
    """A tool that needs a beta."""

    name: str
    beta: str | None
    definition: Mapping[str, Any] = field(default_factory=lambda: {"type": "computer", "options": {"width": 1}})
    input_schema: Mapping[str, Any] = field(default_factory=dict)

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """What it was asked."""
        return repr(arguments)


@pytest.mark.asyncio
async def test_tools_leave_with_the_beta_that_they_need() -> None:
    """A tool kept without its header is answered with a 400; the clock and the delay stay."""
    clock = VirtualClock()
    tools = [Screen("a", "beta-1"), Screen("b", None), Screen("c", "beta-2"), Screen("d", "beta-1")]
    every = Toolbox(tools, clock=clock, delay=2)
    assert every.betas == ("beta-1", "beta-2")
    fewer = every.without_beta("beta-1")
    assert [tool.name for tool in fewer.tools] == ["b", "c"]
    assert fewer.betas == ("beta-2",)
    assert ToolOutcome("toolu_1", "{'x': 1}") == await fewer.run(ToolCall("toolu_1", "b", {"x": 1}))
    assert clock.now() == 2


def test_definitions_are_copies() -> None:
    """A cache mark on one request's definitions does not stay for the next."""
    tools = Toolbox([Screen("a", None)], clock=VirtualClock())
    tools.definitions[0]["options"]["width"] = 9
    assert [{"type": "computer", "options": {"width": 1}}] == tools.definitions


def test_two_tools_of_one_name_are_refused() -> None:
    """Nobody could tell which one a call means."""
    with pytest.raises(HarnessError) as caught:
        Toolbox([Screen("a", None), Screen("a", "beta")], clock=VirtualClock())
    assert "two tools are called 'a'; give one of them another name" == str(caught.value)


def test_a_function_tool_is_defined_by_name_description_and_schema() -> None:
    """And asks for no beta."""
    tool = function_tool("weather", "Tells it", SCHEMA, weather)
    assert {"name": "weather", "description": "Tells it", "input_schema": SCHEMA} == tool.definition
    assert FunctionTool("weather", "Tells it", SCHEMA, weather) == tool
    assert tool.beta is None
