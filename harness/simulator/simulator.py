"""A Messages API that refuses, streams and counts: a pure upstream with its own state."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from harness.clock import Clock, VirtualClock
from harness.simulator import catalogue, endpoints, responses
from harness.simulator.answer import Answer, output_tokens, thinking_tokens, written_blocks
from harness.simulator.cache import PromptCache
from harness.simulator.judging import Listing, judge
from harness.simulator.loading import load_scenario
from harness.simulator.matching import View, asks_for_thinking, view
from harness.simulator.prefix import segments
from harness.simulator.randomness import Draw, fingerprint, identity
from harness.simulator.rules import Asked, Refusal
from harness.simulator.scenario import Scenario, Turn
from harness.simulator.selection import Selection, echo, no_turn
from harness.simulator.signatures import SeededSignatures
from harness.simulator.stream import events
from harness.wire.timeline import Request, Response, header

Hook: TypeAlias = Callable[[Mapping[str, Any]], Turn | None]
"""Is given a legal body; what it returns is answered, and None leaves the answer to the turns."""


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A legal request that no turn of the scenario answers, and what was said about it."""

    request: Request
    message: str


class Simulator:
    """Answers requests as the Messages API does. What it keeps stands behind a lock.

    `unmatched` holds the requests that its scenario had no turn for, in their order.
    """

    def __init__(self, scenario: Scenario | None, clock: Clock, seed: object, hook: Hook | None = None) -> None:
        self.scenario = scenario
        self.signatures = SeededSignatures(seed)
        self.unmatched: list[Unmatched] = []
        self._clock, self._seed, self._hook = clock, seed, hook
        self._settings = scenario or Scenario()
        self._selection = Selection(self._settings.turns)
        self._cache = PromptCache()
        self._asked: dict[str, int] = {}
        self._organization = Draw(seed, "organization").uuid()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        """The answer. Two simulators of one seed answer the same requests with the same bytes."""
        with self._lock:
            draw = self._draw(request)
            request_id = draw.identifier("req_")
            judged = judge(request, self.signatures, self._settings)
            if isinstance(judged, Refusal):
                return responses.refused(judged.status, judged.type, judged.message, request_id)
            if isinstance(judged, Listing) or judged.counting:
                value = endpoints.answer(judged)
                return responses.plain(value, responses.SHORT_SECONDS, request_id, self._organization)
            return self._messages(request, judged, draw, request_id)

    def _draw(self, request: Request) -> Draw:
        """Randomness that depends on what is asked and on how often that was asked before, not on anything else."""
        key = fingerprint(
            request.method, request.path, identity(request.body), header(request.headers, "anthropic-beta")
        )
        self._asked[key] = self._asked.get(key, 0) + 1
        return Draw(self._seed, key, self._asked[key])

    def _messages(self, request: Request, asked: Asked, draw: Draw, request_id: str) -> Response:
        seen = view(asked.body, asked.betas)
        turn = self._turn(asked.body, seen)
        if turn is None:
            message = no_turn(seen, self._settings, asked.body)
            self.unmatched.append(Unmatched(request, message))
            return responses.refused(404, "scenario_has_no_turn", message, request_id)
        if turn.error is not None:
            error = turn.error
            return responses.refused(error.status, error.type, error.message, request_id, tuple(error.headers.items()))
        answer = self._answer(turn, asked, draw)
        if seen.streaming:
            return responses.streamed(answer, draw, request_id, self._organization)
        count = sum(1 for _ in events(answer, draw))
        return responses.whole(answer, request_id, self._organization, count)

    def _turn(self, body: Mapping[str, Any], seen: View) -> Turn | None:
        hooked = self._hook(body) if self._hook is not None else None
        if hooked is not None:
            return hooked
        return echo(seen) if self.scenario is None else self._selection.choose(seen)

    def _answer(self, turn: Turn, asked: Asked, draw: Draw) -> Answer:
        model, body = asked.model, asked.body
        tenant = header(asked.headers, "x-api-key") or header(asked.headers, "authorization")
        prefix = segments(body, model.id, tenant)
        blocks = written_blocks(turn, body, draw, self.signatures)
        states_thinking = asks_for_thinking(body) or (bool(model.thinking) and "enabled" not in model.thinking)
        return Answer(
            id=draw.identifier("msg_"),
            model=catalogue.full_id(model),
            blocks=blocks,
            stop_reason=turn.ends_with,
            stop_sequence=turn.stop_sequence,
            input=self._cache.account(prefix, model.smallest_cacheable_prefix, self._clock.now()),
            output_tokens=turn.output_tokens if turn.output_tokens is not None else output_tokens(blocks),
            thinking_tokens=thinking_tokens(blocks) if states_thinking else None,
            timing=turn.timing or self._settings.timing,
        )


def simulate(
    scenario: Scenario | Path | str | None = None,
    *,
    clock: Clock | None = None,
    seed: object = 0,
    hook: Hook | None = None,
) -> Simulator:
    """A simulated Messages API, as an upstream.

    `scenario` is one, or the path of its file; None echoes what the user says. `clock` tells when cached prefixes end
    (a virtual one unless given). Ids, padding and signatures follow from `seed` and the requests. Raises
    `ScenarioError` where the file cannot be read.
    """
    if isinstance(scenario, (str, Path)):
        scenario = load_scenario(scenario)
    return Simulator(scenario, clock or VirtualClock(), seed, hook)
