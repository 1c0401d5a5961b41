"""The grammar of a stream: where in it one is, whatever the chunks."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from flag_harness.wire.grammar import (
    POINTS_BY_NAME,
    EventSplitter,
    StreamGap,
    StreamGapTracker,
    event_kind,
    matching_point_names,
    names_of_points_in_stream,
)
from flag_harness.wire.sse import encode_event

LINE_ENDS = st.sampled_from(["\n", "\r", "\r\n"])


def _chunked(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def _events(chunks: list[bytes]) -> tuple[list[bytes], bytes]:
    splitter = EventSplitter()
    return [event for chunk in chunks for event in splitter.feed(chunk)], splitter.incomplete_event


def _start(index: int, block: object) -> bytes:
    return encode_event(
        "content_block_start", json.dumps({"type": "content_block_start", "index": index, **_named(block)})
    )


def _named(block: object) -> dict[str, object]:
    return {"content_block": {"type": block}}


def test_splits_after_the_blank_line() -> None:
    """Two events and the beginning of a third."""
    assert ([b"data: 1\n\n", b"data: 2\n\n"], b"data: 3\n") == _events([b"data: 1\n\ndata: 2\n\ndata: 3\n"])


def test_a_final_cr_waits_for_its_lf() -> None:
    """CR may end a line or begin CRLF; the event ends where both are known."""
    assert ([], b"data: 1\r\n\r") == _events([b"data: 1\r\n\r"])
    assert ([b"data: 1\r\n\r\n"], b"") == _events([b"data: 1\r\n\r", b"\n"])
    assert ([b"data: 1\r\r"], b"x") == _events([b"data: 1\r\r", b"x"])


@given(st.lists(st.sampled_from(["data: 1", "event: x", "", ": note"])), LINE_ENDS, st.lists(st.integers(0, 200)))
def test_chunking_never_matters(lines: list[str], end: str, cuts: list[int]) -> None:
    """Any chunking gives the same events, and no byte is lost."""
    data = "".join(line + end for line in lines).encode()
    events, rest = _events(_chunked(data, cuts))
    assert (events, rest) == _events([data])
    assert data == b"".join(events) + rest


def test_a_kind_is_the_type_of_the_delta_or_of_the_event() -> None:
    """And nothing where neither is a name."""
    assert "text_delta" == event_kind({"type": "content_block_delta", "delta": {"type": "text_delta"}})
    assert "content_block_delta" == event_kind({"type": "content_block_delta", "delta": 3})
    assert "message_delta" == event_kind({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
    assert "" == event_kind({"type": 4})


def test_every_point_is_described() -> None:
    """A name is its key, and the description is a phrase, not a sentence."""
    assert list(POINTS_BY_NAME) == [point.name for point in POINTS_BY_NAME.values()]
    assert [] == [
        point.name for point in POINTS_BY_NAME.values() if not point.description or point.description[-1] == "."
    ]


def test_an_empty_message_has_few_points() -> None:
    """A stop sequence hit at once: no block at all."""
    names = ("message_start", "message_delta", "message_stop")
    events = [encode_event(name, f'{{"type":"{name}"}}') for name in names]
    expected = ("first_event", "before_message_delta", "after_message_delta", "after_message_stop")
    assert expected == names_of_points_in_stream(events)


def test_nothing_has_no_point() -> None:
    """An empty body never comes to its first event."""
    assert () == names_of_points_in_stream([])


def test_a_comment_is_as_good_as_a_ping() -> None:
    """It is no event, and changes nothing but what came last."""
    walk = StreamGapTracker()
    assert StreamGap(next_kind="ping") == walk.advance(b": hello\n\n")
    assert StreamGap(is_after_ping=True) == walk.gap_after_last_event()
    assert ("after_ping",) == matching_point_names(walk.gap_after_last_event())


def test_events_that_cannot_be_read_are_events_of_no_kind() -> None:
    """No JSON, JSON that is no object, JSON nested beyond reason: the walk goes on."""
    for data in ("{", "[1]", "[" * 100_000):
        walk = StreamGapTracker()
        assert "" == walk.advance(encode_event("x", data)).next_kind
        assert StreamGap(previous_kind="unknown") == walk.gap_after_last_event()


def test_blocks_of_no_type_are_unknown() -> None:
    """Whatever stands where the block's type should be."""
    for block in (None, 3, ["text"]):
        walk = StreamGapTracker()
        walk.advance(_start(0, block))
        assert StreamGap(previous_kind="content_block_start", open_block_type="unknown") == walk.gap_after_last_event()
    walk = StreamGapTracker()
    walk.advance(encode_event("content_block_start", '{"type":"content_block_start","content_block":1}'))
    assert "unknown" == walk.gap_after_last_event().open_block_type


def test_a_gap_knows_the_block_around_it() -> None:
    """Open, then closed; the index is that of the open block, then the next one's."""
    walk = StreamGapTracker()
    walk.advance(_start(0, "tool_use"))
    delta = '{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{"}}'
    walk.advance(encode_event("content_block_delta", delta))
    assert (
        StreamGap(previous_kind="input_json_delta", open_block_type="tool_use", has_partial_input=True)
        == walk.gap_after_last_event()
    )
    walk.advance(encode_event("content_block_stop", '{"type":"content_block_stop","index":0}'))
    assert (
        StreamGap(previous_kind="content_block_stop", closed_block_type="tool_use", block_index=1)
        == walk.gap_after_last_event()
    )
    assert ("after_tool_use",) == matching_point_names(walk.gap_after_last_event())


@given(st.lists(st.binary(max_size=40)))
def test_any_bytes_can_be_walked(chunks: list[bytes]) -> None:
    """Garbage has points or not; it never raises."""
    assert set(POINTS_BY_NAME) >= set(names_of_points_in_stream([*chunks, b"\n\n"]))
