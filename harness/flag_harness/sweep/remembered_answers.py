"""The simulated API of a sweep: it remembers its answers, since most runs of a sweep send the same requests."""

import math
import threading
from dataclasses import dataclass, field

from flag_harness.clock import Clock, VirtualClock
from flag_harness.simulator import Simulator, simulate
from flag_harness.sweep.model import turn_for_request
from flag_harness.wire.timeline import Request, Response

MAX_REMEMBERED_ANSWERS = 4096
"""How many answers a sweep remembers, each of about 20 KB. When there are more, all of them are forgotten."""


@dataclass(eq=False, slots=True)
class _Step:
    """A state of a conversation: the answer to its last request, and the states that the next requests have led to."""

    answer: Response = ()
    next_steps: dict[tuple[int, Request], "_Step"] = field(default_factory=dict)


class RememberedAnswers:
    """The answers of one sweep, by the requests of a conversation and their times. It is thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._first, self._count = _Step(), 0

    def start_conversation(self, clock: Clock) -> "RememberingSimulator":
        """Return the simulated API for one conversation, as an upstream."""
        with self._lock:
            if self._count > MAX_REMEMBERED_ANSWERS:
                self._first, self._count = _Step(), 0
            return RememberingSimulator(self, self._first, clock)

    def add_step(self, previous_step: _Step, key: tuple[int, Request], answer: Response) -> _Step:
        """Remember the answer to a request that was sent in the state `previous_step`, and return the state after it.

        `key` has the time of the request and the request itself.
        """
        with self._lock:
            self._count += 1
            return previous_step.next_steps.setdefault(key, _Step(answer))


class RememberingSimulator:
    """Answers a conversation as a simulator does, from memory if an earlier conversation had the same requests and
    times.

    An answer depends only on the requests so far and on their times in whole seconds, which are the same in most runs
    of a sweep. If a request is not in memory, a simulator is made, and first gets all earlier requests of the
    conversation.
    """

    def __init__(self, memory: RememberedAnswers, first_step: _Step, clock: Clock) -> None:
        self._memory, self._step, self._clock = memory, first_step, clock
        self._waiting: list[tuple[int, Request]] = []
        self._simulator_clock = VirtualClock(math.floor(clock.now()), moves_loop=False)
        self._simulator: Simulator | None = None
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        """Answer a request."""
        with self._lock:
            key = (math.floor(self._clock.now()), request)
            self._waiting.append(key)
            following = self._step.next_steps.get(key)
            self._step = following or self._memory.add_step(self._step, key, self._simulate_unsent_requests())
            return self._step.answer

    def _simulate_unsent_requests(self) -> Response:
        """Send the simulator the requests that were answered from memory, then the new request, at their times.

        Return the answer to the new request.
        """
        if self._simulator is None:
            self._simulator = simulate(clock=self._simulator_clock, hook=turn_for_request)
        answer: Response = ()
        for moment, request in self._waiting:
            self._simulator_clock.reach_without_waiting(moment)
            answer = self._simulator(request)
        self._waiting.clear()
        return answer
