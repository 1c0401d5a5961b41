"""A simulated Messages API: an upstream that validates requests, answers from a scenario and counts tokens."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path

import msgspec

from flag_harness.clock import Clock, VirtualClock
from flag_harness.errors import ScenarioError
from flag_harness.simulator import catalogue
from flag_harness.simulator.answer import responses
from flag_harness.simulator.answer.headers import ResponseHeaders, make_response_headers
from flag_harness.simulator.answer.message import (
    AnswerMessage,
    BlockBuilder,
    estimate_output_tokens,
    estimate_thinking_tokens,
    is_thinking_text_omitted,
)
from flag_harness.simulator.answer.randomness import SeededRandom, canonical_body, hash_of_parts
from flag_harness.simulator.answer.signatures import SeededSignatures, position_after_blocks
from flag_harness.simulator.answer.stream import approximate_event_count
from flag_harness.simulator.answer.truncation import answer_content
from flag_harness.simulator.checking import CheckedRequest, ModelsRequest, check_request
from flag_harness.simulator.count.broken_prefixes import BrokenPrefix, BrokenPrefixDetector
from flag_harness.simulator.count.cache import InputUsage, PromptCache
from flag_harness.simulator.count.prefix import PromptSegment
from flag_harness.simulator.count.rate_limits import RateLimiter
from flag_harness.simulator.endpoints import files, models
from flag_harness.simulator.endpoints.batches import BatchStore
from flag_harness.simulator.endpoints.platforms import PlatformRequest, parse_platform_request
from flag_harness.simulator.endpoints.threads import MessageThreads
from flag_harness.simulator.rules import IncomingRequest, ParsedRequest, RefusedRequest
from flag_harness.simulator.scenario.loading import load_scenario
from flag_harness.simulator.scenario.matching import (
    blocks_of_prefilled_answer,
    is_model_thinking,
    is_thinking_requested,
    make_request_view,
)
from flag_harness.simulator.scenario.scenario import Scenario, ScenarioTurn
from flag_harness.simulator.scenario.turn_chooser import EditTurn, TurnChooser, TurnHook, UnmatchedRequest
from flag_harness.simulator.scenario.turn_selector import missing_turn_toml, no_matching_turn_message
from flag_harness.wire.timeline import Headers, Request, Response, header_value

logger = logging.getLogger(__name__)
MAX_REMEMBERED_REQUESTS = 65_536
"""How many requests are remembered, each with how often it was sent. The oldest one is forgotten first."""
_WARMUP_TURN = ScenarioTurn(stop_reason="max_tokens", output_tokens=0)
"""The answer to `max_tokens: 0`, a request that only fills the cache (documented)."""


class Simulator:
    """Answers requests as the Messages API does. It is thread-safe.

    `unmatched_requests` lists the requests that no turn of the scenario matched. `broken_prefixes` lists cached
    prefixes that could not be read because a block before their end changed; each is also logged as a warning.
    """

    def __init__(
        self,
        scenario: Scenario | None,
        clock: Clock,
        seed: object,
        hook: TurnHook | None = None,
        edit_turn: EditTurn | None = None,
        draws: Sequence[object] = (),
        arm: str = "",
    ) -> None:
        self.scenario = scenario
        self.signatures = SeededSignatures(seed)
        self.unmatched_requests: list[UnmatchedRequest] = []
        self.broken_prefixes: list[BrokenPrefix] = []
        self.origin, self._clock, self._seed = "simulator", clock, seed
        self._settings = scenario or Scenario()
        self._lenient_settings = msgspec.structs.replace(self._settings, refused_betas=(), refused_parameters=())
        seeds = (seed, "turn", *draws, "" if self._settings.paired else arm)
        self._turns = TurnChooser(scenario, hook, edit_turn, lambda index: SeededRandom(*seeds, index).fraction())
        self._cache, self._broken_prefixes = PromptCache(), BrokenPrefixDetector()
        self._rate_limiter = RateLimiter(self._settings.limits, clock.now())
        self._request_counts: OrderedDict[str, int] = OrderedDict()
        self._organization = SeededRandom(seed, "organization").uuid()
        self._lock = threading.Lock()
        self._threads, self._files = MessageThreads(), files.FileStore()
        self._batches = BatchStore(self._respond)
        for block in (block for turn in self._settings.turns for block in turn.content if block.raw is not None):
            self.signatures.trust_raw_block(block.raw or {})

    def __call__(self, request: Request) -> Response:
        """Answer a request. Simulators with the same seed give the same requests the same bytes."""
        with self._lock:
            platform = parse_platform_request(request)
            return self._respond(request) if platform is None else self._respond_on_platform(platform)

    def refusal_reason(self, request: Request) -> str:
        """Return why the API would refuse a request, or an empty string. Refusals by the scenario are left out."""
        with self._lock:
            platform = parse_platform_request(request)
            own = request if platform is None else platform.to_messages_request()
            checked = self._check_rules(own, self._lenient_settings)
            problem = platform.body_problem if platform else None
            return problem or (checked.message if isinstance(checked, RefusedRequest) else "")

    def _check_rules(self, request: Request, settings: Scenario) -> CheckedRequest:
        """Return the parsed request, with the earlier messages of its thread added, or the API's error."""
        whole = self._threads.add_earlier_messages(request)
        return whole if isinstance(whole, RefusedRequest) else check_request(whole, self.signatures, settings)

    def restart_turn_counts(self) -> None:
        """Forget how many requests have matched each turn, so that the condition `nth` counts from 1 again."""
        with self._lock:
            self._turns.restart_counts()

    def _respond(self, request: Request) -> Response:
        """Return the response to a request in the format of the Messages API."""
        random = self._random_for_request(request)
        request_id = random.make_api_id("req_")
        checked = self._check_rules(request, self._settings)
        if isinstance(checked, IncomingRequest):
            return self._answer_batch_or_file_request(checked, random, request_id)
        if isinstance(checked, RefusedRequest):
            return self._error_response(checked, request, request_id)
        if isinstance(checked, ModelsRequest) or checked.only_counts_tokens:
            value = models.answer_model_request(checked)
            return responses.json_response(
                value, responses.NON_MESSAGE_RESPONSE_SECONDS, self._response_headers(request, request_id)
            )
        return self._answer_messages(request, checked, random, request_id)

    def _respond_on_platform(self, platform: PlatformRequest) -> Response:
        """Return the response to a request to Bedrock or Vertex AI, in the format of that platform."""
        own, problem = platform.to_messages_request(), platform.body_problem
        if problem is None:
            return platform.convert_response(self._respond(own))
        refused = RefusedRequest("platform", 400, "invalid_request_error", problem)
        request_id = self._random_for_request(own).make_api_id("req_")
        return platform.convert_response(self._error_response(refused, own, request_id))

    def _answer_batch_or_file_request(
        self, incoming: IncomingRequest, random: SeededRandom, request_id: str
    ) -> Response:
        """Return the response to a request about batches or files."""
        now = self._rate_limiter.wall_clock_time(self._clock.now())
        if incoming.path.startswith(files.FILES_PATH):
            found = self._files.answer_request(incoming, now, random.make_api_id("file_"))
        else:
            found = self._batches.answer_request(incoming, now, random.make_api_id("msgbatch_"))
        if isinstance(found, RefusedRequest):
            return self._error_response(found, incoming.request, request_id)
        return responses.non_message_response(*found, self._response_headers(incoming.request, request_id))

    def warm_prompt_cache(self, request: Request) -> int:
        """Write the marked prefixes of a request to the cache. Return how many tokens of the request are now cached.

        Raise `ScenarioError` if the request is refused.
        """
        with self._lock:
            checked = check_request(request, self.signatures, self._settings)
            if not isinstance(checked, ParsedRequest):
                message = checked.message if isinstance(checked, RefusedRequest) else "it has no prompt"
                raise ScenarioError(f"this request cannot warm the cache: {message}")
            usage = self._update_cache(checked, checked.prompt_segments)
            return usage.cache_read_tokens + usage.tokens_written

    def _random_for_request(self, request: Request) -> SeededRandom:
        """Return a random generator that depends on the seed, the request, and how often it was sent before."""
        key = hash_of_parts(
            request.method, request.path, canonical_body(request.body), header_value(request.headers, "anthropic-beta")
        )
        self._request_counts[key] = self._request_counts.pop(key, 0) + 1
        if len(self._request_counts) > MAX_REMEMBERED_REQUESTS:
            self._request_counts.popitem(last=False)
        return SeededRandom(self._seed, key, self._request_counts[key])

    def _answer_messages(
        self, request: Request, parsed: ParsedRequest, random: SeededRandom, request_id: str
    ) -> Response:
        """Return the answer that the scenario gives to a valid request for a message, or an error response."""
        model, now = parsed.model.id, self._clock.now()
        segments = parsed.prompt_segments
        uncached = segments[-1].prefix_tokens - self._cache.count_readable_tokens(
            segments, parsed.model.smallest_cacheable_prefix, now
        )
        exceeded = self._rate_limiter.charge_input(model, uncached, now)
        limits = self._rate_limiter.rate_limit_headers(model, now)
        if exceeded is not None:
            retry_headers = (("retry-after", str(exceeded.wait_seconds)), *limits)
            return self._error_response(
                responses.rate_limit_refusal(exceeded, self._organization, model), request, request_id, retry_headers
            )
        view = make_request_view(parsed.body, parsed.betas)
        turn = _WARMUP_TURN if parsed.body["max_tokens"] == 0 else self._turns.choose_turn(parsed.body, view)
        if turn is None:
            message = no_matching_turn_message(view, self._settings, parsed.body)
            self.unmatched_requests.append(UnmatchedRequest(request, message, missing_turn_toml(view)))
            return self._error_response(
                RefusedRequest("turn", 400, "scenario_has_no_turn", message), request, request_id
            )
        if turn.error is not None:
            error = turn.error
            refusal = RefusedRequest("scenario", error.status, error.type, error.message)
            return self._error_response(refusal, request, request_id, tuple(error.headers.items()))
        answer = self._build_answer(turn, parsed, segments, random)
        if answer.stop_reason != "refusal":
            blocks = [written.json_block for written in answer.blocks]
            self._threads.store_answer(parsed.api_key, parsed.body, answer.id, blocks)
        self._rate_limiter.charge_output(model, answer.output_tokens, now)
        headers = self._response_headers(request, request_id, limits)
        if view.asks_for_stream:
            return responses.stream_response(answer, random, headers)
        return responses.message_response(answer, headers, approximate_event_count(answer, random))

    def _error_response(
        self, refusal: RefusedRequest, request: Request, request_id: str, extra_headers: Headers = ()
    ) -> Response:
        """Return the error response for a refused request."""
        return responses.error_response(
            refusal, self._response_headers(request, request_id), extra_headers, self._settings.profile
        )

    def _response_headers(self, request: Request, request_id: str, rate_limit_headers: Headers = ()) -> ResponseHeaders:
        """Return the headers of a response. Their random values do not change those of the answer."""
        date = self._rate_limiter.wall_clock_time(self._clock.now())
        return make_response_headers(
            SeededRandom(self._seed, "headers", request_id), self._organization, date, request_id, rate_limit_headers
        )

    def _build_answer(
        self, turn: ScenarioTurn, request: ParsedRequest, segments: tuple[PromptSegment, ...], random: SeededRandom
    ) -> AnswerMessage:
        """Return the message that answers a request with this turn. `segments` are the blocks of the prompt."""
        model, body, profile = request.model, request.body, self._settings.profile
        content = answer_content(turn, body, with_thinking=is_model_thinking(body, model))
        omitted = is_thinking_text_omitted(body, model)
        continued = blocks_of_prefilled_answer(body)
        builder = BlockBuilder(
            random,
            self.signatures,
            profile,
            omits_thinking_text=omitted,
            must_think=request.thinking_type == "enabled",
            start_position=position_after_blocks(continued),
        )
        blocks = builder.build_blocks(content.blocks)
        if content.stop_reason == "pause_turn":
            own = [written.json_block for written in blocks]
            self.signatures.remember_paused_answer(own)
            self.signatures.remember_paused_answer([*continued, *own])
        states_thinking = is_thinking_requested(body) or model.has_only_adaptive_thinking
        output_tokens = turn.output_tokens if turn.output_tokens is not None else content.output_tokens
        return AnswerMessage(
            id=random.make_api_id("msg_"),
            model=catalogue.full_model_id(model),
            blocks=blocks,
            stop_reason=content.stop_reason,
            stop_sequence=content.stop_sequence,
            input_usage=self._update_cache(request, segments),
            output_tokens=output_tokens if output_tokens is not None else estimate_output_tokens(blocks),
            thinking_tokens=estimate_thinking_tokens(blocks) if states_thinking else None,
            timing=turn.timing or self._settings.timing,
            api_month=profile,
        )

    def _update_cache(self, request: ParsedRequest, segments: tuple[PromptSegment, ...]) -> InputUsage:
        """Update the prompt cache for a request, and return its input tokens. Store and log a broken cached prefix."""
        now = self._clock.now()
        usage = self._cache.read_and_write(segments, request.model.smallest_cacheable_prefix, now)
        broken = self._broken_prefixes.find_broken_prefix(request.api_key, request.model, segments, usage, now)
        if broken is not None:
            self.broken_prefixes.append(broken)
            logger.warning("%s", broken)
        return usage


def simulate(
    scenario: Scenario | Path | str | None = None,
    *,
    clock: Clock | None = None,
    seed: object = 0,
    hook: TurnHook | None = None,
    edit_turn: EditTurn | None = None,
    draws: Sequence[object] = (),
    arm: str = "",
) -> Simulator:
    """Return a simulated Messages API as an upstream.

    `scenario` is a `Scenario` or the path of its file. Without a scenario, each answer repeats the user's text. `clock`
    decides when cached prefixes expire; by default it is a virtual clock. Ids, padding and signatures depend only on
    `seed` and the requests. `hook` and `edit_turn` can choose or change the turn. Turns with a weight are drawn at
    random by `seed`, `draws` (such as the test and its repetition) and the index of the request. `arm` (such as the
    combination of flags) counts too if the scenario has `paired = false`. Raise `ScenarioError` for an unreadable file.
    """
    if isinstance(scenario, (str, Path)):
        scenario = load_scenario(scenario)
    return Simulator(scenario, clock or VirtualClock(), seed, hook, edit_turn, draws, arm)
