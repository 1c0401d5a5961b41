"""Answers that arrive late: as a whole, from a point on, or a few bytes at a time. No code sleeps here."""

from dataclasses import replace
from typing import Unpack

from flag_harness.faults import checks
from flag_harness.faults.condition import ConditionArguments
from flag_harness.faults.edits import STREAM_POINTS, ChunkEdit, PointContext, StreamChange, make_effect_at_point
from flag_harness.faults.fault import FaultEffect, FaultyRequest, fault_kind
from flag_harness.wire.sse import encode_event
from flag_harness.wire.timeline import Chunk, Cut, Edit, End, Piece

PING_EVENT = encode_event("ping", '{"type": "ping"}')
"""A ping as the API writes it. No other event has a space after the colon in its JSON, and a ping is never padded."""


@fault_kind("stall", stream_result="answers as usual, late", create_result="answers as usual, late")
def slow_start(*, seconds: float = 60, **when: Unpack[ConditionArguments]) -> FaultEffect:
    """Nothing arrives for `seconds`, then the whole answer arrives."""
    late = checks.require_seconds("seconds", seconds)

    def delay_answer(faulty_request: FaultyRequest) -> Edit:
        faulty_request.mark_as_fired()
        return lambda piece: (replace(piece, at=piece.at + late),)

    return delay_answer


@fault_kind("stall", stream_result="answers as usual, late", create_result="does not apply", points=STREAM_POINTS)
def stall(
    *, seconds: float = 60, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]
) -> FaultEffect:
    """The stream is silent for `seconds` at a point, then goes on."""
    late = checks.require_seconds("seconds", seconds)
    return make_effect_at_point(
        at, occurrence, lambda point: StreamChange((Chunk(point.time + late, point.next_event),), later_delay=late)
    )


@fault_kind(
    "stall",
    stream_result="answers differently: content, stop_reason, usage, late",
    create_result="does not apply",
    points=STREAM_POINTS,
)
def ping_only(
    *,
    at: str = "before_first_block",
    occurrence: int = 1,
    count: int = 40,
    interval: float = 15,
    then: str = "end",
    **when: Unpack[ConditionArguments],
) -> FaultEffect:
    """From a point on, only pings arrive: `count` pings, `interval` seconds apart.

    `then` says what follows: the stream ends cleanly (`end`), is cut (`reset`), or goes on (`resume`).
    """
    checks.require_whole_number("count", count)
    checks.require_seconds("interval", interval)
    checks.require_one_of("then", then, ("end", "reset", "resume"))

    def send_pings(point: PointContext) -> StreamChange:
        pings = tuple(Chunk(point.time + interval * nth, PING_EVENT) for nth in range(1, count + 1))
        late = interval * count
        moment = point.time + late
        last: Piece = End(moment)
        if then == "reset":
            last = Cut(moment, "reset")
        elif then == "resume":
            last = Chunk(moment, point.next_event)
        return StreamChange((*pings, last), later_delay=late)

    return make_effect_at_point(at, occurrence, send_pings)


@fault_kind("stall", stream_result="answers as usual, late", create_result="answers as usual, late")
def trickle(*, size: int = 1, interval: float = 0.05, **when: Unpack[ConditionArguments]) -> FaultEffect:
    """The body arrives in chunks of at most `size` bytes, `interval` seconds apart."""
    checks.require_whole_number("size", size)
    checks.require_seconds("interval", interval)

    def split_chunk(chunk: Chunk) -> list[Chunk]:
        starts = range(0, len(chunk.data), size)
        return [
            Chunk(chunk.at + interval * nth, chunk.data[start : start + size])
            for nth, start in enumerate(starts, start=1)
        ]

    return lambda faulty_request: ChunkEdit(faulty_request, split_chunk, f"chunk of more than {size} bytes")
