"""What a reader wants to know first about each flag: what it breaks, what it changes, and what it costs or saves."""

from collections.abc import Sequence
from dataclasses import dataclass

from flag_harness.analysis.conjunctions import values_in_literals
from flag_harness.flag import Flag
from flag_harness.matrix.combination import flag_and_value_by_id_part
from flag_harness.matrix.matrix_flag import value_index
from flag_harness.report.failures.causes import FailureCause, flags_in_header
from flag_harness.report.flags.figures import FlagFigures, flag_figures, pairs_by_setting
from flag_harness.report.flags.left_out_pairs import RunPair
from flag_harness.report.flags.support import FlagSupport, RowsByTest, flag_support, group_rows_by_test
from flag_harness.report.run_report import RunReport

MAX_LISTED_REQUEST_CHANGES = 4
"""The most changes of requests that a summary lists. Further changes are counted."""


@dataclass(frozen=True, slots=True)
class FlagSummary:
    """The main findings about one change of a flag.

    Attributes:
        setting: the change of the flag from its default: `streaming`, `no-concise` or `model=haiku`.
        flag_name: the name of the flag.
        causes_with_flag: the causes of failures that occur only with the change.
        causes_without_flag: the causes of failures that occur only without the change.
        support: the number of tests that show that the flag breaks nothing else.
        request_changes: what the flag changes in requests; empty if that is nothing, or unknown.
        is_inert: whether the flag changed no request of the run.
        figures: what the flag costs or saves, in a few words, and which pairs of runs show this.
    """

    setting: str
    flag_name: str
    causes_with_flag: tuple[FailureCause, ...]
    causes_without_flag: tuple[FailureCause, ...]
    support: FlagSupport
    request_changes: tuple[str, ...]
    is_inert: bool
    figures: FlagFigures


def flag_summaries(report: RunReport) -> tuple[FlagSummary, ...]:
    """Return a summary for each flag about which anything is known. Flags that break tests come first.

    A flag with several values has a summary for each value that is not its default.
    """
    flags, tests = flags_in_header(report.record.header), group_rows_by_test(report.rows)
    pairs = pairs_by_setting(report.record)
    found = [
        _make_summary(report, tests, pairs.get(setting, []), setting, flags[index], value)
        for setting, (index, value) in _changes_from_defaults(flags)
    ]
    return tuple(sorted(filter(_has_findings, found), key=lambda one: not one.causes_with_flag))


def _changes_from_defaults(flags: tuple[Flag, ...]) -> list[tuple[str, tuple[int, int]]]:
    """Return `(change, (index of the flag, index of the value))` for each change of a flag from its default.

    A change is named as in combination ids, such as `no-concise`.
    """
    return sorted(flag_and_value_by_id_part(flags).items(), key=lambda setting: setting[1])


def _make_summary(
    report: RunReport, tests: RowsByTest, pairs: Sequence[RunPair], setting: str, flag: Flag, value: int
) -> FlagSummary:
    effects = {
        one.figure.name: one for one in report.effects if one.setting_text == setting and len(one.changed_values) == 1
    }
    requests = [one for one in report.request_effects if one.setting in (setting, flag.name)]
    shown = [one.change_text for one in requests if not one.is_inert]
    rest = len(shown) - MAX_LISTED_REQUEST_CHANGES
    default = value_index(flag, flag.default)
    return FlagSummary(
        setting,
        flag.name,
        tuple(cause for cause in report.causes if _depends_on_value(cause, flag, value, default)),
        tuple(cause for cause in report.causes if _depends_on_value(cause, flag, default, value)),
        flag_support(tests, flag, flag.values[value]),
        (*shown[:MAX_LISTED_REQUEST_CHANGES], *([f"and {rest} more changes"] if rest > 0 else [])),
        bool(requests) and not shown,
        flag_figures(pairs, effects),
    )


def _depends_on_value(cause: FailureCause, flag: Flag, value: int, other_value: int) -> bool:
    """Return whether the condition of a cause holds if a flag has the value `value`, but not if it has the value
    `other_value`.

    Both are indices of the flag's values.
    """
    names = values_in_literals(flag)
    return any(
        one.flag == flag.name and names[value] in one.values and names[other_value] not in one.values
        for one in cause.literals
    )


def _has_findings(summary: FlagSummary) -> bool:
    """Return whether a summary contains any finding about its flag."""
    causes = summary.causes_with_flag or summary.causes_without_flag
    return bool(
        causes
        or summary.request_changes
        or summary.is_inert
        or summary.figures.pair_count
        or summary.support.ran_both_ways_count
    )
