"""One test's traffic: who answers it, what is recorded of it, and what is wrong with it in the end."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from harness.cassette import (
    NO_FILTERS,
    NO_NORMALISERS,
    REDACTED,
    Cassette,
    Envelope,
    Filters,
    Miss,
    Normalisers,
    Recorder,
    Replay,
)
from harness.cassette.lock import locked
from harness.cassette.merge import merged
from harness.cassette.scan import without_keys
from harness.clock import Clock, VirtualClock
from harness.errors import Refusal
from harness.faults.clients import misleading
from harness.faults.fault import Fault, never_fired
from harness.flags import explaining_flag
from harness.plugin.modes import RecordMode
from harness.plugin.spoiled import given_back
from harness.transports import (
    SystemClock,
    async_http_client,
    http_client,
    intercepted,
    network_refused,
    sdk_http_library,
    sdk_version,
)
from harness.wire.tap import Tap
from harness.wire.timeline import Layer, Request, Response, Upstream

if TYPE_CHECKING:
    from harness.simulator import Simulator
    from harness.transports.server import LoopbackServer

UpstreamChoice = Literal["live", "simulator"]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a test's requests are to be answered. `command` records its cassette, once an upstream is added."""

    path: Path
    mode: RecordMode = "none"
    disabled: bool = False
    upstream: UpstreamChoice = "live"
    scenario: Path | None = None
    case: str = ""
    combination: str = ""
    command: str = ""
    filters: Filters = NO_FILTERS
    normalisers: Normalisers = NO_NORMALISERS
    allowed: frozenset[str] = frozenset()
    recorded: bool = False
    """Whether there is something that this test need not record, under `once`."""
    blobs: Path | None = None
    gone: Callable[[str], bool] = lambda case: False
    """Whether a test, by its name, does not exist any more."""

    @property
    def records(self) -> bool:
        """Whether what is not played will be recorded."""
        if self.disabled or self.mode == "none":
            return False
        return self.mode != "once" or not self.recorded

    @property
    def plays(self) -> bool:
        """Whether recorded answers are played."""
        return not self.disabled and (not self.records or self.mode == "new_episodes")


