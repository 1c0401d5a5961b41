"""Connections that break before the answer begins. The request does not reach the upstream."""

from typing import Unpack

from flag_harness.faults import checks
from flag_harness.faults.condition import ConditionArguments
from flag_harness.faults.edits import ALL_POINTS, PointContext, StreamChange, make_effect_at_point
from flag_harness.faults.fault import FaultEffect, FaultyRequest, fault_kind
from flag_harness.wire.timeline import Chunk, Cut, CutKind, Piece, Response

_SDK_RESULT = "raises anthropic.APIConnectionError"


@fault_kind("connection", stream_result=_SDK_RESULT, create_result=_SDK_RESULT, transport_only=True)
def connection_refused(**when: Unpack[ConditionArguments]) -> FaultEffect:
    """The connection is refused. Only a transport can simulate this, a server cannot."""
    return _make_connection_break("refused", 0.0)


@fault_kind("connection", stream_result=_SDK_RESULT, create_result=_SDK_RESULT)
def connection_reset(**when: Unpack[ConditionArguments]) -> FaultEffect:
    """The connection is reset before the answer begins."""
    return _make_connection_break("reset", 0.0)


@fault_kind("connection", stream_result=_SDK_RESULT, create_result=_SDK_RESULT)
def disconnected(**when: Unpack[ConditionArguments]) -> FaultEffect:
    """The server closes the connection without an answer."""
    return _make_connection_break("eof", 0.0)


@fault_kind(
    "connection",
    stream_result="raises anthropic.APITimeoutError",
    create_result="raises anthropic.APITimeoutError",
    points=ALL_POINTS,
    transport_only=True,
)
def read_timeout(
    *, seconds: float = 600, at: str | None = None, occurrence: int = 1, **when: Unpack[ConditionArguments]
) -> FaultEffect:
    """The client's read timeout expires after `seconds`, before the head or at a point.

    Only a transport can simulate this. A server can only fall silent (`stall`); then the client decides when to give
    up. The default, 600 seconds, is that of the SDK.
    """
    late = checks.require_seconds("seconds", seconds)
    if at is None:
        return _make_connection_break("read_timeout", late)

    def cut_stream(point: PointContext) -> StreamChange:
        return StreamChange((Cut(point.time + late, "read_timeout"),))

    def cut_body(data: bytes, moment: float) -> tuple[Piece, ...]:
        return (Chunk(moment, data[: len(data) // 2]), Cut(moment + late, "read_timeout"))

    return make_effect_at_point(at, occurrence, cut_stream, cut_body)


def _make_connection_break(kind: CutKind, seconds: float) -> FaultEffect:
    """Return the effect that the connection breaks `seconds` after the request was sent. `kind` says how it breaks."""

    def break_connection(faulty_request: FaultyRequest) -> Response:
        faulty_request.mark_as_fired()
        return (Cut(seconds, kind),)

    return break_connection
