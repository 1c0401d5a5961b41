"""Derive the troubles to try on a test from its baseline (the run without a trouble): from its requests and their
answers.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flag_harness.faults import FAULT_KINDS, Fault, FaultKind
from flag_harness.faults.edits import INSIDE_BODY
from flag_harness.simulator import ScriptedToolCall
from flag_harness.sweep.judge.observation import ObservedExchange, TestObservation
from flag_harness.sweep.judge.turns import request_blocks_with_role
from flag_harness.sweep.trials import ARGUMENTS_BY_FAULT_KIND, FURTHER_ARGUMENTS_BY_FAULT_KIND, can_fault_change_answer
from flag_harness.sweep.troubles.interrupts import INTERRUPT_KIND, make_interrupt
from flag_harness.sweep.troubles.signals import SIGNALS
from flag_harness.sweep.troubles.surprises import SURPRISES, SurprisingAnswer, SurprisingAnswerKind
from flag_harness.sweep.troubles.tools import TOOL_TROUBLES, ToolTrouble, find_calls_to_disturb
from flag_harness.sweep.troubles.trouble import Trouble
from flag_harness.wire.timeline import header_value

FAULT_KINDS_TO_TRY = tuple(kind.name for kind in FAULT_KINDS.values() if kind.side == "wire")
"""The kinds of faults that a sweep over tests tries. Faults in calls of the SDK are left out, since they change no
answer.
"""
SLOW_KINDS = frozenset({"slow_start", "read_timeout", "stall", "ping_only", "trickle"})
"""Kinds of faults that take minutes, so that they are not tried on tests that run in real time."""
_MAX_REAL_WAIT_SECONDS = 5
_REQUIRED_BODY_PARAMETERS = frozenset({"model", "messages", "max_tokens", "stream"})
_ENDLESS_ARGUMENTS_BY_FAULT_KIND: Mapping[str, tuple[dict[str, Any], ...]] = {"ping_only": ({"count": 1000},)}
"""By kind of fault, arguments with which an answer lasts for hours, so that a test without a deadline hangs."""
_PREFERRED_STREAM_POINTS = ("mid_partial_json", "inside_text", "before_message_delta")
"""The points at which a fault changes the answers to later requests: the first of these that the stream reaches."""


def derive_faults(kind_name: str, baseline: TestObservation, *, is_real_time: bool = False) -> list[Trouble]:
    """Return the faults of one kind to try on a test.

    Each point of a stream is tried on the first request whose answer reaches it. Further faults are applied to the
    first request, the first one after a tool result, the last one, and every request.
    """
    kind, requests = FAULT_KINDS[kind_name], list(baseline.exchanges_of_call(1))
    if not requests or (is_real_time and kind_name in SLOW_KINDS):
        return []
    faults = {
        str(fault): fault
        for fault in _faults_of_kind_to_try(kind, requests)
        if not is_real_time or _causes_only_short_waits(fault)
    }
    return [Trouble(kind_name, fault) for fault in faults.values()]


def derive_surprising_answers(kind_name: str, baseline: TestObservation) -> list[Trouble]:
    """Return the surprises (unusual answers) of one kind to try on a test: one for the first prompt whose answer it can
    change, and one for the last.
    """
    kind, prompts = SURPRISES[kind_name], list(baseline.prompts(1))
    calls = tuple(call for one in prompts for call in _tool_calls_in_answer(one))
    fitting = [number for number, one in enumerate(prompts, start=1) if _can_change_answer(kind, one)]
    numbers = dict.fromkeys((*fitting[:1], *fitting[-1:]))
    return [Trouble(kind_name, SurprisingAnswer(kind, number), calls) for number in numbers]


def derive_interrupts(baseline: TestObservation) -> list[Trouble]:
    """Return the interrupts (the user cancels the turn) to try on a test.

    The test is interrupted once at each point that its answers reach, in the first answer that reaches the point, and
    once more at the last point of the last answer.
    """
    return [Trouble(INTERRUPT_KIND, make_interrupt(point, number)) for number, point in _points_to_interrupt(baseline)]


def derive_signal_troubles(kind_name: str, baseline: TestObservation) -> list[Trouble]:
    """Return the signals of one kind to send to a test's processes, or an empty list if it starts none.

    SIGKILL is sent at each point of each answer. Other signals are sent like interrupts: once at each point, in the
    first answer that reaches the point, and once more at the last point of the last answer.
    """
    if not baseline.process_count:
        return []
    is_kill = kind_name == "sigkill"
    pairs = _request_point_pairs(baseline) if is_kill else _points_to_interrupt(baseline)
    make = SIGNALS[kind_name]
    return [Trouble(kind_name, make(at=point, on=number)) for number, point in dict.fromkeys(pairs)]


def derive_tool_troubles(kind_name: str, baseline: TestObservation, *, is_real_time: bool = False) -> list[Trouble]:
    """Return the troubles of one kind to try on a test's tool calls, one for each call to disturb.

    If `is_real_time` is true, return an empty list for kinds that make a tool slow or cancel the turn.
    """
    kind = TOOL_TROUBLES[kind_name]
    if is_real_time and (kind.delay_seconds or kind.cancels_turn):
        return []
    calls = [one for one in baseline.tool_calls if one.call_number == 1]
    return [Trouble(kind_name, ToolTrouble(kind, number)) for number in find_calls_to_disturb(kind, calls)]


def _points_to_interrupt(baseline: TestObservation) -> list[tuple[int, str]]:
    """Return pairs (number of a request, point of its answer) at which to interrupt the test.

    Each point is paired with the first request whose answer reaches it. The last point of the last answer is added.
    """
    reached = _request_point_pairs(baseline)
    found = {point: number for number, point in reversed(reached)}
    return sorted({*((number, point) for point, number in found.items()), *reached[-1:]})


def _request_point_pairs(baseline: TestObservation) -> list[tuple[int, str]]:
    """Return pairs (number of a request, point that its answer reaches), for the first call of the test function."""
    requests = enumerate(baseline.exchanges_of_call(1), start=1)
    return [(number, point) for number, one in requests for point in _points_in_answer(one)]


def _can_change_answer(kind: SurprisingAnswerKind, exchange: ObservedExchange) -> bool:
    """Return whether a surprise (an unusual answer) of this kind can replace the answer of an exchange."""
    has_call = any(block.get("type") == "tool_use" for block in exchange.answer.blocks)
    if kind.edit_turn is None:
        return exchange.answer.is_stream
    return kind.needed_answers == "any" or has_call == (kind.needed_answers == "call")


def _tool_calls_in_answer(exchange: ObservedExchange) -> Iterator[ScriptedToolCall]:
    """Yield the tool calls of an answer."""
    for block in exchange.answer.blocks:
        if block.get("type") == "tool_use" and isinstance(block.get("input"), dict):
            yield ScriptedToolCall(name=str(block["name"]), input=block["input"])


def _faults_of_kind_to_try(kind: FaultKind, requests: Sequence[ObservedExchange]) -> Iterator[Fault]:
    """Yield the faults of one kind to try: each with arguments, a point of an answer, and the number of a request."""
    chosen = _request_numbers_to_try(requests)
    for arguments in _arguments_to_try(kind, requests):
        if not kind.points:
            yield from (kind.make_fault(**arguments, on=number) for number in chosen)
            yield kind.make_fault(**arguments)
            continue
        for number, point in _first_requests_at_points(kind, requests):
            yield kind.make_fault(**arguments, at=point, on=number)
        for number in chosen[1:]:
            if point := _usual_point(kind, requests[number - 1]):
                yield kind.make_fault(**arguments, at=point, on=number)
        if point := _usual_point(kind, requests[chosen[0] - 1]):
            yield kind.make_fault(**arguments, at=point)
    for arguments in (
        *FURTHER_ARGUMENTS_BY_FAULT_KIND.get(kind.name, ()),
        *_ENDLESS_ARGUMENTS_BY_FAULT_KIND.get(kind.name, ()),
    ):
        if point := _usual_point(kind, requests[chosen[0] - 1]):
            yield kind.make_fault(**arguments, at=point, on=chosen[0])


def _request_numbers_to_try(requests: Sequence[ObservedExchange]) -> list[int]:
    """Return the numbers of three prompts: the first, the first one after a tool result, and the last."""
    prompts = [number for number, one in enumerate(requests, start=1) if one.is_prompt]
    after_tool = [number for number in prompts if _has_tool_result(requests[number - 1])]
    return sorted({*prompts[:1], *after_tool[:1], *prompts[-1:]}) or [1]


def _has_tool_result(exchange: ObservedExchange) -> bool:
    return any(block.get("type") == "tool_result" for block in request_blocks_with_role(exchange, "user"))


def _arguments_to_try(kind: FaultKind, requests: Sequence[ObservedExchange]) -> Sequence[Mapping[str, Any]]:
    """Return the arguments to try for a kind of fault.

    For faults that reject a parameter or a beta, these are parameters and betas that the requests have.
    """
    if kind.name == "parameter_rejected":
        names = dict.fromkeys(name for one in requests for name in one.body if name not in _REQUIRED_BODY_PARAMETERS)
        return [{"parameter": name} for name in names]
    if kind.name == "beta_rejected":
        values = (header_value(one.headers, "anthropic-beta") for one in requests)
        betas = dict.fromkeys(beta.strip() for value in values for beta in value.split(",") if beta.strip())
        return [{"beta": beta} for beta in betas]
    return ARGUMENTS_BY_FAULT_KIND.get(kind.name, ({},))


def _first_requests_at_points(kind: FaultKind, requests: Sequence[ObservedExchange]) -> Iterator[tuple[int, str]]:
    """Yield, for each point of the fault's kind, the number of the first request whose answer reaches it, and the
    point.
    """
    for point in kind.points:
        if not can_fault_change_answer(kind, point):
            continue
        number = next((number for number, one in enumerate(requests, start=1) if point in _points_in_answer(one)), None)
        if number is not None:
            yield number, point


def _points_in_answer(exchange: ObservedExchange) -> tuple[str, ...]:
    """Return the names of the points that an answer reaches; only `inside_body` if the answer is not a stream."""
    return exchange.point_names if exchange.answer.is_stream else (INSIDE_BODY,)


def _usual_point(kind: FaultKind, exchange: ObservedExchange) -> str:
    """Return the usual point for a fault of this kind in the answer of an exchange, or an empty string."""
    reached = [
        point for point in _points_in_answer(exchange) if point in kind.points and can_fault_change_answer(kind, point)
    ]
    return next((point for point in (*_PREFERRED_STREAM_POINTS, *reached) if point in reached), "")


def _causes_only_short_waits(fault: Fault) -> bool:
    """Return whether a fault makes the agent wait for a few seconds at most."""
    seconds = dict(fault.arguments).get("retry_after")
    return not isinstance(seconds, (int, float)) or seconds <= _MAX_REAL_WAIT_SECONDS
