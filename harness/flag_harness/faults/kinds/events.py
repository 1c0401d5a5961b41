"""Events that are not what they should be: malformed, doubled, out of order, lost, or of a kind from the future."""

import json
import re
from collections.abc import Callable
from typing import Any, Unpack

from flag_harness.faults import checks
from flag_harness.faults.edits import (
    ALL_POINTS,
    STREAM_POINTS,
    AnswerEdit,
    BodyEdit,
    EventEdit,
    PointContext,
    StreamChange,
    make_point_effect,
)
from flag_harness.faults.fault import DueRequest, Effect, fault_kind
from flag_harness.faults.when import ConditionArguments
from flag_harness.wire.grammar import POINTS, Gap
from flag_harness.wire.sse import encode_event
from flag_harness.wire.timeline import Chunk, Edit, End, Piece

_DATA = re.compile(rb"data: ?(\{.*\})")
_AS_EVER = "answers as ever"
_NO_STREAM = "does not apply"
_OTHERWISE = "answers otherwise: content"
_IN_A_BLOCK = tuple(name for name in POINTS if name.startswith(("inside_", "after_block_start", "mid_", "between_th")))


@fault_kind("bytes", stream_result="raises json.JSONDecodeError", create_result=_NO_STREAM, points=ALL_POINTS)
def malformed_json(*, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]) -> Effect:
    """The event after a point holds only half of its JSON; `at=inside_body`, the body does."""

    def halved(event: bytes) -> bytes:
        return _DATA.sub(lambda found: b"data: " + found[1][: len(found[1]) // 2], event)

    def body(data: bytes, moment: float) -> tuple[Piece, ...]:
        return (Chunk(moment, data[: len(data) // 2]), End(moment))

    return make_point_effect(at, occurrence, _changed(halved), body)


@fault_kind("bytes", stream_result="raises json.JSONDecodeError", create_result=_NO_STREAM, points=STREAM_POINTS)
def missing_blank_line(*, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]) -> Effect:
    """The blank line after the next event is missing, so that it and the one behind it are one event."""
    return make_point_effect(at, occurrence, _changed(lambda event: event[: -2 if event.endswith(b"\r\n") else -1]))


@fault_kind("bytes", stream_result=_OTHERWISE, create_result=_NO_STREAM, points=STREAM_POINTS)
def duplicated_event(*, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]) -> Effect:
    """The event after a point comes twice."""
    return make_point_effect(at, occurrence, _changed(lambda event: event * 2))


@fault_kind("bytes", stream_result=_OTHERWISE, create_result=_NO_STREAM, points=STREAM_POINTS)
def reordered_events(*, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]) -> Effect:
    """The two events after a point come in each other's place."""
    return make_point_effect(at, occurrence, lambda place: StreamChange((), held=place.event) if place.event else None)


@fault_kind("bytes", stream_result=_OTHERWISE, create_result=_NO_STREAM, points=STREAM_POINTS)
def dropped_event(*, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]) -> Effect:
    """The event after a point is lost."""
    return make_point_effect(at, occurrence, lambda place: StreamChange(()) if place.event else None)


@fault_kind("bytes", stream_result=_AS_EVER, create_result=_NO_STREAM, points=STREAM_POINTS)
def unknown_event(*, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]) -> Effect:
    """An event of a kind that no client knows yet comes in between."""
    return make_point_effect(at, occurrence, _inserted(lambda gap: {"type": "novelty", "novelty": True}))


@fault_kind("bytes", stream_result=_OTHERWISE, create_result=_NO_STREAM)
def unknown_block(**when: Unpack[ConditionArguments]) -> Effect:
    """A whole content block of an unknown type follows the last one."""

    def act(place: PointContext) -> StreamChange:
        start = {
            "type": "content_block_start",
            "index": place.gap.index,
            "content_block": {"type": "novelty", "novelty": 1},
        }
        events = _event(start) + _event({"type": "content_block_stop", "index": place.gap.index})
        return StreamChange((Chunk(place.at, events + place.event),))

    return make_point_effect("before_message_delta", 1, act)


@fault_kind("bytes", stream_result=_AS_EVER, create_result=_NO_STREAM, points=_IN_A_BLOCK)
def unknown_delta(*, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]) -> Effect:
    """A delta of an unknown type comes in an open block."""
    checks.require_one_of("at", at, _IN_A_BLOCK)

    def delta(gap: Gap) -> dict[str, Any]:
        change = {"type": "novelty_delta", "novelty": 1}
        return {"type": "content_block_delta", "index": gap.index, "delta": change}

    return make_point_effect(at, occurrence, _inserted(delta))


@fault_kind("bytes", stream_result="raises AttributeError", create_result="answers otherwise: usage")
def missing_usage(*, where: str = "everywhere", **when: Unpack[ConditionArguments]) -> Effect:
    """The answer states no usage: in `message_start`, in `message_delta`, or everywhere (a plain body included)."""
    checks.require_one_of("where", where, ("message_start", "message_delta", "everywhere"))

    def event(raw: bytes) -> bytes:
        return _DATA.sub(lambda found: b"data: " + _without_usage(found[1], where), raw)

    def body(data: bytes, moment: float) -> tuple[Piece, ...] | None:
        changed = _without_usage(data, where)
        return None if changed == data else (Chunk(moment, changed), End(moment))

    def effect(due: DueRequest) -> Edit:
        return AnswerEdit(due, stream=EventEdit(due, event, "usage"), body=BodyEdit(due, body, "usage"))

    return effect


def _changed(change: Callable[[bytes], bytes]) -> Callable[[PointContext], StreamChange | None]:
    return lambda place: StreamChange((Chunk(place.at, change(place.event)),)) if place.event else None


def _inserted(data: Callable[[Gap], dict[str, Any]]) -> Callable[[PointContext], StreamChange]:
    return lambda place: StreamChange((Chunk(place.at, _event(data(place.gap)) + place.event),))


def _event(data: dict[str, Any]) -> bytes:
    return encode_event(data["type"], json.dumps(data, separators=(",", ":")))


def _without_usage(data: bytes, where: str) -> bytes:
    """The JSON without its usage, or as it is where it has none (or is no JSON)."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return data
    if not isinstance(found, dict) or where not in ("everywhere", found.get("type")):
        return data
    message = found.get("message")
    holder = message if isinstance(message, dict) else found
    if holder.pop("usage", None) is None:
        return data
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()
