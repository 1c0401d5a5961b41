"""The run's record: one row a test, made of plain values, so that a worker can hand it over."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.plugin.stash import COMBINATION, SESSION

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import Session
    from flag_harness.wire.timeline import Request, Response


def run_row(item: pytest.Item, outcome: str) -> dict[str, Any] | None:
    """The row of one test that uses the harness, `None` for any other."""
    session, combination = item.stash.get(SESSION, None), item.stash.get(COMBINATION, None)
    if session is None or combination is None:
        return None
    return {**measured_row(item.nodeid, combination.id, outcome, session.exchanges), **_source(session)}


def of_subtest(report: pytest.TestReport) -> bool:
    """Whether a report is that of a part of a test: such a part is no test of the run's record."""
    return hasattr(report, "context")


def measured_row(
    case: str, combination: str, outcome: str, exchanges: "Sequence[tuple[Request, Response]]"
) -> dict[str, Any]:
    """What a row says of a test's traffic; who answered it is yet to be added."""
    from flag_harness.analysis.metrics import measure_traffic  # a run that uses no cassette does not pay for its import

    metrics = measure_traffic(exchanges)
    return {
        "case": case,
        "combination": combination,
        "outcome": outcome,
        "requests": metrics.requests,
        "errors": metrics.errors,
        "input_tokens": metrics.usage.total_input,
        "output_tokens": metrics.usage.output_tokens,
        "cache_read_input_tokens": metrics.usage.cache_read_input_tokens,
        "cost": metrics.cost,
        "first_token": metrics.first_token,
        "seconds": metrics.seconds,
    }


def _source(session: "Session") -> dict[str, str | None]:
    """Who answered: the upstream that a played cassette was recorded from, or the one asked now."""
    cassette, plan = session.cassette, session.plan
    if not session.exchanges:
        return {"played": None, "recorded_at": None, "asked": None, "rebased": None}
    if plan.plays:
        envelope = cassette.envelope if cassette else None
        return {
            "played": envelope.upstream if envelope else None,
            "recorded_at": envelope.recorded_at if envelope else None,
            "asked": None,
            "rebased": str(plan.path) if envelope and envelope.rebased else None,
        }
    return {"played": None, "recorded_at": None, "asked": plan.upstream, "rebased": None}
