"""Answers that end before they are complete, with or without an error."""

from typing import Any, Unpack

from flag_harness.faults import checks
from flag_harness.faults.condition import ConditionArguments
from flag_harness.faults.edits import ALL_POINTS, PointContext, StreamChange, make_effect_at_point
from flag_harness.faults.fault import FaultEffect, FaultyRequest, fault_kind
from flag_harness.wire.aws_frames import AWS_STREAM_CONTENT_TYPE as AWS_CONTENT_TYPE
from flag_harness.wire.json import decode_json_object
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Piece, Response


@fault_kind("cut", stream_result="raises httpx2.ReadError", create_result="does not apply", points=ALL_POINTS)
def reset(
    *, at: str = "inside_text", occurrence: int = 1, torn: bool = False, **when: Unpack[ConditionArguments]
) -> FaultEffect:
    """The connection is reset in the middle of the answer. `torn`: half of the next event still arrives."""
    return _make_early_end(at, occurrence, torn, lambda moment: Cut(moment, "reset"))


@fault_kind(
    "cut",
    stream_result="raises httpx2.RemoteProtocolError",
    create_result="does not apply",
    points=ALL_POINTS,
)
def end_of_file(
    *, at: str = "inside_text", occurrence: int = 1, torn: bool = False, **when: Unpack[ConditionArguments]
) -> FaultEffect:
    """The connection closes before the body's last chunk. `torn`: half of the next event still arrives."""
    return _make_early_end(at, occurrence, torn, lambda moment: Cut(moment, "eof"))


@fault_kind(
    "cut",
    stream_result="answers differently: content, stop_reason, usage",
    create_result="does not apply",
    points=ALL_POINTS,
)
def clean_end(
    *, at: str = "inside_text", occurrence: int = 1, torn: bool = False, **when: Unpack[ConditionArguments]
) -> FaultEffect:
    """The body ends early, as if it were complete. `torn`: half of the next event still arrives."""
    return _make_early_end(at, occurrence, torn, End)


@fault_kind("cut", stream_result="raises AssertionError", create_result="raises json.JSONDecodeError")
def empty_response(**when: Unpack[ConditionArguments]) -> FaultEffect:
    """The answer is a 200 without a body. The request does not reach the upstream."""

    def answer_without_body(faulty_request: FaultyRequest) -> Response:
        faulty_request.mark_as_fired()
        streams = decode_json_object(faulty_request.request.body).get("stream") is True
        content_type = "text/event-stream; charset=utf-8" if streams else "application/json"
        if faulty_request.request.path.partition("?")[0].endswith("/invoke-with-response-stream"):
            content_type = AWS_CONTENT_TYPE
        return (Head(0.0, 200, (("content-type", content_type),)), End(0.0))

    return answer_without_body


def _make_early_end(at: str, occurrence: int, torn: bool, make_last_piece: Any) -> FaultEffect:
    """Return the effect that an answer ends at a point, with a `Cut` or an `End` that `make_last_piece` makes.

    The answer ends when the point `at` is reached for the `occurrence`-th time. If `torn` is true, half of the next
    event still arrives.
    """
    checks.require_type_or_none("torn", torn, bool, "true or false")

    def end_stream(point: PointContext) -> StreamChange | None:
        half = point.next_event[: len(point.next_event) // 2] if torn else b""
        is_unchanged = not point.next_event and (torn or make_last_piece is End)
        return None if is_unchanged else StreamChange((Chunk(point.time, half), make_last_piece(point.time)))

    def end_body(body: bytes, moment: float) -> tuple[Piece, ...]:
        return (Chunk(moment, body[: len(body) // 2]), make_last_piece(moment))

    return make_effect_at_point(at, occurrence, end_stream, end_body)
