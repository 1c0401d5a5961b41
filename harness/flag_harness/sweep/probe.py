"""A probe in the traffic of one test: it applies a trouble (such as a fault) to the first call of the test, and
observes every request.
"""

import asyncio
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from flag_harness.clock import Clock, VirtualClock
from flag_harness.simulator import ScenarioTurn, Simulator
from flag_harness.sweep.judge.observation import ObservedExchange, ObservedToolCall, TestCallResult, TestObservation
from flag_harness.sweep.troubles.interrupts import Interruption, current_task
from flag_harness.sweep.troubles.signals import SIGNALS
from flag_harness.sweep.troubles.tools import ActiveToolTrouble, ToolTroubleKind
from flag_harness.sweep.troubles.trouble import Trouble
from flag_harness.wire.grammar import names_of_points_in_stream
from flag_harness.wire.json import decode_json_object
from flag_harness.wire.message import parse_response
from flag_harness.wire.timeline import Chunk, Edit, Head, Layer, Piece, Request

MAX_EXTRA_REQUESTS_OF_TEST = 100
"""A test floods the API if it sends more requests than three times those of its run without a trouble, plus this
number.
"""


class TooManyRequestsError(BaseException):
    """Raised if the test sends far too many requests.

    It is a `BaseException`, so that no agent can catch it and retry.
    """


@dataclass(eq=False, slots=True)
class _UnfinishedExchange:
    """A request with the pieces of its answer that the client has received so far."""

    request: Request
    call_number: int
    sent_at: float
    pieces: list[Piece] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class ObservedToolRun:
    """One call of a tool that is running, the trouble to apply to it (or None), and what was observed about it."""

    tool_call: ObservedToolCall
    trouble: ToolTroubleKind | None = None
    active_trouble: ActiveToolTrouble | None = None

    def edit_result(self, value: Any) -> Any:
        """Return the result that the agent gets: `value`, changed if the trouble of this call changes results."""
        return self.active_trouble.edit_result(value) if self.active_trouble and self.trouble else value

    def record_exception(self, error: BaseException) -> None:
        """Record that the tool raises an exception."""
        self.tool_call = replace(self.tool_call, error=str(error) or type(error).__name__)


