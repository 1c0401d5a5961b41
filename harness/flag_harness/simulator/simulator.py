"""A Messages API that refuses, streams and counts: a pure upstream with its own state."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from flag_harness.clock import Clock, VirtualClock
from flag_harness.errors import ScenarioError
from flag_harness.simulator import catalogue, endpoints
from flag_harness.simulator.answer import responses
from flag_harness.simulator.answer.headers import Sending, sending
from flag_harness.simulator.answer.message import Answer, omits_thinking, output_tokens, thinking_tokens, written_blocks
from flag_harness.simulator.answer.randomness import Draw, fingerprint, identity
from flag_harness.simulator.answer.signatures import SeededSignatures
from flag_harness.simulator.answer.stream import count
from flag_harness.simulator.answer.truncation import ending
from flag_harness.simulator.checking import ModelListRequest, check_request
from flag_harness.simulator.count.broken_prefixes import Breaks, BrokenPrefix
from flag_harness.simulator.count.cache import Accounting, PromptCache
from flag_harness.simulator.count.prefix import Segment, segments
from flag_harness.simulator.count.rate_limits import Budgets, Exceeded
from flag_harness.simulator.rules import ParsedRequest, RefusedRequest, api_key
from flag_harness.simulator.scenario.loading import load_scenario
from flag_harness.simulator.scenario.matching import View, asks_for_thinking, thinks, view
from flag_harness.simulator.scenario.scenario import Scenario, Turn
from flag_harness.simulator.scenario.turn_selector import Selection, echo, no_turn
from flag_harness.simulator.scenario.validation import turn_problem
from flag_harness.wire.timeline import Headers, Request, Response, header

logger = logging.getLogger(__name__)
REMEMBERED = 65_536
"""Requests of which is known how often they came; the one that came longest ago is forgotten first."""
_WARMING = Turn(stop_reason="max_tokens", output_tokens=0)
"""What answers `max_tokens: 0`, a request that is only to fill the cache (documented)."""

Hook: TypeAlias = Callable[[Mapping[str, Any]], Turn | None]
"""Is given a legal body; what it returns is answered, and None leaves the answer to the turns.

A turn that a file could not have raises `ScenarioError`.
"""


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A legal request that no turn of the scenario answers, and what was said about it."""

    request: Request
    message: str


