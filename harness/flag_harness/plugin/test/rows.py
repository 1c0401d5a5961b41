"""Build the rows of the run record (one for each test and combination), and attach them to reports."""

import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.plugin.limits.budget import budget_of_test
from flag_harness.plugin.limits.cache_use import cache_use_of_traffic
from flag_harness.plugin.stash import (
    COMBINATION_KEY,
    LOG_COUNTER_KEY,
    SCORES_KEY,
    TRAFFIC_KEY,
    nodeid_of_first_repetition,
    refusals_of_item,
    repetition_index,
)
from flag_harness.plugin.verdicts.strata import verdict_groups_of_item

if TYPE_CHECKING:
    from flag_harness.analysis.metrics import Metrics, RequestMetrics
    from flag_harness.cassette import Filters, Miss
    from flag_harness.matrix import Combination
    from flag_harness.plugin.test.traffic import CassetteTraffic
    from flag_harness.record import Outcome, Phase, RequestRecord, RunRow
    from flag_harness.wire.timeline import Request, Response

_MAX_REASON_CHARACTERS = 500
_MAX_MISS_PATHS = 20
_REPORT_ATTRIBUTE = "flag_harness"
"""The attribute of a report that contains the test's row of the run record, as plain values that a worker can send."""


def make_run_row(item: pytest.Item, outcome: "Outcome", phase: "Phase") -> "RunRow | None":
    """Return a test's row of the run record, or None if the test does not use the harness."""
    traffic, combination = item.stash.get(TRAFFIC_KEY, None), item.stash.get(COMBINATION_KEY, None)
    if traffic is None or combination is None:
        return None
    from flag_harness.analysis.metrics import find_betas_dropped_after_refusal

    return make_traffic_row(
        item,
        combination,
        outcome,
        traffic.metrics,
        make_request_records(traffic.exchanges, traffic.request_metrics, traffic.plan.filters),
        phase=phase,
        limit_by_name=dict(budget_of_test(item)),
        excluded_from_effects=traffic.excluded_from_effects,
        cache_use=cache_use_of_traffic(traffic),
        dropped_betas=find_betas_dropped_after_refusal(traffic.exchanges, traffic.request_metrics),
        misses=tuple(map(_describe_miss_without_content, traffic.misses)),
        api_refusals=_api_refusal_messages(traffic),
        cassette=relative_cassette_path(item, traffic),
        scenario=_scenario_name(traffic),
        digest_by_input=_digest_by_input(item, traffic),
        **answer_source_fields(traffic),
    )


def _scenario_name(traffic: "CassetteTraffic") -> str:
    """Return the name of the test's scenario, or an empty string if it has none, or no file of that name exists."""
    path = traffic.plan.scenario
    return path.stem if path is not None and path.exists() else ""


def _describe_miss_without_content(miss: "Miss") -> str:
    """Return a missed request and the paths at which it differs from the nearest recorded one, without any content."""
    request = miss.sent_interaction.request
    paths = ", ".join(dict.fromkeys(one.path or "body" for one in miss.differences[:_MAX_MISS_PATHS]))
    return f"{request.method} {request.path}: {paths or miss.reason or 'not recorded'}"


def _api_refusal_messages(traffic: "CassetteTraffic") -> tuple[str, ...]:
    """Return the messages with which the API would refuse missed requests, without secrets."""
    messages = (traffic.mask(miss.api_refusal) for miss in traffic.misses if miss.api_refusal)
    return tuple(dict.fromkeys(message[:_MAX_REASON_CHARACTERS] for message in messages))


def make_traffic_row(
    item: pytest.Item,
    combination: "Combination",
    outcome: "Outcome",
    metrics: "Metrics",
    requests: "tuple[RequestRecord, ...]",
    **fields: Any,
) -> "RunRow":
    """Return a test's row of the run record with the figures of `metrics`. `fields` are further fields of the row."""
    from flag_harness.record import RunRow  # imported here: a run without a cassette does not need it

    return RunRow(
        case=nodeid_of_first_repetition(item),
        repetition=repetition_index(item),
        refusal_count=len(refusals_of_item(item)),
        scores=_scores_of_test(item),
        strata=verdict_groups_of_item(item),
        combination=combination.id,
        values=combination.values,
        outcome=outcome,
        requests=requests,
        errors=metrics.error_count,
        usage=metrics.usage,
        cost=metrics.cost,
        first_token=metrics.first_token,
        seconds=metrics.seconds,
        **fields,
    )


def _scores_of_test(item: pytest.Item) -> dict[str, float]:
    """Return the scores that a test has given its run with `harness_score`, by name."""
    return item.stash.get(SCORES_KEY, {})


def make_request_records(
    exchanges: "Sequence[tuple[Request, Response]]", metrics: "Sequence[RequestMetrics]", filters: "Filters"
) -> "tuple[RequestRecord, ...]":
    """Return a record of each request, without the secrets that the filters remove."""
    pairs = zip(exchanges, metrics, strict=True)
    return tuple(_make_request_record(request, measured, filters) for (request, _), measured in pairs)