class TrafficProbe:
    """Observes one run of a test in a sweep, and applies the trouble (such as a fault) to it.

    `call_number` is the number of the current call of the test function: 0 before the first. The trouble is applied
    during the first call only; `has_trouble` is true if there is one, and `is_interrupted` if it is an interrupt.
    `simulator` and `clock` are those of the test's traffic.
    """

    def __init__(self, trouble: Trouble | None, request_limit: int = MAX_EXTRA_REQUESTS_OF_TEST) -> None:
        self._active_trouble = trouble.activate() if trouble else None
        self._has_missing_turn, self.has_trouble = False, trouble is not None
        self.signal = trouble.kind if trouble is not None and trouble.kind in SIGNALS else ""
        self.is_interrupted = trouble is not None and trouble.is_interrupt
        self.call_number = self.processes = 0
        self.clock: Clock = VirtualClock()
        self.simulator: Simulator | None = None
        self._request_limit = request_limit
        self._entries: list[_UnfinishedExchange] = []
        self._tool_runs: list[ObservedToolRun] = []
        self._legal_bodies: list[Mapping[str, Any]] = []
        self._lock = threading.Lock()
        self._sending_task: asyncio.Task[Any] | None = None

    @property
    def trouble_layers(self) -> tuple[Layer, ...]:
        """The layers that apply the trouble to the test's traffic; an empty tuple in a run without a trouble."""
        return self._active_trouble.layers if self._active_trouble else ()

    @property
    def changed_answer_count(self) -> int:
        """The number of answers that the trouble has changed."""
        return self._active_trouble.count_fired() if self._active_trouble else 0

    def use_simulator(self, simulator: Simulator | None) -> None:
        """Store the simulator that answers the test, or None if a recording answers it."""
        self.simulator = simulator
        for surprise in self._active_trouble.surprising_answers if self._active_trouble else ():
            surprise.simulator = simulator

    def edit_turn(self, body: Mapping[str, Any], turn: ScenarioTurn | None) -> ScenarioTurn | None:
        """Return the turn to answer a request with: `turn` of the scenario, changed if a surprise (an unusual answer)
        is due.

        `turn` is None if the scenario has no answer to the request, because a trouble led the agent to send it. Then
        return a turn that a surprise replaced earlier, or else a turn that says "Understood.".
        """
        self._legal_bodies.append(body)
        if self._active_trouble is None:
            return turn
        surprises = self._active_trouble.surprising_answers
        if turn is None:
            self._has_missing_turn = True
            displaced = (turn for one in surprises if (turn := one.pop_original_turn()) is not None)
            return next(displaced, None) or ScenarioTurn(text="Understood.")
        edited = turn
        for surprise in surprises if self.call_number == 1 else ():
            edited = surprise.edit_turn(edited, is_edited=edited is not turn)
        return edited

    def record_tool_start(self, name: str) -> ObservedToolRun:
        """Record that a tool is called, and return the call.

        The call has the trouble only if it belongs to the first call of the test function.
        """
        with self._lock:
            run = ObservedToolRun(ObservedToolCall(self.call_number, name, len(self._entries)))
            self._tool_runs.append(run)
        for armed in self._active_trouble.tool_troubles if self._active_trouble and self.call_number == 1 else ():
            if (kind := armed.start_call()) is not None:
                run.trouble, run.active_trouble = kind, armed
        return run

    def cancel_turn(self) -> None:
        """Cancel the asyncio task that sent the last request, or else the running task. If there is no task, raise
        `Interruption`.
        """
        sending = self._sending_task
        task = current_task() if sending is None or sending.done() else sending
        if task is None:
            raise Interruption("the sweep interrupts the turn")
        task.get_loop().call_soon_threadsafe(task.cancel)

    def make_layers(self, trouble_layers: Iterable[Layer]) -> tuple[Layer, ...]:
        """Return the layers for the test's traffic: one that observes each request, then `trouble_layers`.

        The latter act only during the first call of the test function.
        """
        return (self._observe_exchange, *map(self._limit_to_first_call, trouble_layers))

    def make_observation(self, test_calls: Iterable[TestCallResult], setup_problem: str = "") -> TestObservation:
        """Return what was observed in the run, once the run is over.

        `test_calls` are the results of the calls of the test function. `setup_problem` says why the test could not run,
        or is empty.
        """
        simulator = self.simulator
        return TestObservation(
            test_calls=tuple(test_calls),
            exchanges=tuple(map(self._make_observed_exchange, self._entries)),
            fired_count=self.changed_answer_count,
            broken_prefix_count=len(simulator.broken_prefixes) if simulator else 0,
            has_missing_turn=self._has_missing_turn,
            process_count=self.processes,
            tool_calls=tuple(run.tool_call for run in self._tool_runs),
            setup_problem=setup_problem,
        )

    def _limit_to_first_call(self, layer: Layer) -> Layer:
        """Return a layer that does nothing except in the first call of the test function."""
        return lambda request: layer(request) if self.call_number == 1 else None

    def _observe_exchange(self, request: Request) -> Edit:
        """Store a request, and return an edit that stores its answer as the client receives it.

        Raise `TooManyRequestsError` if the test has sent too many requests.
        """
        entry = _UnfinishedExchange(request, self.call_number, self.clock.now())
        self._sending_task = current_task()
        with self._lock:
            self._entries.append(entry)
            if len(self._entries) > self._request_limit:
                raise TooManyRequestsError(f"more than {self._request_limit} requests")

        def observe_piece(piece: Piece) -> Iterable[Piece]:
            entry.pieces.append(piece)
            return (piece,)

        return observe_piece

    def _make_observed_exchange(self, unfinished: _UnfinishedExchange) -> ObservedExchange:
        """Return a stored request as an `ObservedExchange`, with its parsed answer."""
        response = tuple(unfinished.pieces)
        answer, head = parse_response(response), response[0] if response else None
        body = decode_json_object(unfinished.request.body)
        return ObservedExchange(
            call_number=unfinished.call_number,
            path=unfinished.request.path,
            body=body,
            headers=unfinished.request.headers,
            sent_at=unfinished.sent_at,
            ended_at=unfinished.sent_at + (response[-1].at if response else 0.0),
            response_headers=head.headers if isinstance(head, Head) else (),
            answer=answer,
            point_names=names_of_points_in_stream(one.data for one in response if isinstance(one, Chunk))
            if answer.is_stream
            else (),
            refusal="" if body in self._legal_bodies else self._refusal_reason_if_unanswered(unfinished.request),
        )

    def _refusal_reason_if_unanswered(self, request: Request) -> str:
        """Return why the API would refuse a request that no turn has answered, or an empty string."""
        is_prompt = request.path.partition("?")[0] == "/v1/messages"
        return self.simulator.refusal_reason(request) if self.simulator and is_prompt else ""
