"""Measure replay beside peers: `python benchmarks/replay.py [--write docs/performance.md]`. Takes minutes."""

import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import streaming
from async_requests import measure_async
from conversations import HEADERS, URL, copy_bytes, reply, request_body
from measuring import (
    MICRO,
    MILLI,
    Subject,
    Target,
    cpu_seconds,
    describe_versions,
    growth_exponent,
    markdown_table,
    measure_interleaved,
    publish_section,
)
from peers import BARE, CannotLoadError, Exchange, Harness, Peer, installed_peers

KILOBYTE = 1000
BODY = 6 * KILOBYTE
COUNTS = (1, 100, 5000)
SIZES, SIZED_COUNT = (1, 6, 60, 600), 20
"""Kilobytes of a request's body, and the number of interactions in each of those cassettes."""
SAMPLE, FEW = 100, 3
"""The most requests that are timed together, and the number for peers that compare each with thousands."""
ROUNDS = 15
SLOWEST, SLOW_ROUNDS = "vcrpy", 2
"""The slowest peer decodes the bodies of all recorded requests for each request sent."""
DISTINCT = (1000, 5000)
SCANNED = {"vcrpy": (50, 150), "cassetter": (150, 450), "respx": (250, 1000), "pytest-httpx2": (250, 1000)}
"""For peers that compare a request with all recorded ones: two numbers of distinct requests to extrapolate from."""
MAX_SCANNED = 100
LOADED, LOADED_SLOWLY, MANY_SLOWLY = 1000, 400, 1500
FLOOR = """The floor: of a bare request, httpx2 spends a quarter on building the request and a seventh on the response;
a streamed response costs no more than a complete one. About half of what replay adds at 6 KB is the transport (the
request as a value, the clock, the pieces), the rest is finding the answer: a request whose bytes equal a recorded one's
is found by Python's hash of the bytes, any other by its canonical JSON, which `keys reordered` shows. Microseconds
depend on the machine and its load; compare them with the bare ones."""
NAME = Harness.name
"""The table row that has targets."""


