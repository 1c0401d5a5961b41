"""Everything that goes wrong on this API, on any upstream, at any point: `faulty(upstream, overloaded(on=2))`."""

from flag_harness.faults.errors import FaultBroken, FaultError
from flag_harness.faults.fault import Fault, Kind, check_combinations, never_fired
from flag_harness.faults.kinds.clients import misleading, misled, refused_keyword
from flag_harness.faults.kinds.connections import connection_refused, connection_reset, disconnected, read_timeout
from flag_harness.faults.kinds.cuts import clean_end, empty_response, end_of_file, reset
from flag_harness.faults.kinds.encodings import byte_order_mark, invalid_utf8, line_ends, split_utf8, wrong_content_type
from flag_harness.faults.kinds.events import (
    dropped_event,
    duplicated_event,
    malformed_json,
    missing_blank_line,
    missing_usage,
    reordered_events,
    unknown_block,
    unknown_delta,
    unknown_event,
)
from flag_harness.faults.kinds.stalls import ping_only, slow_start, stall, trickle
from flag_harness.faults.kinds.statuses import (
    bad_gateway,
    bad_request,
    beta_rejected,
    forbidden,
    gateway_timeout,
    not_found,
    overloaded,
    parameter_rejected,
    rate_limited,
    server_error,
    too_large,
    unauthorized,
    unavailable,
)
from flag_harness.faults.kinds.stream_errors import stream_error
from flag_harness.faults.table import KINDS, table
from flag_harness.faults.text import parse

__all__ = [
    "KINDS",
    "Fault",
    "FaultBroken",
    "FaultError",
    "Kind",
    "bad_gateway",
    "bad_request",
    "beta_rejected",
    "byte_order_mark",
    "check_combinations",
    "clean_end",
    "connection_refused",
    "connection_reset",
    "disconnected",
    "dropped_event",
    "duplicated_event",
    "empty_response",
    "end_of_file",
    "forbidden",
    "gateway_timeout",
    "invalid_utf8",
    "line_ends",
    "malformed_json",
    "misleading",
    "misled",
    "missing_blank_line",
    "missing_usage",
    "never_fired",
    "not_found",
    "overloaded",
    "parameter_rejected",
    "parse",
    "ping_only",
    "rate_limited",
    "read_timeout",
    "refused_keyword",
    "reordered_events",
    "reset",
    "server_error",
    "slow_start",
    "split_utf8",
    "stall",
    "stream_error",
    "table",
    "too_large",
    "trickle",
    "unauthorized",
    "unavailable",
    "unknown_block",
    "unknown_delta",
    "unknown_event",
    "wrong_content_type",
]
