"""What replay costs, beside peers: `python benchmarks/replay.py [--write docs/performance.md]`; takes some minutes."""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import streaming
from conversations import HEADERS, URL, copied, reply, request_body
from measuring import MICRO, MILLI, Subject, Target, cpu_seconds, exponent, interleaved, publish, table, versions
from peers import BARE, CannotLoadError, Exchange, Harness, Peer, installed

KILOBYTE = 1000
BODY = 6 * KILOBYTE
COUNTS = (1, 100, 5000)
SIZES, SIZED_COUNT = (1, 6, 60, 600), 20
"""Kilobytes of a request's body; and interactions in each of those cassettes."""
SAMPLE, FEW = 100, 3
"""Requests that are timed together, at most; and of what compares one request with thousands."""
ROUNDS = 15
SLOWEST, SLOW_ROUNDS = "vcrpy", 2
"""It decodes the bodies of all recorded requests for each that is sent."""
DISTINCT = (1000, 5000)
SCANNED = {"vcrpy": (50, 150), "cassetter": (150, 450), "respx": (250, 1000), "pytest-httpx2": (250, 1000)}
"""How many distinct requests are played by what compares each with all: two numbers, to extrapolate from."""
MOST_SCANNED = 100
LOADED, LOADED_SLOWLY, MANY_SLOWLY = 1000, 400, 1500
FLOOR = """The floor: of a bare request, httpx2 spends a quarter on building the request and a seventh on the response;
a response that is streamed costs it no more than one that is whole. Of what replay adds at 6 KB, about half is the
transport (the request as a value, the clock, the pieces), the rest finding the answer: a request that equals a recorded
one byte by byte is found by Python's own hash of its bytes, any other by its canonical JSON, which is what `keys
reordered` shows. Microseconds depend on the machine and on what else runs; compare them with the bare ones."""
NAME = Harness.name
"""The row of the tables for which the targets are set."""