class Simulator:
    """Answers requests as the Messages API does. What it keeps stands behind a lock.

    `unmatched` holds the requests that its scenario had no turn for, `broken_prefixes` what was read anew though it
    was cached, because something before it changed (each is logged, too); both in their order.
    """

    def __init__(self, scenario: Scenario | None, clock: Clock, seed: object, hook: Hook | None = None) -> None:
        self.scenario = scenario
        self.signatures = SeededSignatures(seed)
        self.unmatched: list[Unmatched] = []
        self.broken_prefixes: list[BrokenPrefix] = []
        self._clock, self._seed, self._hook = clock, seed, hook
        self._settings = scenario or Scenario()
        self._selection = Selection(self._settings.turns)
        self._cache, self._breaks = PromptCache(), Breaks()
        self._budgets = Budgets(self._settings.limits, clock.now())
        self._asked: OrderedDict[str, int] = OrderedDict()
        self._organization = Draw(seed, "organization").uuid()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        """The answer. Two simulators of one seed answer the same requests with the same bytes."""
        with self._lock:
            draw = self._draw(request)
            request_id = draw.identifier("req_")
            judged = check_request(request, self.signatures, self._settings)
            if isinstance(judged, RefusedRequest):
                return self._refused(judged, request, request_id)
            if isinstance(judged, ModelListRequest) or judged.counting:
                value = endpoints.answer(judged)
                return responses.plain(value, responses.SHORT_SECONDS, self._sent(request, request_id))
            return self._messages(request, judged, draw, request_id)

    def warm(self, request: Request) -> int:
        """Put what the request marks into the cache, as if it had been asked before; the tokens that are there now.

        Raises `ScenarioError` where the request is refused.
        """
        with self._lock:
            judged = check_request(request, self.signatures, self._settings)
            if not isinstance(judged, ParsedRequest):
                words = judged.message if isinstance(judged, RefusedRequest) else "it has no prompt"
                raise ScenarioError(f"this request cannot warm the cache: {words}")
            counted = self._account(judged, _prefix(judged))
            return counted.read + counted.written

    def _draw(self, request: Request) -> Draw:
        """Randomness that depends on what is asked and on how often that was asked before, not on anything else."""
        key = fingerprint(
            request.method, request.path, identity(request.body), header(request.headers, "anthropic-beta")
        )
        self._asked[key] = self._asked.pop(key, 0) + 1
        if len(self._asked) > REMEMBERED:
            self._asked.popitem(last=False)
        return Draw(self._seed, key, self._asked[key])

    def _messages(self, request: Request, asked: ParsedRequest, draw: Draw, request_id: str) -> Response:
        model, now = asked.model.id, self._clock.now()
        prefix = _prefix(asked)
        fresh = prefix[-1].tokens - self._cache.readable(prefix, asked.model.smallest_cacheable_prefix, now)
        exceeded = self._budgets.take(model, fresh, now)
        limits = self._budgets.headers(model, now)
        if exceeded is not None:
            again = (("retry-after", str(exceeded.seconds)), *limits)
            return self._refused(self._too_much(exceeded, asked), request, request_id, again)
        seen = view(asked.body, asked.betas)
        turn = _WARMING if asked.body["max_tokens"] == 0 else self._turn(asked.body, seen)
        if turn is None:
            message = no_turn(seen, self._settings, asked.body)
            self.unmatched.append(Unmatched(request, message))
            return self._refused(RefusedRequest("turn", 404, "scenario_has_no_turn", message), request, request_id)
        if turn.error is not None:
            error = turn.error
            refusal = RefusedRequest("scenario", error.status, error.type, error.message)
            return self._refused(refusal, request, request_id, tuple(error.headers.items()))
        answer = self._answer(turn, asked, prefix, draw)
        self._budgets.spend(model, answer.output_tokens, now)
        sent = self._sent(request, request_id, limits)
        if seen.streaming:
            return responses.streamed(answer, draw, sent)
        return responses.whole(answer, sent, count(answer, draw))

    def _refused(self, refusal: RefusedRequest, request: Request, request_id: str, headers: Headers = ()) -> Response:
        return responses.refused(refusal, self._sent(request, request_id), headers, self._settings.profile)

    def _sent(self, request: Request, request_id: str, limits: Headers = ()) -> Sending:
        """The headers' values; drawn apart, so that they take nothing from the answer's own randomness."""
        date = self._budgets.date(self._clock.now())
        return sending(Draw(self._seed, "headers", request_id), self._organization, date, request_id, limits)

    def _too_much(self, exceeded: Exceeded, asked: ParsedRequest) -> RefusedRequest:
        words = (
            f"This request would exceed your organization's rate limit of {exceeded.limit:,} {exceeded.budget} per "
            f"minute (org: {self._organization}, model: {asked.model.id}). For details, refer to: "
            "https://docs.claude.com/en/api/rate-limits. You can see the response headers for current usage. Please "
            "reduce the prompt length or the maximum tokens requested, or try again later. You may also contact sales "
            "at https://www.anthropic.com/contact-sales to discuss your options for a rate limit increase."
        )
        return RefusedRequest("rate limit", 429, "rate_limit_error", words)

    def _turn(self, body: Mapping[str, Any], seen: View) -> Turn | None:
        hooked = self._hook(body) if self._hook is not None else None
        if hooked is not None:
            problem = turn_problem(hooked)
            if problem is not None:
                raise ScenarioError(f"the hook's turn: {problem.words}")
            return hooked
        return echo(seen) if self.scenario is None else self._selection.choose(seen)

    def _answer(self, turn: Turn, asked: ParsedRequest, prefix: tuple[Segment, ...], draw: Draw) -> Answer:
        model, body, profile = asked.model, asked.body, self._settings.profile
        sent = ending(turn, body, thinking=thinks(body, model))
        omitted = omits_thinking(body, model)
        blocks = written_blocks(sent.blocks, draw, self.signatures, profile, omitted=omitted)
        states_thinking = asks_for_thinking(body) or model.only_adaptive
        stated = turn.output_tokens if turn.output_tokens is not None else sent.tokens
        return Answer(
            id=draw.identifier("msg_"),
            model=catalogue.full_id(model),
            blocks=blocks,
            stop_reason=sent.stop_reason,
            stop_sequence=sent.stop_sequence,
            input=self._account(asked, prefix),
            output_tokens=stated if stated is not None else output_tokens(blocks),
            thinking_tokens=thinking_tokens(blocks) if states_thinking else None,
            timing=turn.timing or self._settings.timing,
            profile=profile,
        )

    def _account(self, asked: ParsedRequest, prefix: tuple[Segment, ...]) -> Accounting:
        now = self._clock.now()
        counted = self._cache.account(prefix, asked.model.smallest_cacheable_prefix, now)
        broken = self._breaks.see(_tenant(asked), asked.model, prefix, counted, now)
        if broken is not None:
            self.broken_prefixes.append(broken)
            logger.warning("%s", broken)
        return counted


def _prefix(asked: ParsedRequest) -> tuple[Segment, ...]:
    return segments(asked.body, asked.model.id, _tenant(asked))


def _tenant(asked: ParsedRequest) -> str:
    """Whose cache it is."""
    return api_key(asked.headers)


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
