"""Server-sent events, judged by vectors of independent suites."""

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.wire.sse import ServerSentEvent, decode_events, encode_event

VECTORS = Path(__file__).parents[3] / "shared" / "sse-vectors.json"


def _events(chunks: list[bytes]) -> list[dict[str, str]]:
    return [{"event": event.event, "data": event.data, "id": event.id} for event in decode_events(chunks)]


@pytest.mark.skipif(not VECTORS.exists(), reason="the vectors stand beside the project, not in it")
def test_every_vector_gives_its_events_however_it_is_chunked() -> None:
    """As chunked in the suite, byte by byte, and in one piece."""
    for vector in json.loads(VECTORS.read_text()):
        chunks = [base64.b64decode(chunk) for chunk in vector["chunks_base64"]]
        whole = b"".join(chunks)
        for chunking in (chunks, [bytes([byte]) for byte in whole], [whole]):
            assert vector["events"] == _events(chunking), vector["name"]


@given(
    st.lists(st.sampled_from([b"data: a", b"event: b", b"\r", b"\n", b"\r\n", b":", b"id: 1", b"\xc3\xa9"])), st.data()
)
def test_chunking_changes_nothing(parts: list[bytes], data: st.DataObject) -> None:
    """Whatever the bytes, cutting them elsewhere gives the same events."""
    whole = b"".join(parts)
    cut = data.draw(st.integers(0, len(whole)))
    assert _events([whole]) == _events([whole[:cut], whole[cut:]])


def test_a_line_feed_after_a_crlf_that_was_split_ends_a_line_of_its_own() -> None:
    """Only the line feed right after the carriage return belongs to it."""
    assert [ServerSentEvent("message", "a")] == list(decode_events([b"data: a\r", b"\n", b"\n"]))


def test_a_leading_byte_order_mark_is_dropped_and_a_later_one_kept() -> None:
    """As the specification asks."""
    assert [ServerSentEvent("message", "\ufeffa")] == list(decode_events([b"\xef\xbb", b"\xbfdata: \xef\xbb\xbfa\n\n"]))


def test_an_event_is_written_as_the_api_writes_it() -> None:
    """Two lines and a blank one."""
    assert encode_event("ping", '{"type": "ping"}') == b'event: ping\ndata: {"type": "ping"}\n\n'