def _make_request_record(request: "Request", measured: "RequestMetrics", filters: "Filters") -> "RequestRecord":
    from flag_harness.cassette.interaction import make_storable_request
    from flag_harness.cassette.match.matching import decode_comparable_body, encode_with_sorted_keys
    from flag_harness.record import RequestRecord, body_hash
    from flag_harness.record.outline import body_outline

    kept = filters.filter_request(make_storable_request(request))
    value = decode_comparable_body(kept.body)
    content = value if isinstance(value, bytes) else encode_with_sorted_keys(value)
    return RequestRecord(
        kept.method,
        kept.path,
        measured.status,
        body_hash(content),
        model=measured.model,
        stop_reason=measured.stop_reason,
        usage=measured.usage,
        cost=measured.cost,
        first_token=measured.first_token,
        seconds=measured.seconds,
        chunk_count=measured.chunk_count,
        longest_gap=measured.longest_gap,
        body_outline=body_outline(value),
        is_broken_off=measured.is_broken_off,
        arrival_times=measured.arrival_times,
        longest_gap_start=measured.longest_gap_start,
    )


def relative_cassette_path(item: pytest.Item, traffic: "CassetteTraffic") -> str:
    """Return the path of a test's cassette, relative to pytest's root directory."""
    return _path_from_root(item, traffic.plan.cassette_path)


def _path_from_root(item: pytest.Item, path: Path) -> str:
    return os.path.relpath(path, item.config.rootpath).replace(os.sep, "/")


def _digest_by_input(item: pytest.Item, traffic: "CassetteTraffic") -> dict[str, str]:
    """Return the SHA-256 of the file that answered the test, if the run is recorded: a cassette, or a scenario."""
    plan = traffic.plan
    if item.config.getoption("--harness-record") is None or not traffic.exchanges:
        return {}
    simulated = plan.scenario if plan.upstream == "simulator" else None
    path = simulated if plan.can_reach_upstream else plan.cassette_path
    if path is None or not path.is_file():
        return {}
    return {_path_from_root(item, path): hashlib.sha256(path.read_bytes()).hexdigest()}


def answer_source_fields(traffic: "CassetteTraffic") -> dict[str, Any]:
    """Return the fields of a test's row that say who answered: the played recording, or the upstream of this run."""
    plan = traffic.plan
    if not traffic.exchanges:
        return {}
    if not plan.is_playing:
        from flag_harness.plugin.test.saving import (
            upstream_that_answered,
        )  # imported here: a run without a cassette does not need it

        return {"answered_by": upstream_that_answered(plan, traffic.exchanges)}
    metadata = plan.cassette.metadata if plan.cassette else None
    if metadata is None:
        return {}
    return {
        "recorded_from": metadata.upstream,
        "recorded_at": metadata.recorded_at,
        "is_rebased": metadata.is_rebased,
    }


def attach_row(report: pytest.TestReport, row: "RunRow") -> None:
    """Attach a row of the run record to a report. It replaces an earlier row."""
    setattr(report, _REPORT_ATTRIBUTE, row.to_builtins())


def add_failure_to_row(item: pytest.Item, report: pytest.TestReport, mask: "Callable[[str], str]") -> None:
    """Add to the report's row its duration, its log counts, and why it failed or was skipped, without secrets."""
    if (row := attached_row(report)) is None:
        return
    import msgspec

    counter = item.stash.get(LOG_COUNTER_KEY, None)
    reason, place = ("", "") if report.passed else _failure_reason_and_location(item, report)
    reason = mask(reason)[:_MAX_REASON_CHARACTERS] if reason else ""
    counts = counter.message_counts() if counter else ()
    logs = tuple(msgspec.structs.replace(one, message=mask(one.message)) for one in counts)
    duration = round(report.duration, 4)
    attach_row(
        report, msgspec.structs.replace(row, reason=reason, error_location=place, log_counts=logs, duration=duration)
    )


def _failure_reason_and_location(item: pytest.Item, report: pytest.TestReport) -> tuple[str, str]:
    """Return the first line of the error, and its file and line relative to the root; either may be empty."""
    error = report.longrepr
    if isinstance(error, tuple):
        path, line, reason = error
        return reason.partition("\n")[0], _relative_location(item, path, line)
    crash = getattr(error, "reprcrash", None)
    lines = (crash.message if crash else str(error or "")).strip().splitlines()
    place = _relative_location(item, crash.path, crash.lineno) if crash else ""
    return (lines[0] if lines else ""), place


def _relative_location(item: pytest.Item, path: str, line: int) -> str:
    absolute = os.path.join(item.config.invocation_params.dir, path)
    return f"{os.path.relpath(absolute, item.config.rootpath).replace(os.sep, '/')}:{line}"


def has_record_row(report: pytest.TestReport) -> bool:
    """Return whether a row of the run record is attached to a test's report."""
    return hasattr(report, _REPORT_ATTRIBUTE)


def attached_row(report: pytest.TestReport) -> "RunRow | None":
    """Return the row of the run record that is attached to a report, or None."""
    if not has_record_row(report):
        return None
    from flag_harness.record import row_from_builtins

    return row_from_builtins(getattr(report, _REPORT_ATTRIBUTE))


def is_subtest_report(report: pytest.TestReport) -> bool:
    """Return True if the report belongs to a subtest. Subtests have no rows."""
    return hasattr(report, "context")
