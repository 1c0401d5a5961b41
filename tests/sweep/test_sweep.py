"""What each agent makes of each fault: the reference one of all of them, next to the SDK's own word and to others."""

import gc
import importlib.util
import random
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flag_harness import faults
from flag_harness.errors import HarnessError
from flag_harness.faults import FAULT_KINDS, Fault
from flag_harness.flag import SHIPPED_FLAGS
from flag_harness.matrix import Combination, all_combinations, pin_flags
from flag_harness.reference.sweep_agent import ReferenceAgent
from flag_harness.sweep import (
    AgentGaveUp,
    SweepContext,
    Trial,
    TrialOutcome,
    TrialSweep,
    all_trials,
    count_fault_point_pairs,
    load_agent,
)
from flag_harness.sweep.agents import _FunctionAgent

ALL = all_combinations(SHIPPED_FLAGS)
OFF, STREAMING = pin_flags(SHIPPED_FLAGS, {}), pin_flags(SHIPPED_FLAGS, {"streaming": True})
EVERYTHING = pin_flags(SHIPPED_FLAGS, dict.fromkeys((flag.name for flag in SHIPPED_FLAGS), True))
R, T, K, N = TrialOutcome.RECOVERED, TrialOutcome.REPORTED, TrialOutcome.ACCEPTED, TrialOutcome.DOES_NOT_APPLY
LOST, LEAKED, TWICE, HUNG = TrialOutcome.LOST, TrialOutcome.LEAKED, TrialOutcome.TOOL_RAN_TWICE, TrialOutcome.HUNG


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sweep_agents", Path(__file__).with_name("agents.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


AGENTS = _loaded()
PATIENCE = 4.0
"""Real seconds: what hangs here does so for them."""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., TrialSweep]:
    """Makes a sweep of an agent, a class or a function of this module, under some combinations, or all."""

    def make(agent: Any, *combinations: Combination) -> TrialSweep:
        make_agent = agent if isinstance(agent, type) else lambda context: _Wrapped(agent, context)
        made = TrialSweep(make_agent, combinations or ALL, tmp_path_factory.mktemp("sweep"))
        made.check_baselines()
        made.hang_seconds = PATIENCE
        return made

    return make


class _Wrapped:
    def __init__(self, function: Any, context: SweepContext) -> None:
        self._function, self._context = function, context

    async def run(self, prompt: str) -> None:
        await self._function(prompt, self._context)


def _outcome(sweep: TrialSweep, fault: Fault) -> TrialOutcome:
    [(_, verdict)] = sweep.run_trial_under_all_combinations(Trial(fault)).verdicts
    return verdict.outcome


@pytest.fixture(scope="module")
def reference(sweep: Callable[..., TrialSweep]) -> TrialSweep:
    """The reference agent under all combinations."""
    return sweep(ReferenceAgent)


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=() if index % 14 == 0 else pytest.mark.deep) for index, kind in enumerate(FAULT_KINDS)],
)
def test_the_reference_agent_survives_everything(kind: str, reference: TrialSweep) -> None:
    """Every fault of the kind, at every point, under all combinations: nothing hung, leaked, lost or ran twice."""
    results = list(reference.run_trials([trial for trial in all_trials() if trial.fault.name == kind]))
    assert [] == [(result.trial_name, failure) for result in results for failure in result.failure_lines]
    never_tried = [
        result.trial_name for result in results if {N} == {verdict.outcome for _, verdict in result.verdicts}
    ]
    assert [] == never_tried


def test_a_sweep_covers_enough() -> None:
    """Every kind; each fault once; far more than sixty pairs of a fault and a point."""
    tried = all_trials()
    assert set(FAULT_KINDS) == {trial.fault.name for trial in tried}
    assert len(tried) == len({trial.name for trial in tried})
    assert count_fault_point_pairs(tried) >= 60


