"""An `error` event in a stream that began with status 200: the API gives up halfway."""

import json
from typing import Unpack

from flag_harness.faults import checks
from flag_harness.faults.condition import ConditionArguments
from flag_harness.faults.edits import STREAM_POINTS, PointContext, StreamChange, make_effect_at_point
from flag_harness.faults.fault import FaultEffect, fault_kind
from flag_harness.faults.kinds.statuses import request_id
from flag_harness.wire.sse import encode_event
from flag_harness.wire.timeline import Chunk, End

_MAX_PADDING = 15
"""The API writes 0 to 15 spaces, each number equally often, before the last brace of every event except a ping."""
MESSAGE_BY_ERROR_TYPE = {
    "overloaded_error": "Overloaded",
    "rate_limit_error": "This request would exceed your organization's rate limit of 50,000 input tokens per minute.",
    "api_error": "Internal server error",
    "timeout_error": "Request timed out",
    "invalid_request_error": "Output blocked by content filtering policy",
    "authentication_error": "invalid x-api-key",
    "permission_error": "Your API key does not have permission to use the specified resource.",
    "not_found_error": "Not found",
    "request_too_large": "Request exceeds the maximum size",
}
"""The API's message for each type of error."""


@fault_kind(
    "stream_error",
    stream_result="raises anthropic.APIStatusError",
    create_result="does not apply",
    points=STREAM_POINTS,
)
def stream_error(
    *,
    kind: str = "overloaded_error",
    at: str = "inside_text",
    occurrence: int = 1,
    message: str | None = None,
    padding: int | None = None,
    with_request_id: bool = False,
    **when: Unpack[ConditionArguments],
) -> FaultEffect:
    """An `error` event arrives at a point, and the stream ends without `message_stop`.

    `padding` is the number of spaces before the last brace of the event, 0 to 15; by default it is random. With
    `with_request_id`, the event has a request id, as some of these events do.
    """
    checks.require_one_of("kind", kind, MESSAGE_BY_ERROR_TYPE)
    checks.require_type_or_none("with_request_id", with_request_id, bool, "true or false")
    if padding is not None and not 0 <= checks.require_whole_number("padding", padding, minimum=0) <= _MAX_PADDING:
        raise checks.argument_error("padding", padding, f"a whole number from 0 to {_MAX_PADDING}")
    text = MESSAGE_BY_ERROR_TYPE[kind] if message is None else checks.require_nonempty_text("message", message)

    def send_error_event(point: PointContext) -> StreamChange:
        spaces = point.random.randint(0, _MAX_PADDING) if padding is None else padding
        error: dict[str, object] = {
            "type": "error",
            "error": {"details": None, "type": kind, "message": text},
        }
        if with_request_id:
            error["request_id"] = request_id(point.random)
        data = json.dumps(error, separators=(",", ":"), ensure_ascii=False)
        event = encode_event("error", data[:-1] + " " * spaces + "}")
        return StreamChange((Chunk(point.time, event), End(point.time)))

    return make_effect_at_point(at, occurrence, send_error_event)
