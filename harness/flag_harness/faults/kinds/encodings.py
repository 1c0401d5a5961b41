"""Correct events in unusual bytes: line ends, a byte order mark, invalid or split UTF-8, a wrong content type."""

import re
from dataclasses import replace
from typing import Unpack

from flag_harness.faults import checks
from flag_harness.faults.condition import ConditionArguments
from flag_harness.faults.edits import (
    STREAM_POINTS,
    AnswerEdit,
    ChunkEdit,
    EventEdit,
    PointContext,
    StreamChange,
    make_effect_at_point,
    remove_headers,
)
from flag_harness.faults.fault import FaultEffect, FaultyRequest, fault_kind
from flag_harness.wire.timeline import Chunk, Edit, Head

_RESULT_AS_USUAL = "answers as usual"
_NOT_APPLICABLE = "does not apply"
_LINE_END_PATTERN = re.compile(rb"\r\n|\r|\n")
_LINE_ENDS = {"cr": b"\r", "crlf": b"\r\n"}
_FIRST_BYTE_OF_LONG_CHARACTER_PATTERN = re.compile(rb"(?<=[\xc2-\xf4])(?=[\x80-\xbf])")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@fault_kind("encoding", stream_result=_RESULT_AS_USUAL, create_result=_NOT_APPLICABLE)
def line_ends(*, kind: str = "crlf", **when: Unpack[ConditionArguments]) -> FaultEffect:
    """The lines of the stream end with CRLF (`crlf`) or CR (`cr`). The specification allows both."""
    end = _LINE_ENDS[checks.require_one_of("kind", kind, _LINE_ENDS)]
    return lambda faulty_request: AnswerEdit(
        faulty_request,
        stream_edit=EventEdit(faulty_request, lambda event: _LINE_END_PATTERN.sub(lambda _: end, event), "line"),
        only_sse=True,
    )


@fault_kind("encoding", stream_result="raises AssertionError", create_result=_RESULT_AS_USUAL)
def byte_order_mark(**when: Unpack[ConditionArguments]) -> FaultEffect:
    """The body begins with a byte order mark."""

    def make_answer_edit(faulty_request: FaultyRequest) -> Edit:
        left = [_BYTE_ORDER_MARK]

        def add_byte_order_mark(chunk: Chunk) -> list[Chunk]:
            return [replace(chunk, data=left.pop() + chunk.data)] if left else [chunk]

        edit = ChunkEdit(faulty_request, add_byte_order_mark, "first byte")
        return AnswerEdit(faulty_request, stream_edit=edit, body_edit=edit, only_sse=True)

    return make_answer_edit


@fault_kind("encoding", stream_result="raises UnicodeDecodeError", create_result=_NOT_APPLICABLE, points=STREAM_POINTS)
def invalid_utf8(*, at: str = "inside_text", occurrence: int = 1, **when: Unpack[ConditionArguments]) -> FaultEffect:
    """The last string in the event after a point contains a byte that is not valid UTF-8."""

    def insert_invalid_byte(point: PointContext) -> StreamChange | None:
        before, quote, after = point.next_event.rpartition(b'"')
        return StreamChange((Chunk(point.time, before + b"\xff" + quote + after),)) if quote else None

    return make_effect_at_point(at, occurrence, insert_invalid_byte)


@fault_kind("encoding", stream_result=_RESULT_AS_USUAL, create_result=_RESULT_AS_USUAL)
def split_utf8(**when: Unpack[ConditionArguments]) -> FaultEffect:
    """Every character that has more than one byte is split over two chunks."""

    def split_characters(chunk: Chunk) -> list[Chunk]:
        return [replace(chunk, data=data) for data in _FIRST_BYTE_OF_LONG_CHARACTER_PATTERN.split(chunk.data)]

    def make_answer_edit(faulty_request: FaultyRequest) -> Edit:
        edit = ChunkEdit(faulty_request, split_characters, "character of more than one byte")
        return AnswerEdit(faulty_request, stream_edit=edit, body_edit=edit, only_sse=True)

    return make_answer_edit


@fault_kind("encoding", stream_result=_RESULT_AS_USUAL, create_result=_RESULT_AS_USUAL)
def wrong_content_type(*, content_type: str = "text/html", **when: Unpack[ConditionArguments]) -> FaultEffect:
    """The answer is correct, but its head names another content type."""
    checks.require_header_text("content_type", content_type)

    def make_answer_edit(faulty_request: FaultyRequest) -> Edit:
        def replace_content_type(piece: object) -> tuple[object, ...]:
            if not isinstance(piece, Head):
                return (piece,)
            faulty_request.mark_as_fired()
            return (
                replace(
                    piece, headers=(("content-type", content_type), *remove_headers(piece.headers, "content-type"))
                ),
            )

        return replace_content_type  # type: ignore[return-value]

    return make_answer_edit