EACH: dict[str, tuple[TrialOutcome, TrialOutcome]] = {
    **dict.fromkeys(("bad_request", "unauthorized", "forbidden", "not_found", "too_large", "refused_keyword"), (T, T)),
    **dict.fromkeys(("rate_limited", "server_error", "bad_gateway", "unavailable", "gateway_timeout"), (R, R)),
    **dict.fromkeys(("overloaded", "empty_response", "slow_start", "trickle", "missing_usage", "split_utf8"), (R, R)),
    **dict.fromkeys(("byte_order_mark", "wrong_content_type"), (R, R)),
    "read_timeout": (R, T),  # without a stream it strikes after 600 s, when the agent's patience (300) is over
    **dict.fromkeys(("connection_refused", "connection_reset", "disconnected"), (R, R)),
    **dict.fromkeys(("stream_error", "reset", "end_of_file", "clean_end", "stall", "ping_only"), (R, N)),
    **dict.fromkeys(("malformed_json", "missing_blank_line", "unknown_event", "unknown_block"), (R, N)),
    **dict.fromkeys(("unknown_delta", "line_ends", "invalid_utf8"), (R, N)),
    **dict.fromkeys(("duplicated_event", "reordered_events", "dropped_event"), (K, N)),
    "parameter_rejected": (T, T),
    "beta_rejected": (N, N),
}
"""The reference agent's outcome for each kind on the first request: streamed, and plain.

The unguarded SDK has the outcomes `FaultKind.stream_result` and `create_result`; tests/faults/test_sdk.py checks them.
"""


@pytest.mark.parametrize("kind", faults.fault_kinds(), ids=lambda kind: kind.name)
def test_what_the_sdk_does_and_what_the_agent_does(kind: faults.FaultKind, sweep: Callable[..., TrialSweep]) -> None:
    """Where the SDK raises or is silently wrong, the agent recovers, or tells."""
    streamed, plain = EACH[kind.name]
    assert streamed == _outcome(sweep(ReferenceAgent, STREAMING), kind.make_fault(on=1)), (
        f"the SDK: {kind.stream_result}"
    )
    assert plain == _outcome(sweep(ReferenceAgent, OFF), kind.make_fault(on=1)), f"the SDK: {kind.create_result}"


@pytest.mark.parametrize(
    ("name", "fault", "combination", "expected"),
    [
        ("create_loop", faults.overloaded(on=1), OFF, R),
        ("create_loop", faults.overloaded(), OFF, T),
        ("create_loop", faults.rate_limited(retry_after=86_400), OFF, HUNG),
        ("create_loop", faults.malformed_json(on=1), STREAMING, LEAKED),
        ("create_loop", faults.clean_end(at="inside_text", on=1), STREAMING, LOST),
        ("tool_runner", faults.overloaded(on=1), OFF, R),
        ("tool_runner", faults.empty_response(on=1), STREAMING, LEAKED),
        ("tool_runner", faults.clean_end(at="inside_text", on=2), STREAMING, LOST),
    ],
    ids=str,
)
def test_what_others_make_of_it(
    name: str, fault: Fault, combination: Combination, expected: TrialOutcome, sweep: Callable[..., TrialSweep]
) -> None:
    """The SDK's own retries help before an answer has begun, and not at all after."""
    assert expected == _outcome(sweep(getattr(AGENTS, name), combination), fault)


async def _starts_over(prompt: str, context: SweepContext) -> None:
    """Forgets the results of tools where an answer fails, and asks again from the prompt on."""
    import anthropic

    start = len(context.messages)
    while True:
        try:
            await AGENTS.create_loop(prompt, context)
        except anthropic.AnthropicError:
            del context.messages[start:]
        else:
            return


async def _waits_for_ever(prompt: str, context: SweepContext) -> None:
    import asyncio

    try:
        await AGENTS.create_loop(prompt, context)
    except Exception:
        await asyncio.get_running_loop().create_future()