class Tapes:
    """What each peer made of so many exchanges of such a size: the file, and what it loaded of it; made once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._kept: dict[tuple[str, int, int], Any] = {}
        self._loaded: dict[tuple[str, int, int], Any] = {}
        self.recording: dict[tuple[str, int], float] = {}

    def kept(self, peer: Peer, count: int, size: int = BODY) -> Any:
        key = peer.tape, count, size
        if key not in self._kept:
            path = self._directory / f"{peer.tape}-{count}-{size}.cassette"
            made = exchanges(count, size)
            start = time.process_time()
            self._kept[key] = peer.record(path, made)
            self.recording[peer.tape, count * size] = time.process_time() - start
        return self._kept[key]

    def loaded(self, peer: Peer, count: int, size: int = BODY) -> Any:
        """Raises `CannotLoadError` where the peer cannot read what it wrote."""
        key = peer.tape, count, size
        if key not in self._loaded:
            self._loaded[key] = peer.load(self.kept(peer, count, size))
        return self._loaded[key]


def exchanges(count: int, size: int = BODY) -> list[Exchange]:
    """Distinct requests, each with its answer."""
    return [Exchange(request_body(number, size), reply(number)) for number in range(count)]


def posting(peer: Peer, loaded: Any, bodies: Sequence[bytes], players: int = 1) -> Subject:
    """Seconds a request, for requests with these bodies, each sent to every player."""

    def subject() -> float:
        sent = [copied(body) for body in bodies] * players
        with ExitStack() as stack:
            clients = [stack.enter_context(peer.playing(loaded)) for _ in range(players)]
            posts = [client.post for client in clients for _ in bodies]
            work = zip(posts, sent, strict=True)
            return cpu_seconds(lambda: [post(URL, content=body, headers=HEADERS) for post, body in work]) / len(sent)

    return subject


def over_bare(tapes: Tapes, peers: Sequence[Peer], count: int, size: int) -> dict[str, float]:
    """Microseconds a request: of the bare transports whole, of the others what they take more.

    Of a cassette that is shorter than the sample there are as many players as make it up; what patches the library can
    play only one, and is left out where that is one request: alone and cold, it would take three times as long.
    """
    bodies = [request_body(number, size) for number in range(0, count, max(count // SAMPLE, 1))]
    subjects, fewer, bare = {}, {}, {}
    for peer in (*BARE.values(), *peers):
        if (peer.scans and count > MOST_SCANNED) or (peer.patches and count == 1):
            continue
        sent = bodies
        if peer.name == SLOWEST:
            sent, fewer[peer.name] = bodies[:: max(len(bodies) // FEW, 1)], SLOW_ROUNDS
        players = 1 if peer.patches else max(SAMPLE // count, 1)
        subjects[peer.name] = posting(peer, tapes.loaded(peer, count, size), sent, players)
        bare[peer.name] = BARE[peer.http].name
    seconds = interleaved(subjects, ROUNDS, fewer)
    return {
        name: (value - (seconds[bare[name]] if bare[name] != name else 0)) * MICRO for name, value in seconds.items()
    }


def overheads(tapes: Tapes, peers: Sequence[Peer]) -> Iterator[str | Target]:
    """Row 1: what one request takes, by the cassette's length and by the body's size."""
    by_count = {count: over_bare(tapes, peers, count, BODY) for count in COUNTS}
    by_size = {size: over_bare(tapes, peers, SIZED_COUNT, size * KILOBYTE) for size in SIZES}
    yield "\nMicroseconds of CPU a request, over its library's bare `MockTransport` (theirs whole; -: unmeasured).\n"
    header = ["6 KB body", *(f"{count:,} interactions" for count in COUNTS)]
    yield table(header, [[name, *(_whole(by_count[count].get(name)) for count in COUNTS)] for name in by_count[100]])
    yield ""
    header = [f"{SIZED_COUNT} interactions", *(f"{size} KB" for size in SIZES)]
    yield table(header, [[name, *(_whole(by_size[size][name]) for size in SIZES)] for name in by_size[6]])
    ours = [by_count[count][NAME] for count in COUNTS]
    yield Target(
        "replay over a bare MockTransport, 6 KB body (µs), worst of 1, 100 and 5,000 interactions", max(ours), 25
    )
    growth = exponent(by_size[60][NAME], by_size[600][NAME], 10)
    yield Target("the same from a body of 60 KB to one of 600 KB: exponent", growth, 1.05)


def distinct(tapes: Tapes, peers: Sequence[Peer]) -> Iterator[str | Target]:
    """Row 2: a session of distinct requests to one URL, client included."""
    rows = []
    for peer in (BARE["httpx2"], *peers):
        few, many = SCANNED.get(peer.name, DISTINCT)
        seconds = _sessions(tapes, peer, (few, many))
        grows = exponent(seconds[few], seconds[many], many / few)
        all_of_them = seconds[many] * (DISTINCT[1] / many) ** grows
        measured = f"{all_of_them:.2f}" if many == DISTINCT[1] else f"about {all_of_them:,.0f}{_refusal(tapes, peer)}"
        rows.append([peer.name, measured, f"{grows:.2f}", f"{few:,} and {many:,}"])
        if peer.name == NAME:
            ours = [
                Target("replay of 5,000 distinct POSTs to one URL, client included (s)", all_of_them, 0.75),
                Target("the same from 1,000 to 5,000: exponent", grows, 1.05),
            ]
    yield "\nCPU seconds for 5,000 distinct requests to one URL, client included; where slow, from fewer.\n"
    yield table(["6 KB body", "seconds for 5,000", "exponent", "measured at"], rows)
    yield from ours


def _sessions(tapes: Tapes, peer: Peer, counts: Sequence[int]) -> dict[int, float]:
    bodies = [request_body(number, BODY) for number in range(max(counts))]
    whole = {str(count): posting(peer, tapes.loaded(peer, count), bodies[:count]) for count in counts}
    medians = interleaved(whole, 5, dict.fromkeys(whole, 1) if peer.scans else {})
    return {count: medians[str(count)] * count for count in counts}


def _refusal(tapes: Tapes, peer: Peer) -> str:
    """What there is to say of a peer that cannot read a cassette of many interactions."""
    try:
        tapes.loaded(peer, MANY_SLOWLY)
    except CannotLoadError:
        return f", but it cannot load {MANY_SLOWLY:,}"
    return ""


def loading(tapes: Tapes, peers: Sequence[Peer]) -> Iterator[str | Target]:
    """Row 3: what an interaction takes to load and index, and to record and save."""
    keepers = {peer: LOADED_SLOWLY if peer.scans else LOADED for peer in peers if peer.keeps_files}
    loads = interleaved({peer.name: _load(tapes, peer, count) for peer, count in keepers.items()}, 9)
    yield "\nMilliseconds an interaction takes to load and index; and to be recorded (client included) and saved.\n"
    rows = []
    for peer in keepers:
        count = LOADED_SLOWLY if peer.scans else DISTINCT[1]
        tapes.kept(peer, count)
        saving = tapes.recording[peer.tape, count * BODY] / count
        rows.append([peer.name, f"{loads[peer.name] * MILLI:.3f}", f"{saving * MILLI:.2f}", f"{count:,}"])
    yield table(["6 KB body", "load and index", "record and save", "recorded"], rows)
    yield Target("load and index, 6 KB interaction (ms)", loads[NAME] * MILLI, 0.05)


def _load(tapes: Tapes, peer: Peer, count: int) -> Subject:
    kept = tapes.kept(peer, count)
    return lambda: cpu_seconds(lambda: peer.load(kept)) / count


def _whole(microseconds: float | None) -> str:
    return "-" if microseconds is None else f"{microseconds:,.0f}"


def streams() -> Iterator[str | Target]:
    """Row 4: a stream through the SDK, beside the same chunks from a bare MockTransport."""
    yield "\nA streamed message through the SDK (`messages.stream`): from a bare `MockTransport`, and replayed.\n"
    measured = streaming.measured()
    yield table(
        ["client", "bare, ms", "replayed, ms", "ratio, median of pairs", "an event in the SDK, µs"],
        [
            [one.client, f"{one.bare:.2f}", f"{one.replayed:.2f}", f"{one.ratio:.3f}", f"{one.event:.0f}"]
            for one in measured
        ],
    )
    yield from (Target(f"a stream through {one.client}, replayed, over bare", one.ratio, 1.05) for one in measured)


def told(line: str | Target) -> str | Target:
    """The line, shown to whoever waits."""
    print(line, file=sys.stderr)
    return line


def report() -> str:
    """All that was measured, as a section of a document."""
    peers = installed()
    with tempfile.TemporaryDirectory() as directory:
        tapes = Tapes(Path(directory))
        parts = (loading(tapes, peers), overheads(tapes, peers), distinct(tapes, peers), streams())
        lines = [told(line) for part in parts for line in part]
    texts = [line for line in lines if isinstance(line, str)]
    targets = [line for line in lines if isinstance(line, Target)]
    used = versions("httpx2", "httpx", "anthropic", *dict.fromkeys(peer.distribution for peer in peers))
    return "\n".join(["## Replay", "", used, "", Target.table(targets), *texts, "", FLOOR])


if __name__ == "__main__":
    publish("replay", report(), __doc__)