class RecordingCache:
    """Each peer's recordings by number and size of exchanges, and what it loaded from them; made once."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._kept: dict[tuple[str, int, int], Any] = {}
        self._loaded: dict[tuple[str, int, int], Any] = {}
        self.recording: dict[tuple[str, int], float] = {}

    def recorded(self, peer: Peer, count: int, size: int = BODY) -> Any:
        """Return what the peer recorded."""
        key = peer.tape, count, size
        if key not in self._kept:
            path = self._directory / f"{peer.tape}-{count}-{size}.cassette"
            made = exchanges(count, size)
            start = time.process_time()
            self._kept[key] = peer.record(path, made)
            self.recording[peer.tape, count * size] = time.process_time() - start
        return self._kept[key]

    def load(self, peer: Peer, count: int, size: int = BODY) -> Any:
        """Return what the peer loaded. Raise `CannotLoadError` if it cannot read what it wrote."""
        key = peer.tape, count, size
        if key not in self._loaded:
            self._loaded[key] = peer.load(self.recorded(peer, count, size))
        return self._loaded[key]


def exchanges(count: int, size: int = BODY) -> list[Exchange]:
    """Return distinct requests with their answers."""
    return [Exchange(request_body(number, size), reply(number)) for number in range(count)]


def post_subject(peer: Peer, loaded: Any, bodies: Sequence[bytes], players: int = 1) -> Subject:
    """Return a subject that measures seconds per request, sending each body to every player."""

    def subject() -> float:
        sent = [copy_bytes(body) for body in bodies] * players
        with ExitStack() as stack:
            clients = [stack.enter_context(peer.make_client(loaded)) for _ in range(players)]
            posts = [client.post for client in clients for _ in bodies]
            work = zip(posts, sent, strict=True)
            return cpu_seconds(lambda: [post(URL, content=body, headers=HEADERS) for post, body in work]) / len(sent)

    return subject


def measure_overheads(tapes: RecordingCache, peers: Sequence[Peer], count: int, size: int) -> dict[str, float]:
    """Return microseconds per request: the total for bare transports, the excess for the others.

    If a cassette is shorter than the sample, several players make up for it. A peer that patches the library has only
    one player and is left out for a single request, which alone would take three times as long.
    """
    bodies = [request_body(number, size) for number in range(0, count, max(count // SAMPLE, 1))]
    subjects, fewer, bare = {}, {}, {}
    for peer in (*BARE.values(), *peers):
        if (peer.scans and count > MAX_SCANNED) or (peer.patches and count == 1):
            continue
        sent = bodies
        if peer.name == SLOWEST:
            sent, fewer[peer.name] = bodies[:: max(len(bodies) // FEW, 1)], SLOW_ROUNDS
        players = 1 if peer.patches else max(SAMPLE // count, 1)
        subjects[peer.name] = post_subject(peer, tapes.load(peer, count, size), sent, players)
        bare[peer.name] = BARE[peer.http].name
    seconds = measure_interleaved(subjects, ROUNDS, fewer)
    return {
        name: (value - (seconds[bare[name]] if bare[name] != name else 0)) * MICRO for name, value in seconds.items()
    }


def overheads(tapes: RecordingCache, peers: Sequence[Peer]) -> Iterator[str | Target]:
    """Row 1: the cost of one request, by the number of interactions and by the size of the body."""
    by_count = {count: measure_overheads(tapes, peers, count, BODY) for count in COUNTS}
    by_size = {size: measure_overheads(tapes, peers, SIZED_COUNT, size * KILOBYTE) for size in SIZES}
    yield "\nCPU microseconds per request above the library's bare `MockTransport` (its row: total; -: not measured).\n"
    header = ["6 KB body", *(f"{count:,} interactions" for count in COUNTS)]
    yield markdown_table(
        header, [[name, *(_whole(by_count[count].get(name)) for count in COUNTS)] for name in by_count[100]]
    )
    yield ""
    header = [f"{SIZED_COUNT} interactions", *(f"{size} KB" for size in SIZES)]
    yield markdown_table(header, [[name, *(_whole(by_size[size][name]) for size in SIZES)] for name in by_size[6]])
    ours = [by_count[count][NAME] for count in COUNTS]
    yield Target(
        "replay over a bare MockTransport, 6 KB body (µs), worst of 1, 100 and 5,000 interactions", max(ours), 25
    )
    growth = growth_exponent(by_size[60][NAME], by_size[600][NAME], 10)
    yield Target("the same from a body of 60 KB to one of 600 KB: exponent", growth, 1.05)


def async_overheads(tapes: RecordingCache) -> Iterator[str | Target]:
    """Row 1, for an async client."""
    measured = {}
    for count in COUNTS:
        bodies = [request_body(number, BODY) for number in range(0, count, max(count // SAMPLE, 1))]
        cassette = tapes.load(Harness(), count, BODY)
        measured[count] = measure_async(cassette, bodies, reply(0), max(SAMPLE // count, 1))
    yield "\nThe same for an async client (`httpx2.AsyncClient`).\n"
    rows = [
        ["bare httpx2.MockTransport", *(_whole(measured[count][0]) for count in COUNTS)],
        [NAME, *(_whole(measured[count][1]) for count in COUNTS)],
    ]
    yield markdown_table(["6 KB body", *(f"{count:,} interactions" for count in COUNTS)], rows)
    worst = max(excess for _, excess in measured.values())
    yield Target("the same from an async client (µs), worst of 1, 100 and 5,000 interactions", worst, 40)


def distinct_requests(tapes: RecordingCache, peers: Sequence[Peer]) -> Iterator[str | Target]:
    """Row 2: a session of distinct requests to one URL, client included."""
    rows = []
    for peer in (BARE["httpx2"], *peers):
        few, many = SCANNED.get(peer.name, DISTINCT)
        seconds = _sessions(tapes, peer, (few, many))
        growth = growth_exponent(seconds[few], seconds[many], many / few)
        total = seconds[many] * (DISTINCT[1] / many) ** growth
        measured = f"{total:.2f}" if many == DISTINCT[1] else f"about {total:,.0f}{_refusal(tapes, peer)}"
        rows.append([peer.name, measured, f"{growth:.2f}", f"{few:,} and {many:,}"])
        if peer.name == NAME:
            ours = [
                Target("replay of 5,000 distinct POSTs to one URL, client included (s)", total, 0.75),
                Target("the same from 1,000 to 5,000: exponent", growth, 1.05),
            ]
    yield "\nCPU seconds for 5,000 distinct requests to one URL, client included; extrapolated for slow peers.\n"
    yield markdown_table(["6 KB body", "seconds for 5,000", "exponent", "measured at"], rows)
    yield from ours


def _sessions(tapes: RecordingCache, peer: Peer, counts: Sequence[int]) -> dict[int, float]:
    bodies = [request_body(number, BODY) for number in range(max(counts))]
    whole = {str(count): post_subject(peer, tapes.load(peer, count), bodies[:count]) for count in counts}
    medians = measure_interleaved(whole, 5, dict.fromkeys(whole, 1) if peer.scans else {})
    return {count: medians[str(count)] * count for count in counts}


def _refusal(tapes: RecordingCache, peer: Peer) -> str:
    """Return a note for a peer that cannot read a cassette with many interactions, or an empty string."""
    try:
        tapes.load(peer, MANY_SLOWLY)
    except CannotLoadError:
        return f", but it cannot load {MANY_SLOWLY:,}"
    return ""


def loading(tapes: RecordingCache, peers: Sequence[Peer]) -> Iterator[str | Target]:
    """Row 3: the time to load and index an interaction, and to record and save one."""
    keepers = {peer: LOADED_SLOWLY if peer.scans else LOADED for peer in peers if peer.keeps_files}
    loads = measure_interleaved({peer.name: _load(tapes, peer, count) for peer, count in keepers.items()}, 9)
    yield "\nMilliseconds per interaction to load and index, and to record (client included) and save.\n"
    rows = []
    for peer in keepers:
        count = LOADED_SLOWLY if peer.scans else DISTINCT[1]
        tapes.recorded(peer, count)
        saving = tapes.recording[peer.tape, count * BODY] / count
        rows.append([peer.name, f"{loads[peer.name] * MILLI:.3f}", f"{saving * MILLI:.2f}", f"{count:,}"])
    yield markdown_table(["6 KB body", "load and index", "record and save", "recorded"], rows)
    yield Target("load and index, 6 KB interaction (ms)", loads[NAME] * MILLI, 0.05)


def _load(tapes: RecordingCache, peer: Peer, count: int) -> Subject:
    recorded = tapes.recorded(peer, count)
    return lambda: cpu_seconds(lambda: peer.load(recorded)) / count


def _whole(microseconds: float | None) -> str:
    return "-" if microseconds is None else f"{microseconds:,.0f}"


def streams() -> Iterator[str | Target]:
    """Row 4: a stream through the SDK, beside the same chunks from a bare MockTransport."""
    yield "\nA streamed message through the SDK (`messages.stream`): from a bare `MockTransport`, and replayed.\n"
    measured = streaming.measure_streams()
    yield markdown_table(
        ["client", "bare, ms", "replayed, ms", "ratio, median of pairs", "an event in the SDK, µs"],
        [
            [one.client, f"{one.bare:.2f}", f"{one.replayed:.2f}", f"{one.ratio:.3f}", f"{one.event:.0f}"]
            for one in measured
        ],
    )
    yield from (Target(f"a stream through {one.client}, replayed, over bare", one.ratio, 1.05) for one in measured)


def print_line(line: str | Target) -> str | Target:
    """Print the line for whoever waits, and return it."""
    print(line, file=sys.stderr)
    return line


def report() -> str:
    """Return all measurements as a section of a document."""
    peers = installed_peers()
    with tempfile.TemporaryDirectory() as directory:
        tapes = RecordingCache(Path(directory))
        parts = (
            loading(tapes, peers),
            overheads(tapes, peers),
            async_overheads(tapes),
            distinct_requests(tapes, peers),
            streams(),
        )
        lines = [print_line(line) for part in parts for line in part]
    texts = [line for line in lines if isinstance(line, str)]
    targets = [line for line in lines if isinstance(line, Target)]
    used = describe_versions("httpx2", "httpx", "anthropic", *dict.fromkeys(peer.distribution for peer in peers))
    return "\n".join(["## Replay", "", used, "", Target.markdown_table(targets), *texts, "", FLOOR])


if __name__ == "__main__":
    publish_section("replay", report(), __doc__)