async def _asks_for_ever(prompt: str, context: SweepContext) -> None:
    while True:
        try:
            return await AGENTS.create_loop(prompt, context)
        except Exception:
            context.messages.clear()


async def _swallows_everything(prompt: str, context: SweepContext) -> None:
    start = len(context.messages)
    while True:
        try:
            return await AGENTS.create_loop(prompt, context)
        except:  # noqa: E722 - that is the point
            del context.messages[start:]


async def _sleeps_through_everything(prompt: str, context: SweepContext) -> None:
    import time

    try:
        await AGENTS.create_loop(prompt, context)
    except Exception:
        while True:
            try:
                time.sleep(60)  # noqa: ASYNC251 - that is the point
            except:  # noqa: E722 - that is the point
                continue


async def _computes_for_ever(prompt: str, context: SweepContext) -> None:
    try:
        await AGENTS.create_loop(prompt, context)
    except Exception:
        while True:
            pass


async def _waits_for_a_lock(prompt: str, context: SweepContext) -> None:
    import threading

    try:
        await AGENTS.create_loop(prompt, context)
    except Exception:
        threading.Event().wait()


async def _waits_for_a_thread(prompt: str, context: SweepContext) -> None:
    import asyncio
    import threading

    try:
        await AGENTS.create_loop(prompt, context)
    except Exception:
        await asyncio.to_thread(threading.Event().wait)


async def _storms(prompt: str, context: SweepContext) -> None:
    """Asks thirty times for nothing where it fails, then goes on."""
    import anthropic

    start = len(context.messages)
    try:
        return await AGENTS.create_loop(prompt, context)
    except anthropic.APIStatusError:
        client = AGENTS._client(context)
        for _ in range(30):
            await client.messages.create(**AGENTS._arguments(context), messages=[{"role": "user", "content": "?"}])
        del context.messages[start:]
        return await AGENTS.create_loop(prompt, context)


@pytest.mark.parametrize(
    ("agent", "fault", "expected"),
    [
        (_swallows_everything, faults.bad_request(), HUNG),
        (_sleeps_through_everything, faults.bad_request(on=1), HUNG),
        (_computes_for_ever, faults.bad_request(on=1), HUNG),
        (_waits_for_a_lock, faults.bad_request(on=1), HUNG),
        (_waits_for_a_thread, faults.bad_request(on=1), HUNG),
        (_storms, faults.bad_request(on=1), TrialOutcome.TOO_MANY_REQUESTS),
        (_starts_over, faults.bad_request(on=2), TWICE),
        (_waits_for_ever, faults.bad_request(on=1), HUNG),
        (_asks_for_ever, faults.bad_request(), HUNG),
    ],
)
def test_the_worst_is_seen(agent: Any, fault: Fault, expected: TrialOutcome, sweep: Callable[..., TrialSweep]) -> None:
    """Agents that do what no agent should; the next conversation is not disturbed by them."""
    swept = sweep(agent, OFF)
    assert expected == _outcome(swept, fault)
    assert R == _outcome(swept, faults.overloaded(on=1))


async def _is_in_a_hurry(prompt: str, context: SweepContext) -> None:
    """Gives up after half a minute by the clock for measuring, and where twenty seconds bring nothing."""
    import time

    from anthropic import AnthropicError, AsyncAnthropic

    start, began = len(context.messages), time.perf_counter()
    client = AsyncAnthropic(http_client=context.http_client(), timeout=20, max_retries=0)
    while True:
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(AGENTS, "_client", lambda context: client)
                return await AGENTS.create_loop(prompt, context)
        except AnthropicError as error:
            del context.messages[start + 1 :]
            if time.perf_counter() - began > 30:
                raise AgentGaveUp("half a minute has passed") from error
            context.messages.pop()


