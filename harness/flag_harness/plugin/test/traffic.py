"""One test's traffic: who answers it, what is recorded of it, and what is wrong with it in the end."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from flag_harness.cassette import Cassette, Envelope, Miss, Recorder, Replay
from flag_harness.cassette.redact.scan import refuse_keys
from flag_harness.clock import Clock, VirtualClock
from flag_harness.errors import CassetteError, CassetteMiss, Refusal
from flag_harness.faults.fault import Fault, never_fired
from flag_harness.faults.kinds.clients import misleading
from flag_harness.flags import explaining_flag
from flag_harness.plugin.redact.hiding import Hiding
from flag_harness.plugin.test import saving
from flag_harness.plugin.test.plan import Plan
from flag_harness.plugin.test.refusals import FailedMiss, FailedNetwork
from flag_harness.plugin.test.requeue import given_back
from flag_harness.transports import (
    PLAYING,
    SIMULATING,
    async_http_client,
    http_client,
    intercepted,
    network_refused,
    own_async_http_client,
    own_http_client,
)
from flag_harness.wire.tap import Tap
from flag_harness.wire.timeline import Layer, Request, Response, Upstream

if TYPE_CHECKING:
    from flag_harness.cassette import Interaction
    from flag_harness.simulator import Simulator


class Session:
    """The traffic of one test. What the test sends is answered as the plan says, whichever client sends it."""

    def __init__(self, plan: Plan, *faults: Fault, everywhere: Sequence[Fault] = ()) -> None:
        self.plan = plan
        self._awaited, faults = faults, (*faults, *everywhere)
        self.clock: Clock = plan.clock()
        self._tap, self._recorder = Tap(), Recorder(plan.filters)
        self.shown = Hiding(plan.filters, self._tap)
        self._faults = faults
        self.command = f"{plan.command} --harness-upstream={'simulator' if plan.answers == 'simulator' else 'live'}"
        self._replay = self._player() if plan.plays else None
        spoiling = (given_back(fault, self._replay) for fault in faults) if self._replay else faults
        self._layers: tuple[Layer, ...] = (self._tap, *spoiling)
        self._simulator = _simulated(plan) if plan.upstream == "simulator" and plan.asks_upstream else None
        self._refused: list[Any] = []
        self._mixed: list[CassetteMiss] = []
        self._ended_at: int | None = None

    def _player(self) -> Replay:
        empty = Cassette(Envelope("live", ""), (), self.plan.path)
        return Replay(
            self.plan.cassette or empty,
            explain=partial(explaining_flag, flags=self.plan.flags),
            record=self.command,
            filters=self.plan.filters,
            normalisers=self.plan.normalisers,
            case=self.plan.case,
            refusal=FailedMiss,
        )

    @contextmanager
    def open(self) -> Iterator["Session"]:
        """Answer requests while the context lasts."""
        with ExitStack() as stack:
            offline = self.plan.upstream == "simulator" or not self.plan.asks_upstream
            if offline and "network" not in self.plan.allowed:
                doing = SIMULATING if self.plan.asks_upstream else PLAYING
                self._refused = stack.enter_context(network_refused(doing, FailedNetwork))
            stack.enter_context(misleading(*self._faults))
            stack.enter_context(intercepted(self._upstream, *self._all_layers, clock=self.clock))
            yield self

    @property
    def _upstream(self) -> Upstream | None:
        """Return who answers in this process, or None if requests go on to the network."""
        if self.plan.records:
            return self._simulator
        return self._replay or self._simulator

    @property
    def answering(self) -> "tuple[Upstream | None, tuple[Layer, ...]]":
        """Return who answers in this process (None if requests go on to the network), and the layers before."""
        return self._upstream, self._all_layers

    @property
    def _all_layers(self) -> tuple[Layer, ...]:
        if not self.plan.records:
            return self._layers
        played: tuple[Layer, ...] = (self._recorded,) if self._replay else ()
        unmixed: tuple[Layer, ...] = (self._unmixed,) if self.plan.mixes else ()
        return (*self._layers, *played, *unmixed, self._recorder)

    def _recorded(self, request: Request) -> Response | None:
        """A layer that answers what the cassette holds (record mode `new_episodes`)."""
        assert self._replay is not None
        return self._replay.find(request)

    def _unmixed(self, request: Request) -> Response | None:
        """A layer that lets nothing reach an upstream whose answers the cassette cannot take."""
        plan = self.plan
        assert plan.cassette is not None
        self._mixed.append(
            FailedMiss(
                f"{request.method} {request.path} was not sent: {plan.path} was recorded from: "
                f"{plan.cassette.envelope.upstream}, and --record-mode={plan.mode} would add answers of: "
                f"{plan.upstream}. A cassette tells of one upstream.\nTo record it anew: {plan.rewrite}"
            )
        )
        raise self._mixed[-1]

    def http_client(self) -> Any:
        """A sync client of the SDK's HTTP library whose requests this session answers."""
        if self._upstream is None:
            return own_http_client()
        return http_client(self._upstream, *self._all_layers, clock=self.clock)

    def async_http_client(self) -> Any:
        """The async twin of `http_client`."""
        if self._upstream is None:
            return own_async_http_client()
        return async_http_client(self._upstream, *self._all_layers, clock=self.clock)

    @property
    def exchanges(self) -> tuple[tuple[Request, Response], ...]:
        """What the test's clients sent and saw, faults included, in the order in which requests were sent."""
        return self._tap.exchanges

    @property
    def bodies(self) -> tuple[Any, ...]:
        """The JSON bodies of the requests: `None` where one has none, and the bytes where it is no JSON."""
        return tuple(_decoded(request.body) for request, _ in self.exchanges)

    @property
    def virtual(self) -> bool:
        """Whether time is data: nobody waits, and latencies are exact."""
        return isinstance(self.clock, VirtualClock)

    @property
    def live(self) -> bool:
        """Whether the answers are, or were when they were recorded, those of the live API."""
        played = self.plan.cassette if self.plan.plays else None
        return (played.envelope.upstream if played else self.plan.upstream) == "live"

    @property
    def cassette(self) -> Cassette | None:
        """The cassette that is played, where there is one."""
        return self.plan.cassette

    @property
    def missed(self) -> tuple[Miss, ...]:
        """The misses that the test's marks do not allow, with their parts."""
        return tuple(self._replay.reports) if self._replay and "misses" not in self.plan.allowed else ()

    @property
    def missed_texts(self) -> frozenset[str]:
        """What a test that has otherwise passed is told of its misses alone, with what they left unplayed or not."""
        messages = [miss.message for miss in self.missed]
        unplayed = self._unplayed(False), self._unplayed(True)
        together = {"\n\n".join(dict.fromkeys([*messages, *more])) for more in ([], *unplayed)}
        return frozenset(together.union(messages))

    @property
    def played(self) -> tuple[int, ...]:
        """The positions of the interactions that were played."""
        unplayed = self._replay.unplayed if self._replay else ()
        count = len(self.plan.cassette.interactions) if self.plan.cassette else 0
        return tuple(place for place in range(count) if place not in unplayed)

    def refusals(self) -> list[Refusal]:
        """The misses and refused attempts to reach the network that the test's marks do not allow."""
        misses = self._replay.misses if self._replay and "misses" not in self.plan.allowed else []
        return [*misses, *self._mixed, *self._refused]

    def complaints(self) -> list[str]:
        """What is wrong with a test that has otherwise passed, a line or a few each, beside its refusals.

        Asked when its own code has ended, and again when its fixtures have been torn down.
        """
        found = never_fired(self._awaited)
        if self._simulator and self._simulator.unmatched:
            found += [f"{self.plan.scenario}: no turn answers: {asked}" for asked in self._simulator.unmatched]
        if not self.exchanges and "no_request" not in self.plan.allowed:
            found.append(
                "The test sent no request. If that is its point, mark it @pytest.mark.harness_no_request; "
                "if not, its client is not one of httpx2 or httpx, or was never called."
            )
        elif not self.plan.records:
            found += self._unplayed(self._ended_at is not None)
        return [*found, *self._keys()]

    def _unplayed(self, late: bool) -> list[str]:
        """What was not played, if that is a complaint; also what fixtures send late, once they have had their turn."""
        if self._replay is None or "unplayed" in self.plan.allowed:
            return []
        own, recorded = frozenset(self._replay.own), self._replay.cassette.interactions
        unplayed = [place for place in self._replay.unplayed if place in own and (late or not recorded[place].late)]
        if not unplayed:
            return []
        which = ", ".join(map(str, sorted(unplayed)))
        return [
            f"{len(unplayed)} of {len(own)} recorded interactions of {self.plan.path} were not played: {which}.\n"
            f"To record what the test does now: {self.command}"
        ]

    def _keys(self) -> list[str]:
        """Why what was recorded will not be written, where it looks like a key."""
        recorded = self._recorded_now
        try:
            if recorded:
                refuse_keys(self.plan.path, saving.envelope_of(self.plan), recorded)
        except CassetteError as error:
            return [str(error)]
        return []

    @property
    def _recorded_now(self) -> "tuple[Interaction, ...]":
        if not self.plan.records:
            return ()
        recorded = self._recorder.interactions
        ended = len(recorded) if self._ended_at is None else self._ended_at
        return (*recorded[:ended], *(replace(one, late=True) for one in recorded[ended:]))

    def end(self) -> None:
        """The test's own code has ended: what is sent from here on is sent by what tears its fixtures down."""
        self._ended_at = len(self._recorder.exchanges)

    def save(self) -> bool:
        """Write what was recorded, if this test was to record. Returns whether a file was replaced that was broken."""
        recorded = self._recorded_now
        return bool(recorded) and saving.save(self.plan, recorded)


def _simulated(plan: Plan) -> "Simulator":
    """The simulated API of the test's scenario. A run that plays cassettes does not pay for its import."""
    from flag_harness.simulator import simulate

    return simulate(plan.scenario)


def _decoded(data: bytes) -> Any:
    try:
        return msgspec.json.decode(data) if data else None
    except msgspec.DecodeError:
        return data