class Session:
    """The traffic of one test. What the test sends is answered as the plan says, whichever client sends it."""

    def __init__(self, plan: Plan, *faults: Fault, everywhere: Sequence[Fault] = ()) -> None:
        self.plan = plan
        self._awaited, faults = faults, (*faults, *everywhere)
        self.clock: Clock = _clock(plan)
        self._tap, self._recorder = Tap(), Recorder(plan.filters)
        self._cassette = Cassette.load(plan.path) if not plan.disabled and plan.path.exists() else None
        self._faults = faults
        source = self._cassette.envelope.upstream if self._cassette and not plan.records else plan.upstream
        self.command = f"{plan.command} --harness-upstream={'simulator' if source == 'simulator' else 'live'}"
        self._replay = self._player() if plan.plays else None
        spoiling = (given_back(fault, self._replay) for fault in faults) if self._replay else faults
        self._layers: tuple[Layer, ...] = (self._tap, *spoiling)
        self._simulator = _simulated(plan) if plan.upstream == "simulator" and self._asks_upstream else None
        self._refused: list[Any] = []
        self._taken: dict[int, tuple[int, frozenset[str]]] = {}

    @property
    def _asks_upstream(self) -> bool:
        return self.plan.records or self.plan.disabled

    def _player(self) -> Replay:
        empty = Cassette(Envelope("live", ""), (), self.plan.path)
        return Replay(
            self._cassette or empty,
            explain=explaining_flag,
            record=self.command,
            filters=self.plan.filters,
            normalisers=self.plan.normalisers,
            case=self.plan.case,
        )

    @contextmanager
    def open(self) -> Iterator["Session"]:
        """Answer requests while the context lasts. A real server stands on loopback while the simulator is recorded."""
        with ExitStack() as stack:
            if self.plan.upstream == "simulator" or not self._asks_upstream:
                self._refused = stack.enter_context(network_refused())
            if self._simulator and self.plan.records:
                self.base_url = stack.enter_context(_served(self._simulator)).url
            stack.enter_context(misleading(*self._faults))
            stack.enter_context(intercepted(self._upstream, *self._all_layers, clock=self.clock))
            yield self

    base_url: str | None = None
    """Where clients must send what they send, where that is not the API's own address."""

    @property
    def _upstream(self) -> Upstream | None:
        """Who answers without a network; nobody, where requests go on to one."""
        if self.plan.records:
            return None
        return self._replay or self._simulator

    @property
    def _all_layers(self) -> tuple[Layer, ...]:
        if not self.plan.records:
            return self._layers
        played: tuple[Layer, ...] = (self._recorded,) if self._replay else ()
        return (*self._layers, *played, self._recorder)

    def _recorded(self, request: Request) -> Response | None:
        """A layer that answers what the cassette holds (record mode `new_episodes`)."""
        assert self._replay is not None
        return self._replay.find(request)

    def http_client(self) -> Any:
        """A sync client of the SDK's HTTP library whose requests this session answers."""
        if self._upstream is None:
            return sdk_http_library().Client()
        return http_client(self._upstream, *self._all_layers, clock=self.clock)

    def async_http_client(self) -> Any:
        """The async twin of `http_client`."""
        if self._upstream is None:
            return sdk_http_library().AsyncClient()
        return async_http_client(self._upstream, *self._all_layers, clock=self.clock)

    @property
    def exchanges(self) -> tuple[tuple[Request, Response], ...]:
        """What the test's clients sent and saw, faults included, in the order in which requests were sent."""
        return self._tap.exchanges

    @property
    def bodies(self) -> tuple[Any, ...]:
        """The JSON bodies of the requests."""
        return tuple(msgspec.json.decode(request.body) for request, _ in self.exchanges)

    @property
    def virtual(self) -> bool:
        """Whether time is data: nobody waits, and latencies are exact."""
        return isinstance(self.clock, VirtualClock)

    @property
    def live(self) -> bool:
        """Whether the answers are, or were when they were recorded, those of the live API."""
        played = self._cassette if self.plan.plays else None
        return (played.envelope.upstream if played else self.plan.upstream) == "live"

    @property
    def cassette(self) -> Cassette | None:
        """The cassette that is played, where there is one."""
        return self._cassette

    @property
    def missed(self) -> tuple[Miss, ...]:
        """The misses that the test's marks do not allow, with their parts."""
        return tuple(self._replay.reports) if self._replay and "misses" not in self.plan.allowed else ()

    @property
    def missed_text(self) -> str:
        """What a test that has otherwise passed is told of its misses alone, with what they left unplayed."""
        unplayed = self._unplayed() if self._replay and "unplayed" not in self.plan.allowed else []
        return "\n\n".join([*(miss.message for miss in self.missed), *unplayed])

    @property
    def played(self) -> tuple[int, ...]:
        """The positions of the interactions that were played."""
        unplayed = self._replay.unplayed if self._replay else ()
        count = len(self._cassette.interactions) if self._cassette else 0
        return tuple(place for place in range(count) if place not in unplayed)

    def refusals(self) -> list[Refusal]:
        """The misses and refused attempts to reach the network that the test's marks do not allow."""
        misses = self._replay.misses if self._replay and "misses" not in self.plan.allowed else []
        return [*misses, *(self._refused if "network" not in self.plan.allowed else [])]

    def shown(self, text: str) -> str:
        """A text as it may be shown: without what the filters name or took out of this test's traffic, and no key."""
        text = self.plan.filters.text(text)
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, REDACTED)
        return without_keys(text)

    def _secrets(self) -> frozenset[str]:
        """What the filters took out of the traffic so far; an exchange is read again only when more of it has come."""
        for number, (request, response) in enumerate(self.exchanges if self.plan.filters else ()):
            if self._taken.get(number, (0,))[0] != len(response):
                self._taken[number] = len(response), self.plan.filters.taken(request, response)
        return frozenset(secret for _, secrets in self._taken.values() for secret in secrets)

    def complaints(self) -> list[str]:
        """What is wrong with a test that has otherwise passed, a line or a few each."""
        found = [*map(str, self.refusals()), *never_fired(self._awaited)]
        if self._simulator and self._simulator.unmatched:
            found += [f"{self.plan.scenario}: no turn answers: {asked}" for asked in self._simulator.unmatched]
        if not self.exchanges and "no_request" not in self.plan.allowed:
            found.append(
                "The test sent no request. If that is its point, mark it @pytest.mark.harness_no_request; "
                "if not, its client is not one of httpx2 or httpx, or was never called."
            )
        elif self._replay and not self.plan.records and "unplayed" not in self.plan.allowed:
            found += self._unplayed()
        return found

    def _unplayed(self) -> list[str]:
        assert self._replay is not None
        own = frozenset(self._replay.own)
        if not (unplayed := sorted(own.intersection(self._replay.unplayed))):
            return []
        total = len(own)
        which = ", ".join(map(str, unplayed))
        return [
            f"{len(unplayed)} of {total} recorded interactions of {self.plan.path} were not played: {which}.\n"
            f"To record what the test does now: {self.command}"
        ]

    def save(self) -> None:
        """Write what was recorded, if this test was to record, into what others may have written meanwhile."""
        if not self.plan.records or not (recorded := self._recorder.interactions):
            return
        path, new = self.plan.path, Cassette(self._envelope(), recorded)
        with locked(path):
            old = self._filtered(Cassette.load(path)) if path.exists() else None
            both = merged(old, new, keeps_own=self.plan.mode != "rewrite", gone=self.plan.gone)
            both.save(path, self.plan.blobs)

    def _filtered(self, cassette: Cassette) -> Cassette:
        return replace(cassette, interactions=tuple(map(self.plan.filters.interaction, cassette.interactions)))

    def _envelope(self) -> Envelope:
        return Envelope(
            upstream=self.plan.upstream,
            recorded_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            sdk=sdk_version(),
            case=self.plan.case,
            combination=self.plan.combination,
        )


def _simulated(plan: Plan) -> "Simulator":
    """The simulated API of the test's scenario. A run that plays cassettes does not pay for its import."""
    from harness.simulator import simulate

    return simulate(plan.scenario)


def _served(simulator: "Simulator") -> "LoopbackServer":
    """The simulated API behind a real server, in the rhythm of its scenario."""
    from harness.transports.server import LoopbackServer

    return LoopbackServer(simulator, pace=1)


def _clock(plan: Plan) -> Clock:
    """Recorded and simulated answers come on a virtual clock; a live API takes the time it takes.

    While the simulator is recorded over real HTTP, time is real but nobody waits for anything but the wire.
    """
    if not plan.records and not (plan.disabled and plan.upstream == "live"):
        return VirtualClock()
    return SystemClock(pace=0.0 if plan.upstream == "simulator" else 1.0)
