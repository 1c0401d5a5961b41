"""Connections that break before an answer has come. Nothing below the fault is asked."""

from typing import Unpack

from flag_harness.faults import checks
from flag_harness.faults.edits import ALL_POINTS, PointContext, StreamChange, make_point_effect
from flag_harness.faults.fault import DueRequest, Effect, fault_kind
from flag_harness.faults.when import ConditionArguments
from flag_harness.wire.timeline import Chunk, Cut, CutKind, Piece, Response

_BROKEN = "raises anthropic.APIConnectionError"


@fault_kind("connection", stream_result=_BROKEN, create_result=_BROKEN, transport_only=True)
def connection_refused(**when: Unpack[ConditionArguments]) -> Effect:
    """Nobody listens. Only a transport can play it: a server that answers is there."""
    return _broken("refused", 0.0)


@fault_kind("connection", stream_result=_BROKEN, create_result=_BROKEN)
def connection_reset(**when: Unpack[ConditionArguments]) -> Effect:
    """The connection is reset before an answer has come."""
    return _broken("reset", 0.0)


@fault_kind("connection", stream_result=_BROKEN, create_result=_BROKEN)
def disconnected(**when: Unpack[ConditionArguments]) -> Effect:
    """The server closes the connection without an answer."""
    return _broken("eof", 0.0)


@fault_kind(
    "connection",
    stream_result="raises anthropic.APITimeoutError",
    create_result="raises anthropic.APITimeoutError",
    points=ALL_POINTS,
    transport_only=True,
)
def read_timeout(
    *, seconds: float = 600, at: str | None = None, occurrence: int = 1, **when: Unpack[ConditionArguments]
) -> Effect:
    """The client's read timeout runs out after `seconds`: before the head, or at a point. Only a transport can play it.

    A server can but fall silent (`stall`); when that times out is the client's affair. 600 is the SDK's default.
    """
    late = checks.require_seconds("seconds", seconds)
    if at is None:
        return _broken("read_timeout", late)

    def act(place: PointContext) -> StreamChange:
        return StreamChange((Cut(place.at + late, "read_timeout"),))

    def body(data: bytes, moment: float) -> tuple[Piece, ...]:
        return (Chunk(moment, data[: len(data) // 2]), Cut(moment + late, "read_timeout"))

    return make_point_effect(at, occurrence, act, body)


def _broken(how: CutKind, moment: float) -> Effect:
    def effect(due: DueRequest) -> Response:
        due.fire()
        return (Cut(moment, how),)

    return effect
