"""Faulty events: malformed, duplicated, reordered, lost, or of an unknown type."""

import json
import re
from collections.abc import Callable
from typing import Any, Unpack

from flag_harness.faults import checks
from flag_harness.faults.condition import ConditionArguments
from flag_harness.faults.edits import (
    ALL_POINTS,
    STREAM_POINTS,
    AnswerEdit,
    BodyEdit,
    EventEdit,
    PointContext,
    StreamChange,
    make_effect_at_point,
)
from flag_harness.faults.fault import FaultEffect, FaultyRequest, fault_kind
from flag_harness.wire.grammar import POINTS_BY_NAME, StreamGap
from flag_harness.wire.json import decode_json_object
from flag_harness.wire.sse import encode_event
from flag_harness.wire.timeline import Chunk, Edit, End, Piece

_EVENT_DATA_PATTERN = re.compile(rb"data: ?(\{.*\})")
_RESULT_AS_USUAL = "answers as usual"
_NOT_APPLICABLE = "does not apply"
_RESULT_DIFFERS = "answers differently: content"
_POINTS_IN_BLOCKS = tuple(
    name for name in POINTS_BY_NAME if name.startswith(("inside_", "after_block_start", "mid_", "between_th"))
)


@fault_kind("bytes", stream_result="raises json.JSONDecodeError", create_result=_NOT_APPLICABLE, points=ALL_POINTS)
def malformed_json(*, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]) -> FaultEffect:
    """The event after a point has only half of its JSON; with `at=inside_body`, the body does."""

    def halve_event_data(event: bytes) -> bytes:
        return _EVENT_DATA_PATTERN.sub(lambda found: b"data: " + found[1][: len(found[1]) // 2], event)

    def halve_body(data: bytes, moment: float) -> tuple[Piece, ...]:
        return (Chunk(moment, data[: len(data) // 2]), End(moment))

    return make_effect_at_point(at, occurrence, _make_event_replacer(halve_event_data), halve_body)


@fault_kind("bytes", stream_result="raises json.JSONDecodeError", create_result=_NOT_APPLICABLE, points=STREAM_POINTS)
def missing_blank_line(
    *, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]
) -> FaultEffect:
    """The blank line after the next event is missing, so that the two events after a point become one."""
    return make_effect_at_point(
        at, occurrence, _make_event_replacer(lambda event: event[: -2 if event.endswith(b"\r\n") else -1])
    )


@fault_kind("bytes", stream_result=_RESULT_DIFFERS, create_result=_NOT_APPLICABLE, points=STREAM_POINTS)
def duplicated_event(
    *, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]
) -> FaultEffect:
    """The event after a point arrives twice."""
    return make_effect_at_point(at, occurrence, _make_event_replacer(lambda event: event * 2))


@fault_kind("bytes", stream_result=_RESULT_DIFFERS, create_result=_NOT_APPLICABLE, points=STREAM_POINTS)
def reordered_events(
    *, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]
) -> FaultEffect:
    """The two events after a point arrive in the wrong order."""
    return make_effect_at_point(
        at,
        occurrence,
        lambda point: StreamChange((), bytes_after_next_event=point.next_event) if point.next_event else None,
    )


@fault_kind("bytes", stream_result=_RESULT_DIFFERS, create_result=_NOT_APPLICABLE, points=STREAM_POINTS)
def dropped_event(*, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]) -> FaultEffect:
    """The event after a point is lost."""
    return make_effect_at_point(at, occurrence, lambda point: StreamChange(()) if point.next_event else None)


@fault_kind("bytes", stream_result=_RESULT_AS_USUAL, create_result=_NOT_APPLICABLE, points=STREAM_POINTS)
def unknown_event(*, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]) -> FaultEffect:
    """An event of an unknown type arrives at a point."""
    return make_effect_at_point(at, occurrence, _make_event_inserter(lambda gap: {"type": "novelty", "novelty": True}))


@fault_kind("bytes", stream_result=_RESULT_DIFFERS, create_result=_NOT_APPLICABLE)
def unknown_block(**when: Unpack[ConditionArguments]) -> FaultEffect:
    """A content block of an unknown type follows the last block."""

    def insert_unknown_block(point: PointContext) -> StreamChange:
        start = {
            "type": "content_block_start",
            "index": point.gap.block_index,
            "content_block": {"type": "novelty", "novelty": 1},
        }
        events = _encode_json_event(start) + _encode_json_event(
            {"type": "content_block_stop", "index": point.gap.block_index}
        )
        return StreamChange((Chunk(point.time, events + point.next_event),))

    return make_effect_at_point("before_message_delta", 1, insert_unknown_block)


@fault_kind("bytes", stream_result=_RESULT_AS_USUAL, create_result=_NOT_APPLICABLE, points=_POINTS_IN_BLOCKS)
def unknown_delta(*, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]) -> FaultEffect:
    """A delta of an unknown type arrives inside an open content block."""
    checks.require_one_of("at", at, _POINTS_IN_BLOCKS)

    def make_unknown_delta(gap: StreamGap) -> dict[str, Any]:
        change = {"type": "novelty_delta", "novelty": 1}
        return {"type": "content_block_delta", "index": gap.block_index, "delta": change}

    return make_effect_at_point(at, occurrence, _make_event_inserter(make_unknown_delta))


@fault_kind("bytes", stream_result="raises AttributeError", create_result="answers differently: usage")
def missing_usage(*, where: str = "everywhere", **when: Unpack[ConditionArguments]) -> FaultEffect:
    """The usage is missing from `message_start`, from `message_delta`, or everywhere (plain bodies too)."""
    checks.require_one_of("where", where, ("message_start", "message_delta", "everywhere"))

    def remove_usage_from_event(raw: bytes) -> bytes:
        return _EVENT_DATA_PATTERN.sub(lambda found: b"data: " + _remove_usage(found[1], where), raw)

    def remove_usage_from_body(data: bytes, moment: float) -> tuple[Piece, ...] | None:
        changed = _remove_usage(data, where)
        return None if changed == data else (Chunk(moment, changed), End(moment))

    def make_answer_edit(faulty_request: FaultyRequest) -> Edit:
        stream = EventEdit(faulty_request, remove_usage_from_event, "usage")
        return AnswerEdit(
            faulty_request, stream_edit=stream, body_edit=BodyEdit(faulty_request, remove_usage_from_body, "usage")
        )

    return make_answer_edit


def _make_event_replacer(change_event: Callable[[bytes], bytes]) -> Callable[[PointContext], StreamChange | None]:
    """Return a function that replaces the event after a point with `change_event(event)`."""
    return lambda point: (
        StreamChange((Chunk(point.time, change_event(point.next_event)),)) if point.next_event else None
    )


def _make_event_inserter(make_data: Callable[[StreamGap], dict[str, Any]]) -> Callable[[PointContext], StreamChange]:
    """Return a function that inserts an event at a point. `make_data` gets the position in the stream, and returns the
    event as a JSON object.
    """
    return lambda point: StreamChange((Chunk(point.time, _encode_json_event(make_data(point.gap)) + point.next_event),))


def _encode_json_event(data: dict[str, Any]) -> bytes:
    return encode_event(data["type"], json.dumps(data, separators=(",", ":")))


def _remove_usage(data: bytes, where: str) -> bytes:
    """Return a JSON object without `usage`. Other data is returned unchanged.

    `where` is the event type that loses its usage, or `everywhere`.
    """
    found = decode_json_object(data)
    if not found or where not in ("everywhere", found.get("type")):
        return data
    message = found.get("message")
    holder = message if isinstance(message, dict) else found
    if holder.pop("usage", None) is None:
        return data
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
