"""Every stream fault at every point, on recorded streams."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from flag_harness import faults
from flag_harness.wire.grammar import POINTS_BY_NAME, names_of_points_in_stream
from flag_harness.wire.layers import faulty
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response, body

TRAFFIC = Path(__file__).parents[2].parent / "shared" / "traffic" / "interactions.jsonl.gz"
pytestmark = pytest.mark.skipif(not TRAFFIC.exists(), reason=f"no recorded traffic at {TRAFFIC}")
REQUEST = Request("POST", "https://api.anthropic.com/v1/messages", (), b'{"stream": true}')
CHUNK_BYTES = 97


@pytest.fixture(scope="module")
def streams() -> list[bytes]:
    """The bytes of every fourth recorded stream."""
    return list(_streams())[::4]


@pytest.fixture(scope="module")
def sample(streams: list[bytes], deep: bool) -> list[bytes]:
    """The two shortest streams with each point of the grammar; every third stream in a deep run."""
    if deep:
        return streams[::3]
    by_length = [(data, names_of_points_in_stream([data])) for data in sorted(streams, key=len)]
    return list(
        dict.fromkeys(data for point in POINTS_BY_NAME for data in [d for d, had in by_length if point in had][:2])
    )


def _streams() -> Iterator[bytes]:
    with gzip.open(TRAFFIC, "rt", encoding="utf-8") as lines:
        for line in lines:
            data = json.loads(line)["response"]["body"]
            if isinstance(data, str) and data.startswith("event: message_start"):
                yield data.encode()


def _response(data: bytes) -> Response:
    chunks = [Chunk(start / 1000, data[start : start + CHUNK_BYTES]) for start in range(0, len(data), CHUNK_BYTES)]
    return (Head(0.0, 200, (("content-type", "text/event-stream"),)), *chunks, End(len(data) / 1000))


def test_recorded_streams_have_every_point(streams: list[bytes]) -> None:
    """The grammar's names are not inventions: each occurs, most in most streams."""
    met = Counter(name for data in streams for name in names_of_points_in_stream([data]))
    assert set(POINTS_BY_NAME) == set(met)
    everywhere = ("first_event", "before_message_delta", "after_message_delta", "after_message_stop")
    assert [len(streams)] * 4 == [met[name] for name in everywhere]


@pytest.mark.parametrize("kind", [kind for kind in faults.fault_kinds() if kind.points], ids=lambda kind: kind.name)
def test_a_fault_fires_wherever_the_stream_has_its_point(kind: faults.FaultKind, sample: list[bytes]) -> None:
    """It never raises, ends the answer once, and fires but where there is nothing left to change."""
    for data in sample:
        response, had = _response(data), names_of_points_in_stream([data])
        for at in kind.points:
            fault = kind.make_fault(at=at)
            played = faulty(lambda request, response=response: response, fault)(REQUEST)  # type: ignore[misc]
            assert 1 == sum(isinstance(piece, (Cut, End)) for piece in played)
            if at not in had:
                assert (0, data) == (fault.fired, body(played))
            elif fault.fired == 0:
                assert (data, _tail(at)) == (body(played), True)


def _tail(at: str) -> bool:
    """Whether what follows the point may be too little for an event to be changed, duplicated or swapped."""
    return at in {"after_message_stop", "after_message_delta"}


@pytest.mark.parametrize("kind", [kind for kind in faults.fault_kinds() if not kind.points], ids=lambda kind: kind.name)
def test_a_fault_without_points_never_raises(kind: faults.FaultKind, sample: list[bytes]) -> None:
    """On any recorded stream."""
    for data in sample:
        played = faulty(lambda request, data=data: _response(data), kind.make_fault())(REQUEST)  # type: ignore[misc]
        assert 1 == sum(isinstance(piece, (Cut, End)) for piece in played)