def test_time_is_virtual_for_every_clock_and_timeout(sweep: Callable[..., TrialSweep]) -> None:
    """Two timeouts of 20 s make more than half a minute, for an agent that measures with another clock than ours."""
    swept = sweep(_is_in_a_hurry, OFF)
    [(_, once)] = swept.run_trial_under_all_combinations(Trial(faults.slow_start(seconds=60, on=1))).verdicts
    [(_, always)] = swept.run_trial_under_all_combinations(Trial(faults.slow_start(seconds=60))).verdicts
    assert (R, 4) == (once.outcome, once.request_count)
    assert (T, "AgentGaveUp: half a minute has passed") == (always.outcome, always.reason)
    assert 20 < once.seconds < 40 < always.seconds < 60


class _Resists:
    """Does not take a cancellation for an answer."""

    def __init__(self, context: SweepContext) -> None:
        self._context = context

    async def run(self, prompt: str) -> None:
        import asyncio

        try:
            await AGENTS.create_loop(prompt, self._context)
        except Exception:
            while True:
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    continue


def test_an_agent_that_resists_its_end_is_ended(sweep: Callable[..., TrialSweep]) -> None:
    """The next conversation is not disturbed by it."""
    swept = sweep(_Resists, OFF)
    assert HUNG == _outcome(swept, faults.bad_request(on=1))
    assert R == _outcome(swept, faults.overloaded(on=1))


def _one_request(prompt: str, context: SweepContext) -> None:
    """A sync agent with a sync client that it makes itself; it runs no tool."""
    import anthropic

    with anthropic.Anthropic(max_retries=0) as client:
        said = [{"role": "user", "content": prompt}]
        client.messages.create(model=context.model, max_tokens=100, messages=said)  # type: ignore[arg-type]
    if context.clock.now() < 0:
        raise AgentGaveUp("never")


def _sync_agent(prompt: str, context: SweepContext, *, with_coroutine: bool = False) -> None:
    """The loop of a sync agent, with a sync client."""
    import anthropic

    [tool] = context.tools
    run: Any = tool.run if with_coroutine else tool.run_sync
    context.messages.append({"role": "user", "content": prompt})
    with anthropic.Anthropic(max_retries=0) as client:
        while True:
            said: Any = {"messages": context.messages, "tools": [tool.definition]}
            answer = client.messages.create(model=context.model, max_tokens=100, **said)
            context.messages.append({"role": "assistant", "content": [block.to_dict() for block in answer.content]})
            calls: list[Any] = [block for block in answer.content if block.type == "tool_use"]
            if not calls:
                return
            results = [{"type": "tool_result", "tool_use_id": call.id, "content": run(**call.input)} for call in calls]
            context.messages.append({"role": "user", "content": results})


@pytest.mark.filterwarnings("ignore:coroutine 'TrialRun._run_note_tool' was never awaited")
def test_a_sync_agent_runs_the_tools_without_await(tmp_path: Path) -> None:
    """If it runs them as an async agent does, the error says what to call."""

    def make(with_coroutine: bool) -> TrialSweep:
        agent = partial(_sync_agent, with_coroutine=with_coroutine)
        return TrialSweep(lambda context: _FunctionAgent(agent, context), [OFF], tmp_path)

    assert not make(False).run_trial_under_all_combinations(Trial(faults.overloaded(on=9))).failure_lines
    with pytest.raises(HarnessError, match=r"; an agent that is not async calls tool\.run_sync\(\*\*input\); fix"):
        make(True).check_baselines()
    gc.collect()  # the coroutine warns here


