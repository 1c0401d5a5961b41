"""The object that the fixture `cassette` returns: it answers, records and checks a test's requests."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from flag_harness.callers import find_calling_line
from flag_harness.cassette import Cassette, CassetteMetadata, Miss, Recorder, Replay
from flag_harness.clock import Clock, VirtualClock
from flag_harness.errors import NetworkRefused, Refusal, ScenarioMiss
from flag_harness.faults.fault import Fault, explain_faults_that_never_fired
from flag_harness.faults.kinds.clients import patch_refused_keywords
from flag_harness.plugin.redact.masking import TrafficMask
from flag_harness.plugin.refusals import MissFailure, NetworkFailure, refusals_of_running_test
from flag_harness.plugin.test import problems as messages
from flag_harness.plugin.test.exchanges import ExchangeLog
from flag_harness.plugin.test.faults import fault_layers
from flag_harness.plugin.test.plan import TrafficPlan
from flag_harness.plugin.test.saving import SavedRecording, save_recording, upstream_that_answered
from flag_harness.plugin.test.scenarios import find_api_refusal, make_simulator
from flag_harness.transports import (
    ERROR_TEXTS_OF_REPLAY,
    ERROR_TEXTS_OF_SIMULATOR,
    async_http_client,
    http_client,
    live_async_http_client,
    live_http_client,
    refuse_network,
)
from flag_harness.transports.interception.intercept import AnswerRoute, route_clients
from flag_harness.transports.virtual_time import share_clock, virtual_time_layers
from flag_harness.wire.timeline import Layer, Request, Response, Upstream
from flag_harness.wire.traffic_log import TrafficLog

if TYPE_CHECKING:
    from flag_harness.analysis.metrics import Metrics, RequestMetrics
    from flag_harness.cassette import Interaction
    from flag_harness.sweep.probe import TrafficProbe
    from flag_harness.transports.client_types import AsyncClient, Client
    from flag_harness.wire.usage import Usage


class CassetteTraffic:
    """The requests of one test and their answers. The fixture `cassette` returns it.

    It answers whatever the test sends, from whichever client of httpx2 or httpx. Tests may use:

    Attributes:
        bodies: the decoded JSON bodies of the requests, in the order in which they were sent.
        exchanges: pairs of request and response, as the clients saw them.
        usage: the tokens of all answers, added up.
        cost: US dollars at list price, or None if the price of a model is unknown.
        played: the indices of the recorded interactions that were played.
        cassette: the recording that is played, or None.
        clock: the clock of the test; virtual unless requests go to a live API.
        is_virtual: True if nobody really waits, so that latencies are exact.
        is_live: True if the live API gives the answers, or gave them when they were recorded.
        evidence: the recorder of what the upstream answers, before faults change it, or None.

    `http_client()` and `async_http_client()` make clients for code that takes one. The other names serve the plugin.
    """

    def __init__(
        self,
        plan: TrafficPlan,
        *faults: Fault,
        command_line_faults: Sequence[Fault] = (),
        refuse_if_late: Layer = lambda request: None,
        evidence: Recorder | None = None,
        make_network_failure: Callable[[str], NetworkRefused] = NetworkFailure,
        probe: "TrafficProbe | None" = None,
    ) -> None:
        self.plan, self._make_network_failure, self.evidence = plan, make_network_failure, evidence
        self.clock: Clock = plan.make_clock()
        self._own_faults, self.faults = faults, (*faults, *command_line_faults)
        self._traffic_log, self._recorder = TrafficLog(self.clock.now), Recorder(plan.filters, plan.headers_to_keep)
        self._exchange_log = ExchangeLog(self._traffic_log)
        self.mask = TrafficMask(plan.filters, self._traffic_log)
        self._replay = self._make_replay() if plan.is_playing else None
        self._common_layers: tuple[Layer, ...] = (
            refuse_if_late,
            *virtual_time_layers(self.clock),
            self._traffic_log,
            *fault_layers(self.faults, self._replay, probe),
            *([evidence] if evidence else ()),
        )
        self._simulator = None
        if plan.upstream == "simulator" and plan.can_reach_upstream:
            edit_turn = probe.edit_turn if probe else None
            self._simulator = make_simulator(plan.scenario, self.clock, plan.random_seeds, plan.combination, edit_turn)
        if probe is not None:
            probe.clock = self.clock
            probe.use_simulator(self._simulator)
        self._network_refusals: list[Any] = []
        self._unsent_refusals: list[Refusal] = []
        self._cost_layers, self._answer_layers = plan.make_cost_layers(self._unsent_refusals), plan.make_answer_layers()
        self._recorded_by_test: int | None = None
        self.excluded_from_effects = ""
        self.saved: SavedRecording | None = None

    def _make_replay(self) -> Replay:
        return Replay(
            self.plan.cassette or Cassette(CassetteMetadata("live", ""), (), self.plan.cassette_path),
            explain=self.plan.find_flag_of_path,
            record=self.plan.recording_command,
            filters=self.plan.filters,
            normalisers=self.plan.normalisers,
            case=self.plan.case,
            make_miss=MissFailure,
            find_refusal=find_api_refusal,
            depends_on_flag=self.plan.depends_on_flag,
            find_sender=find_calling_line,
        )

    @contextmanager
    def open(self, must_answer: Callable[[Any], bool] = lambda http_request: True) -> Iterator["CassetteTraffic"]:
        """Answer the requests inside the context for which `must_answer` returns True, by default all of them."""
        with ExitStack() as stack:
            offline = self.plan.upstream == "simulator" or not self.plan.can_reach_upstream
            if offline and "network" not in self.plan.disabled_checks:
                doing = ERROR_TEXTS_OF_SIMULATOR if self.plan.can_reach_upstream else ERROR_TEXTS_OF_REPLAY
                self._network_refusals = stack.enter_context(
                    refuse_network(doing, self._make_network_failure, self.plan.scope)
                )
            stack.enter_context(patch_refused_keywords(*self.faults))
            route = self.route
            stack.enter_context(route_clients(lambda one: route if must_answer(one) else None, self.plan.scope))
            stack.enter_context(share_clock(self.clock, self.plan.virtual_time_functions))
            yield self

    @property
    def _local_upstream(self) -> Upstream | None:
        """The upstream (cassette or simulator) that answers in this process, or None if requests go to the network."""
        if self.plan.is_recording:
            return self._simulator
        return self._replay or self._simulator

    @property
    def route(self) -> AnswerRoute:
        """The upstream, layers and clock for requests of clients that the code under test makes itself."""
        return AnswerRoute(self._local_upstream, self._all_layers, self.clock)

    @property
    def upstream_and_layers(self) -> "tuple[Upstream | None, tuple[Layer, ...]]":
        """The upstream in this process (None if requests go to the network), and the layers in front of it."""
        return self._local_upstream, self._all_layers

    @property
    def _all_layers(self) -> tuple[Layer, ...]:
        if not self.plan.is_recording:
            return (*self._common_layers, *self._cost_layers, *self._answer_layers)
        playing: tuple[Layer, ...] = (self._answer_from_cassette,) if self._replay else ()
        refusing: tuple[Layer, ...] = (self._refuse_mixing_upstreams,) if self.plan.is_mixing_upstreams else ()
        return (*self._common_layers, *playing, *refusing, *self._cost_layers, self._recorder, *self._answer_layers)

    def _answer_from_cassette(self, request: Request) -> Response | None:
        """Return the recorded answer to a request, or None. Used as a layer in record mode `new_episodes`."""
        assert self._replay is not None
        return self._replay.find_answer(request)

    def _refuse_mixing_upstreams(self, request: Request) -> Response | None:
        """Refuse a request whose answer would mix two upstreams in one cassette. Used as a layer."""
        self._unsent_refusals.append(MissFailure(messages.mixed_upstreams_message(self.plan, request)))
        raise self._unsent_refusals[-1]

    def exclude_from_effects(self, reason: str) -> None:
        """Leave this run of the test out of the comparison that shows what each flag changes.

        Call it in a matrix test that does something else under one of its combinations, such as send another prompt.
        """
        self.excluded_from_effects = reason

    def http_client(self) -> "Client":
        """Return a sync client of the SDK's HTTP library, for `anthropic.Anthropic(http_client=...)`."""
        upstream, layers = self.upstream_and_layers
        found: Client = http_client(upstream, *layers, clock=self.clock) if upstream else live_http_client()
        return found

    def async_http_client(self) -> "AsyncClient":
        """Return an async client of the SDK's HTTP library, for `anthropic.AsyncAnthropic(http_client=...)`."""
        upstream, layers = self.upstream_and_layers
        found: Any = async_http_client(upstream, *layers, clock=self.clock) if upstream else live_async_http_client()
        return cast("AsyncClient", found)

    @property
    def exchanges(self) -> tuple[tuple[Request, Response], ...]:
        """Requests in the order in which they were sent, each with the response that its client saw, faults included.

        A response that is still open, or that its client stopped reading, ends with `End(abandoned=True)`.
        """
        return self._exchange_log.exchanges

    @property
    def bodies(self) -> tuple[Any, ...]:
        """The JSON bodies of the requests: None for an empty body, bytes for a body that is not JSON."""
        return self._exchange_log.bodies

    @property
    def times(self) -> tuple[float, ...]:
        """When each request was sent, in seconds on the test's clock."""
        return self._traffic_log.request_times

    @property
    def metrics(self) -> "Metrics":
        """All figures of the exchanges: requests, errors, usage, cost and times."""
        return self._exchange_log.metrics

    @property
    def request_metrics(self) -> "tuple[RequestMetrics, ...]":
        """The tokens, cost and times of each exchange."""
        return self._exchange_log.request_metrics

    @property
    def usage(self) -> "Usage":
        """The tokens of all complete answers, added up."""
        return self.metrics.usage

    @property
    def cost(self) -> float | None:
        """US dollars at list price for `usage`, or None if the price of a model is unknown."""
        return self.metrics.cost

    @property
    def is_virtual(self) -> bool:
        """True if time is virtual: nobody really waits, and latencies are exact."""
        return isinstance(self.clock, VirtualClock)

    @property
    def is_live(self) -> bool:
        """True if the live API gives the answers, or gave them when they were recorded."""
        played = self.plan.cassette if self.plan.is_playing else None
        return (played.metadata.upstream if played else upstream_that_answered(self.plan, self.exchanges)) == "live"

    @property
    def cassette(self) -> Cassette | None:
        """The recording that the test plays or adds to, or None if there is none."""
        return self.plan.cassette

    @property
    def played(self) -> tuple[int, ...]:
        """The indices of the recorded interactions that were played."""
        unplayed = self._replay.indices_not_played if self._replay else ()
        count = len(self.plan.cassette.interactions) if self.plan.cassette else 0
        return tuple(index for index in range(count) if index not in unplayed)

    @property
    def misses(self) -> tuple[Miss, ...]:
        """The misses that no mark of the test allows."""
        return tuple(self._replay.miss_reports) if self._replay and "misses" not in self.plan.disabled_checks else ()

    @property
    def miss_messages(self) -> frozenset[str]:
        """All messages with which the test can fail if misses (requests not in its cassette) are the only problem."""
        unplayed = [self._describe_unplayed_interactions(in_teardown) for in_teardown in (False, True)]
        return messages.possible_failure_messages([miss.message for miss in self.misses], *unplayed)

    def refusals(self) -> list[Refusal]:
        """Return the misses, and the refused requests and connections, that no mark of the test allows."""
        misses = self._replay.misses if self._replay and "misses" not in self.plan.disabled_checks else []
        scenario, unmatched = self.plan.scenario, self._simulator.unmatched_requests if self._simulator else []
        missing = [ScenarioMiss(f"{scenario}: no turn answers: {one.message}", one.proposed_turn) for one in unmatched]
        return [*misses, *missing, *self._unsent_refusals, *refusals_of_running_test(self._network_refusals)]

    def problems(self) -> list[str]:
        """Return messages that make a passed test fail, such as unplayed interactions.

        Refused requests are not among them. Called after the test function and after the teardown of the fixtures.
        """
        found = explain_faults_that_never_fired(self._own_faults)
        if not self.exchanges and "no_request" not in self.plan.disabled_checks:
            found.append(messages.NO_REQUEST_MESSAGE)
        elif not self.plan.is_recording:
            found += self._describe_unplayed_interactions(self._recorded_by_test is not None)
        return [*found, *messages.recording_problems(self.plan, self.recording)]

    def _describe_unplayed_interactions(self, in_teardown: bool) -> list[str]:
        if self._replay is None or "unplayed" in (plan := self.plan).disabled_checks:
            return []
        return messages.unplayed_messages(self._replay, plan.cassette_path, plan.recording_command, in_teardown)

    @property
    def recording(self) -> "tuple[Interaction, ...]":
        """The interactions that this test recorded. Those from the teardown of fixtures are marked as late."""
        if not self.plan.is_recording:
            return ()
        recorded = self._recorder.interactions
        own = len(recorded) if self._recorded_by_test is None else self._recorded_by_test
        return (*recorded[:own], *(replace(one, in_teardown=True) for one in recorded[own:]))

    def mark_test_end(self) -> None:
        """Mark the end of the test function: later requests come from the teardown of fixtures."""
        self._recorded_by_test = len(self._recorder.exchanges)

    def save(self) -> None:
        """Write the recording, if there is one."""
        if recording := self.recording:
            exchanges = *self.exchanges, *self._recorder.exchanges  # a fault may have taken a head that was recorded
            self.saved = save_recording(self.plan, recording, exchanges, self.excluded_from_effects)
