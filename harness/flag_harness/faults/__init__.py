"""Simulated failures of the API, for any upstream and any point of an answer.

For example, `faulty(upstream, overloaded(on=2))` answers the second request with an error 529.
"""

from flag_harness.faults.errors import FaultConditionError, FaultError
from flag_harness.faults.fault import (
    Fault,
    FaultKind,
    explain_faults_that_never_fired,
    require_known_flags_in_combination,
)
from flag_harness.faults.kinds.clients import patch_refused_keywords, refused_keyword, with_refused_keywords
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
from flag_harness.faults.parsing import parse_fault
from flag_harness.faults.table import FAULT_KINDS, fault_kinds

__all__ = [
    "FAULT_KINDS",
    "Fault",
    "FaultConditionError",
    "FaultError",
    "FaultKind",
    "bad_gateway",
    "bad_request",
    "beta_rejected",
    "byte_order_mark",
    "clean_end",
    "connection_refused",
    "connection_reset",
    "disconnected",
    "dropped_event",
    "duplicated_event",
    "empty_response",
    "end_of_file",
    "explain_faults_that_never_fired",
    "fault_kinds",
    "forbidden",
    "gateway_timeout",
    "invalid_utf8",
    "line_ends",
    "malformed_json",
    "missing_blank_line",
    "missing_usage",
    "not_found",
    "overloaded",
    "parameter_rejected",
    "parse_fault",
    "patch_refused_keywords",
    "ping_only",
    "rate_limited",
    "read_timeout",
    "refused_keyword",
    "reordered_events",
    "require_known_flags_in_combination",
    "reset",
    "server_error",
    "slow_start",
    "split_utf8",
    "stall",
    "stream_error",
    "too_large",
    "trickle",
    "unauthorized",
    "unavailable",
    "unknown_block",
    "unknown_delta",
    "unknown_event",
    "with_refused_keywords",
    "wrong_content_type",
]
