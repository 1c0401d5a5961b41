"""The differences between two runs, as values from which text, Markdown and JSON are made."""

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from flag_harness.analysis.effects.figures import MetricEffect
from flag_harness.config import DiffSettings
from flag_harness.record import RunRecord
from flag_harness.record.row import RowKey
from flag_harness.report.diff.figures import MetricChange, metric_changes, pair_rows_of_runs
from flag_harness.report.diff.outcomes import OutcomeChanges, outcome_changes
from flag_harness.report.diff.requests import ChangedRequests, PathChange, find_changed_requests, find_path_changes
from flag_harness.report.metrics import effects_in_record

_COMPARED_HEADER_FIELDS = ("commit", "package", "sdk", "python")


@dataclass(frozen=True, slots=True)
class RunDiff:
    """The differences between two runs.

    Attributes:
        header_changes: one line for each difference between the headers: other commits, packages or flags.
        outcomes: the tests whose outcome changed, and the requests that have lost their recorded answers.
        changed_requests: the tests whose requests changed.
        path_changes: what changed in the bodies of requests, by JSON path, over all tests.
        pair_count: the number of rows whose figures are compared.
        uncompared_row_count: the number of rows that both runs have and whose figures cannot be compared.
        metric_changes: how the figures (time, tokens, cost) changed.
        changed_effects: pairs of a flag's effect in the first and in the second run, if the two differ.
        exceeded_thresholds: one line for each threshold that is exceeded.
        figures_in_no_row: the figures that have a threshold but that no compared row has.
        record_problems: one line for each reason why a record is incomplete.
    """

    header_changes: tuple[str, ...]
    outcomes: OutcomeChanges
    changed_requests: tuple[ChangedRequests, ...]
    path_changes: tuple[PathChange, ...]
    pair_count: int
    uncompared_row_count: int
    metric_changes: tuple[MetricChange, ...]
    changed_effects: tuple[tuple[MetricEffect, MetricEffect], ...]
    exceeded_thresholds: tuple[str, ...]
    figures_in_no_row: tuple[str, ...]
    record_problems: tuple[str, ...]

    @property
    def is_acceptable(self) -> bool:
        """Whether both records are complete and no configured threshold is exceeded."""
        return not self.exceeded_thresholds and not self.record_problems

    @property
    def is_simulated(self) -> bool:
        """Whether the simulator gave any of the answers whose figures are compared."""
        return any(change.is_simulated for change in self.metric_changes)


def compare_runs(base: RunRecord, head: RunRecord, settings: DiffSettings) -> RunDiff:
    """Return the differences between a first run, `base`, and a second run, `head`. `settings` has the thresholds."""
    outcomes, requests = outcome_changes(base.rows, head.rows), find_changed_requests(base.rows, head.rows)
    pairs = pair_rows_of_runs(base.rows, head.rows)
    keys = {row.key for row in base.rows}
    both = keys & {row.key for row in head.rows}
    figures = metric_changes(pairs)
    return RunDiff(
        header_changes=tuple(_find_header_changes(base, head)),
        outcomes=outcomes,
        changed_requests=requests,
        path_changes=find_path_changes(base.rows, head.rows),
        pair_count=len(pairs),
        uncompared_row_count=len(both) - len(pairs),
        metric_changes=figures,
        changed_effects=_find_changed_effects(base, head, both),
        exceeded_thresholds=tuple(_describe_exceeded_thresholds(outcomes, requests, figures, settings)),
        figures_in_no_row=tuple(
            sorted(settings.growth_limits.keys() - {change.configuration_key for change in figures})
        ),
        record_problems=tuple(record.problem for record in (base, head) if record.problem),
    )


def _find_header_changes(base: RunRecord, head: RunRecord) -> Iterator[str]:
    for name in _COMPARED_HEADER_FIELDS:
        before, after = getattr(base.header, name), getattr(head.header, name)
        if before != after:
            yield f"{name}: {before or 'unknown'} → {after or 'unknown'}"
    old, new = base.header.flags, head.header.flags
    for name in sorted(old.keys() | new.keys()):
        if name not in new or name not in old:
            yield f"flag {name}: {'no longer declared' if name in old else 'new'}"
        elif old[name] != new[name]:
            yield f"flag {name}: declared otherwise"


def _find_changed_effects(
    base: RunRecord, head: RunRecord, keys: set[RowKey]
) -> tuple[tuple[MetricEffect, MetricEffect], ...]:
    """Return pairs of a flag's effect in the first and in the second run whose confidence intervals do not overlap.

    `keys` identify the rows that are compared.
    """
    before, after = (
        {_key_of_effect(one): one for one in _single_flag_effects(record, keys)} for record in (base, head)
    )
    pairs = ((before[key], effect) for key, effect in after.items() if key in before)
    return tuple((old, new) for old, new in pairs if _intervals_are_apart(old, new))


def _single_flag_effects(record: RunRecord, keys: set[RowKey]) -> Iterator[MetricEffect]:
    rows = tuple(row for row in record.rows if row.key in keys)
    found = effects_in_record(RunRecord(record.header, rows))
    return (effect for effect in found if len(effect.changed_values) == 1)


def _key_of_effect(effect: MetricEffect) -> tuple[object, str]:
    return msgspec.json.encode(effect.changed_values), effect.figure.name


def _intervals_are_apart(old: MetricEffect, new: MetricEffect) -> bool:
    if old.lower_bound is None or old.upper_bound is None or new.lower_bound is None or new.upper_bound is None:
        return False
    return old.is_simulated == new.is_simulated and (
        old.upper_bound < new.lower_bound or new.upper_bound < old.lower_bound
    )


def _describe_exceeded_thresholds(
    outcomes: OutcomeChanges,
    requests: tuple[ChangedRequests, ...],
    figures: tuple[MetricChange, ...],
    settings: DiffSettings,
) -> Iterator[str]:
    if settings.forbids_new_failures and outcomes.is_worse:
        failing = len(outcomes.newly_failing) + len(outcomes.added_and_failing)
        yield (
            f"outcomes: {failing} newly failing, {len(outcomes.newly_flaky)} newly flaky, "
            f"{len(outcomes.new_misses_by_test)} with new misses"
        )
    if settings.forbids_changed_bodies and requests:
        yield f"bodies: the requests of {len(requests)} test{'s' if len(requests) != 1 else ''} changed"
    for change in figures:
        limit = settings.growth_limits.get(change.configuration_key)
        if limit is not None and change.exceeds_limit(limit):
            means = f"{change.base_mean:,.6g} → {change.head_mean:,.6g}"
            yield f"{change.configuration_key}: {means} a run ({change}); allowed: {limit}"
    if settings.growth_limits and not figures:
        yield f"{', '.join(settings.growth_limits)}: no run passed in both records, so nothing can be compared"
