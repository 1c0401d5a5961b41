"""Requests: what the flags ask for, and no more."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.clock import VirtualClock
from flag_harness.reference import FeatureDropped, TurnEnded
from flag_harness.reference.request.request import RequestTemplate, prepare_request, usable_tools
from flag_harness.reference.settings import AgentSettings
from flag_harness.reference.tools.bash import BashTool
from flag_harness.reference.tools.tool import Toolbox

MARK = {"type": "ephemeral"}
HELLO = {"role": "user", "content": [{"type": "text", "text": "Hello"}]}
HAIKU = RequestTemplate("claude-haiku-4-5", "Be kind.")
LEGACY = "prompt-caching-2024-07-31"


class Computer:
    """A tool that needs a beta."""

    name = "computer"
    beta: str | None = "computer-use-2025-11-24"
    definition: Mapping[str, Any] = {"type": "computer_20251124", "name": "computer"}
    input_schema: Mapping[str, Any] = {"type": "object"}

    async def run(self, arguments: Mapping[str, Any]) -> str:
        raise NotImplementedError


TOOLBOX = Toolbox([Computer(), BashTool(environ={})], clock=VirtualClock())
EMPTY = Toolbox((), clock=VirtualClock())


def arguments(settings: AgentSettings, brief: RequestTemplate = HAIKU, **options: Any) -> dict[str, Any]:
    """The arguments of a request that says hello."""
    return dict(prepare_request(brief, settings, [HELLO], **{"toolbox": EMPTY, **options}).arguments)


def test_extended_output_is_asked_for_as_the_model_takes_it() -> None:
    """A budget on one model, adaptive thinking with an effort on another; MAX_TOKENS on both."""
    settings = AgentSettings(extended_output=True, max_tokens=16000, thinking_budget=2000)
    budget = arguments(settings)
    adaptive = arguments(settings, RequestTemplate("claude-opus-4-8"))
    assert (16000, {"type": "enabled", "budget_tokens": 2000}) == (budget["max_tokens"], budget["thinking"])
    assert ({"type": "adaptive"}, {"effort": "low"}) == (adaptive["thinking"], adaptive["output_config"])
    assert "system" not in adaptive


def test_marks_stand_on_tools_system_and_the_latest_turn() -> None:
    """In object form; without the flag, or with `cache_control` dropped, nowhere."""
    marked = arguments(AgentSettings(prompt_cache=True), toolbox=TOOLBOX)
    assert [None, MARK] == [tool.get("cache_control") for tool in marked["tools"]]
    assert [{"type": "text", "text": "Be kind.", "cache_control": MARK}] == marked["system"]
    assert MARK == marked["messages"][0]["content"][0]["cache_control"]
    plain = arguments(AgentSettings(), toolbox=TOOLBOX)
    assert plain == arguments(AgentSettings(prompt_cache=True), toolbox=TOOLBOX, dropped_features=["cache_control"])
    assert ("Be kind.", [HELLO]) == (plain["system"], plain["messages"])


def test_automatic_caching_takes_one_of_the_marks() -> None:
    """With a `cache_control` of the whole request, one turn fewer is marked."""
    brief = RequestTemplate("claude-haiku-4-5", "Be kind.", {"cache_control": MARK})
    turns = [HELLO, {"role": "assistant", "content": "Hi"}, HELLO]
    prepared = prepare_request(brief, AgentSettings(prompt_cache=True), turns, toolbox=TOOLBOX)
    marked = ["cache_control" in message["content"][0] for message in prepared.arguments["messages"][::2]]
    assert [False, True] == marked
    assert ("computer-use-2025-11-24", "cache_control") == prepared.droppable_features


def test_what_was_dropped_is_not_asked_for() -> None:
    """Thinking, a parameter, the legacy header; a tool goes with its beta."""
    settings = AgentSettings(extended_output=True, prompt_cache=True)
    brief = RequestTemplate("claude-haiku-4-5", parameters={"metadata": {"user_id": "u"}})
    dropped = ["thinking", "metadata", LEGACY, "computer-use-2025-11-24"]
    toolbox = usable_tools(TOOLBOX, dropped)
    prepared = prepare_request(brief, settings, [HELLO], toolbox=toolbox, dropped_features=dropped, legacy_beta=LEGACY)
    assert {"model", "max_tokens", "messages", "tools"} == prepared.arguments.keys()
    assert ["bash"] == [tool["name"] for tool in prepared.arguments["tools"]]
    assert ((), ("cache_control",)) == (prepared.betas, prepared.droppable_features)


def test_the_legacy_header_is_sent_only_with_the_cache() -> None:
    """It is a setting of prompt caching, and needs no beta namespace."""
    on = prepare_request(HAIKU, AgentSettings(prompt_cache=True), [HELLO], toolbox=EMPTY, legacy_beta=LEGACY)
    off = prepare_request(HAIKU, AgentSettings(), [HELLO], toolbox=EMPTY, legacy_beta=LEGACY)
    assert ((LEGACY,), {}, ()) == (on.betas, on.beta_by_tool_type, off.betas)


@pytest.mark.asyncio
async def test_headers_of_the_caller_stay(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """The legacy header joins those that a parameter asks for."""
    environ = {"ENABLE_PROMPT_CACHE": "1", "PROMPT_CACHE_BETA": LEGACY}
    parameters = {"extra_headers": {"x-team": "blue"}}
    session = start([wire.message(wire.text("Hi."))], environ=environ, parameters=parameters)
    await session.send("Hello")
    headers = dict(session.requests[0].headers)
    assert ("blue", LEGACY) == (headers["x-team"], headers["anthropic-beta"])


@pytest.mark.asyncio
@pytest.mark.parametrize("tools", [(), (Computer(),)], ids=["plain", "with a beta of its own"])
async def test_betas_among_the_callers_headers_are_betas(
    start: Callable[..., Any], wire: SimpleNamespace, tools: tuple[Any, ...]
) -> None:
    """They join the others; one that is refused is dropped, the others and the headers beside them stay."""
    refusal = "Unexpected value(s) `old-1` for the `anthropic-beta` header."
    replies = [wire.error(400, "invalid_request_error", refusal), wire.message(wire.text("Hi."))]
    environ = {"ENABLE_PROMPT_CACHE": "1", "PROMPT_CACHE_BETA": LEGACY}
    parameters = {"extra_headers": {"x-team": "blue", "Anthropic-Beta": f" old-1,, new-2,{LEGACY}"}}
    session = start(replies, environ=environ, parameters=parameters, tools=tools)
    await session.send("Hello")
    own = [tool.beta for tool in tools]
    headers = [dict(request.headers) for request in session.requests]
    sent = [header["anthropic-beta"].split(",") for header in headers]
    assert [[*own, LEGACY, "old-1", "new-2"], [*own, LEGACY, "new-2"]] == sent
    assert ["blue", "blue"] == [header["x-team"] for header in headers]
    assert ["old-1"] == [event.feature for event in session.events_of(FeatureDropped)]
    assert ["end_turn"] == [event.stop_reason for event in session.events_of(TurnEnded)]


def test_headers_that_hold_nothing_but_betas_are_no_parameter() -> None:
    """And none at all are none."""
    for headers in ({"anthropic-beta": "new-2"}, {}, None):
        prepared = prepare_request(
            replace(HAIKU, parameters={"extra_headers": headers}), AgentSettings(), [HELLO], toolbox=EMPTY
        )
        assert "extra_headers" not in prepared.arguments
        assert (("new-2",) if headers else ()) == prepared.betas == prepared.droppable_features


@given(st.builds(AgentSettings, st.booleans(), st.booleans(), st.booleans()), st.lists(st.just(HELLO), max_size=5))
def test_requests_never_hold_a_key_called_beta(settings: AgentSettings, messages: list[dict[str, Any]]) -> None:
    """Under no combination; and never more than four marks."""
    prepared = prepare_request(HAIKU, settings, messages, toolbox=TOOLBOX, legacy_beta=LEGACY)
    assert not {"beta", "betas"} & prepared.arguments.keys()
    assert str(prepared.arguments).count("'cache_control'") <= 4
    assert settings.streaming == prepared.is_streaming