def test_an_agent_that_fails_without_a_fault_is_refused(
    sweep: Callable[..., TrialSweep], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A sweep over it would say nothing about faults."""
    (tmp_path / "one_request.py").write_text("run = None\n")
    monkeypatch.syspath_prepend(tmp_path)
    import one_request  # type: ignore[import-not-found]

    one_request.run = _one_request
    with pytest.raises(HarnessError) as raised:
        TrialSweep(load_agent("one_request:run"), [OFF, STREAMING], tmp_path).run_trial_under_all_combinations(
            Trial(faults.overloaded())
        )
    assert (
        "the agent fails though nothing goes wrong, under 2 of 2 combinations (off, streaming); under off it returned "
        "after 2 requests, with 0 side effects of the one call (nothing was raised); fix that first (docs/agents.md)"
    ) == str(raised.value)


async def _fails_when_streaming(prompt: str, context: SweepContext) -> None:
    if AGENTS._streams():
        raise KeyError("never works")
    await AGENTS.create_loop(prompt, context)


def test_what_an_agent_raises_by_itself_is_told(tmp_path: Path) -> None:
    """With the combinations under which it does."""
    with pytest.raises(
        HarnessError, match=r"under 1 of 2 combinations \(streaming\); under streaming it raised after 0 "
    ):
        TrialSweep(
            lambda context: _Wrapped(_fails_when_streaming, context), [OFF, STREAMING], tmp_path
        ).check_baselines()


def test_a_sweep_is_the_same_every_time(sweep: Callable[..., TrialSweep]) -> None:
    """To the virtual second, though the SDK draws how long it waits; and nothing is left of it in what others draw."""
    swept = sweep(AGENTS.create_loop, OFF)
    random.seed(7)
    expected = random.Random(7).random()
    first, second = (swept.run_trial_under_all_combinations(Trial(faults.overloaded())) for _ in range(2))
    assert first == second
    assert expected == random.random()


def test_a_failure_says_where_and_why(sweep: Callable[..., TrialSweep]) -> None:
    """A line for each combination that was not survived."""
    swept = sweep(AGENTS.create_loop, OFF, STREAMING)
    result = swept.run_trial_under_all_combinations(Trial(faults.malformed_json(at="first_event", on=1)))
    [line] = result.failure_lines
    assert line.startswith("streaming: leaked an exception: JSONDecodeError: ")
    assert "malformed_json:at=first_event,on=1" == result.trial_name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("myapp", "agent 'myapp' must be spelled module:attribute, such as myapp.agent:run"),
        ("no_such_app:run", "agent 'no_such_app:run' cannot be found: No module named 'no_such_app'"),
        ("json:runs", "agent 'json:runs' cannot be found: module 'json' has no attribute 'runs'"),
        ("math:pi", "agent 'math:pi' is neither a class nor a function, but float"),
    ],
)
def test_an_agent_that_is_none_is_refused(name: str, words: str) -> None:
    """The message says what to type."""
    with pytest.raises(HarnessError) as raised:
        load_agent(name)
    assert words == str(raised.value)


def test_an_agent_whose_module_fails_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever it raises."""
    (tmp_path / "booms.py").write_text("raise RuntimeError('at import')\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HarnessError) as raised:
        load_agent("booms:run")
    assert "agent 'booms:run' cannot be imported: RuntimeError: at import" == str(raised.value)


def test_agents_are_found_by_name() -> None:
    """A class is itself; the reference agent has its adapter."""
    assert ReferenceAgent is load_agent("flag_harness.reference.sweep_agent:ReferenceAgent")


def test_the_streams_have_every_point(sweep: Callable[..., TrialSweep]) -> None:
    """Under all flags they think, talk and call: only what needs citations is not met."""
    swept = sweep(ReferenceAgent, EVERYTHING)
    met = [
        point for point in FAULT_KINDS["stall"].points if _outcome(swept, faults.stall(at=point, seconds=1, on=1)) is R
    ]
    assert [point for point in FAULT_KINDS["stall"].points if point != "inside_citations"] == met


def test_the_watchdog_strikes_before_a_read_timeout(sweep: Callable[..., TrialSweep]) -> None:
    """Time does not jump over its limit, so a second attempt still succeeds."""
    assert R is _outcome(sweep(ReferenceAgent, STREAMING), faults.read_timeout(on=2))
