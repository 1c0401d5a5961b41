"""Answers that end before they are complete, with a noise or without."""

from typing import Any, Unpack

from flag_harness.faults import checks
from flag_harness.faults.edits import ALL_POINTS, PointContext, StreamChange, make_point_effect
from flag_harness.faults.fault import DueRequest, Effect, fault_kind
from flag_harness.faults.kinds.statuses import asked
from flag_harness.faults.when import ConditionArguments
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Piece, Response


@fault_kind("cut", stream_result="raises httpx2.ReadError", create_result="does not apply", points=ALL_POINTS)
def reset(
    *, at: str = "inside_text", occurrence: int = 1, torn: bool = False, **when: Unpack[ConditionArguments]
) -> Effect:
    """The connection is reset in the middle of the answer; `torn`: after half of the next event."""
    return _ended(at, occurrence, torn, lambda moment: Cut(moment, "reset"))


@fault_kind(
    "cut",
    stream_result="raises httpx2.RemoteProtocolError",
    create_result="does not apply",
    points=ALL_POINTS,
)
def end_of_file(
    *, at: str = "inside_text", occurrence: int = 1, torn: bool = False, **when: Unpack[ConditionArguments]
) -> Effect:
    """The connection closes without the body's last chunk; `torn`: after half of the next event."""
    return _ended(at, occurrence, torn, lambda moment: Cut(moment, "eof"))


@fault_kind(
    "cut",
    stream_result="answers otherwise: content, stop_reason, usage",
    create_result="does not apply",
    points=ALL_POINTS,
)
def clean_end(
    *, at: str = "inside_text", occurrence: int = 1, torn: bool = False, **when: Unpack[ConditionArguments]
) -> Effect:
    """The body ends as if it were complete, and is not; `torn`: after half of the next event."""
    return _ended(at, occurrence, torn, End)


@fault_kind("cut", stream_result="raises AssertionError", create_result="raises json.JSONDecodeError")
def empty_response(**when: Unpack[ConditionArguments]) -> Effect:
    """A 200 without a body. Nothing below the fault is asked."""

    def effect(due: DueRequest) -> Response:
        due.fire()
        streams = asked(due.request).get("stream") is True
        content_type = "text/event-stream; charset=utf-8" if streams else "application/json"
        return (Head(0.0, 200, (("content-type", content_type),)), End(0.0))

    return effect


def _ended(at: str, occurrence: int, torn: bool, last: Any) -> Effect:
    checks.require_optional("torn", torn, bool, "true or false")

    def act(place: PointContext) -> StreamChange | None:
        half = place.event[: len(place.event) // 2] if torn else b""
        changes_nothing = not place.event and (torn or last is End)
        return None if changes_nothing else StreamChange((Chunk(place.at, half), last(place.at)))

    def halved(body: bytes, moment: float) -> tuple[Piece, ...]:
        return (Chunk(moment, body[: len(body) // 2]), last(moment))

    return make_point_effect(at, occurrence, act, halved)
