"""Builds the rows of the run record, attaches them to reports, and reads them back."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.plugin.stash import COMBINATION, TRAFFIC

if TYPE_CHECKING:
    from flag_harness.analysis.metrics import Metrics
    from flag_harness.cassette import Filters
    from flag_harness.plugin.test.traffic import CassetteTraffic
    from flag_harness.record import Outcome, RequestRecord, RunRow
    from flag_harness.wire.timeline import Request, Response

_ATTRIBUTE = "flag_harness"
"""The attribute of a report that holds a row. Workers send it as plain values."""


def run_row(item: pytest.Item, outcome: "Outcome") -> "RunRow | None":
    """Return the row of a test that uses the harness, or None for any other test."""
    traffic, combination = item.stash.get(TRAFFIC, None), item.stash.get(COMBINATION, None)
    if traffic is None or combination is None:
        return None
    return traffic_row(
        item,
        combination.id,
        outcome,
        traffic.metrics,
        request_records(traffic.exchanges, traffic.plan.filters),
        cassette=os.path.relpath(traffic.plan.path, item.config.rootpath).replace(os.sep, "/"),
        **_origin(traffic),
    )


def traffic_row(
    item: pytest.Item,
    combination: str,
    outcome: "Outcome",
    metrics: "Metrics",
    requests: "tuple[RequestRecord, ...]",
    **origin: Any,
) -> "RunRow":
    """Return a row with the figures of `metrics`; `origin` says who answered."""
    from flag_harness.record import RunRow  # imported here: a run without a cassette does not need it

    return RunRow(
        case=item.nodeid,
        combination=combination,
        outcome=outcome,
        requests=requests,
        errors=metrics.errors,
        usage=metrics.usage,
        cost=metrics.cost,
        first_token=metrics.first_token,
        seconds=metrics.seconds,
        **origin,
    )


def request_records(exchanges: "Sequence[tuple[Request, Response]]", filters: "Filters") -> "tuple[RequestRecord, ...]":
    """Return a row for each request, without what the filters remove."""
    return tuple(_request_record(request, response, filters) for request, response in exchanges)


def _request_record(request: "Request", response: "Response", filters: "Filters") -> "RequestRecord":
    from flag_harness.cassette.interaction import storable_request
    from flag_harness.cassette.match.matching import body_value, sorted_json
    from flag_harness.record import RequestRecord, body_hash
    from flag_harness.wire.timeline import Head

    kept = filters.filter_request(storable_request(request))
    value = body_value(kept.body)
    content = value if isinstance(value, bytes) else sorted_json(value)
    status = response[0].status if response and isinstance(response[0], Head) else None
    return RequestRecord(kept.method, kept.path, status, body_hash(content))


def _origin(traffic: "CassetteTraffic") -> dict[str, Any]:
    """Return who answered: the upstream of the played recording, or the one that answered in this run."""
    plan = traffic.plan
    if not traffic.exchanges:
        return {}
    if not plan.is_playing:
        return {"answered_by": plan.upstream}
    envelope = plan.cassette.envelope if plan.cassette else None
    if envelope is None:
        return {}
    return {
        "recorded_from": envelope.upstream,
        "recorded_at": envelope.recorded_at,
        "rebased": envelope.rebased,
    }


def attach_row(report: pytest.TestReport, row: "RunRow") -> None:
    """Attach the row to the report, in place of the one that it may have."""
    setattr(report, _ATTRIBUTE, row.to_builtins())


def has_row(report: pytest.TestReport) -> bool:
    """Return True if the report has a row."""
    return hasattr(report, _ATTRIBUTE)


def attached_row(report: pytest.TestReport) -> "RunRow | None":
    """Return the row of a report, on whichever worker it was made, or None."""
    if not has_row(report):
        return None
    from flag_harness.record import row_from_builtins

    return row_from_builtins(getattr(report, _ATTRIBUTE))


def is_subtest_report(report: pytest.TestReport) -> bool:
    """Return True if the report is that of a subtest, which has no row of its own."""
    return hasattr(report, "context")
