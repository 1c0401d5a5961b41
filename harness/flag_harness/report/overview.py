"""The first screen of a report: what each flag breaks and costs, what else was found, and what to type next."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flag_harness.analysis.effects.figures import MetricEffect
from flag_harness.matrix import node_id_of_all_combinations
from flag_harness.report.cache_map import cache_use_by_test, group_broken_prefixes
from flag_harness.report.commands.next_steps import folder_note, next_steps
from flag_harness.report.commands.step import NextStep
from flag_harness.report.failures.causes import FailureCause, flags_in_header
from flag_harness.report.flags.summary import FlagSummary, flag_summaries
from flag_harness.report.flags.support import flags_of_no_test
from flag_harness.report.run_report import RunReport
from flag_harness.wording import count_with_noun, is_multiple, join_names, ratio_text

MAX_FLAGS = 8
"""The most flags that the first screen shows. The others are counted."""
_MAX_NAMES = 2
"""The most causes of a flag, and the most tests of a cause, that a line names."""
_OVER_BUDGET_TEXT = "over its budget of"


@dataclass(frozen=True, slots=True)
class FlagLine:
    """What a flag breaks and costs, each in a few words."""

    setting: str
    has_failures: bool
    breaks: str
    costs: str
    is_simulated: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """Something else that was found, and the section of the page that says more."""

    section: str
    text: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The first screen of a report.

    `more_flags` counts the flags that have no line. `folder` says where the commands of `next_steps` must be typed, if
    the reader has to find that out.
    """

    flags: tuple[FlagLine, ...]
    more_flags: int
    notices: tuple[Notice, ...]
    next_steps: tuple[NextStep, ...]
    folder: str


def make_overview(report: RunReport) -> Overview:
    """Return the first screen of a report."""
    summaries = flag_summaries(report)
    ordered = sorted(summaries, key=lambda one: (not one.breaks, not one.effects))
    lines = tuple(_flag_line(one, report) for one in ordered[:MAX_FLAGS])
    return Overview(
        lines, len(ordered) - len(lines), tuple(_notices(report)), tuple(next_steps(report)), folder_note(report)
    )


def failure_text(cause: FailureCause) -> str:
    """Return which tests fail when, such as `test_refund fails when streaming`."""
    names = [_short_name(test) for test in cause.tests]
    certainty = "" if cause.is_certain else "perhaps "
    if len(names) == 1:
        return f"{certainty}{names[0]} {cause.text}"
    subject = " and ".join(names) if len(names) <= _MAX_NAMES else count_with_noun(len(names), "test")
    return f"{certainty}{subject} {cause.text.replace('fails', 'fail', 1)}"


def _short_name(test: str) -> str:
    return test.rpartition("::")[2].removesuffix("[*]")


def _flag_line(summary: FlagSummary, report: RunReport) -> FlagLine:
    own = {one.figure.name: one for one in report.effects if one.name == summary.setting and len(one.settings) == 1}
    failures = list(_first_failures(summary.breaks)) or [summary.support.sentence]
    failures += [f"prevents a failure: {text}" for text in _first_failures(summary.prevents)]
    others = [f"{one.figure.name} {one.short_text}" for one in summary.effects if one.figure.name != "cost"]
    costs = "; ".join([_cost_text(own.get("cost")), *others])
    is_simulated = any(one.is_simulated for one in own.values())
    return FlagLine(summary.setting, bool(summary.breaks), "; ".join(failures), costs, is_simulated)


def _first_failures(causes: Sequence[FailureCause]) -> Iterator[str]:
    yield from map(failure_text, causes[:_MAX_NAMES])
    if len(causes) > _MAX_NAMES:
        yield f"and {count_with_noun(len(causes) - _MAX_NAMES, 'more cause')}"


def _cost_text(effect: MetricEffect | None) -> str:
    """Return how much more or less a run costs with a flag."""
    if effect is None:
        return "cost unknown: no two runs that passed differ in this flag alone"
    if effect.is_unchanged:
        return "costs the same"
    if effect.is_significant:
        return f"costs {_ratio_text(effect.mean)}"
    if effect.low is None or effect.high is None:
        return f"costs {_ratio_text(effect.mean)} in the only pair of runs"
    return f"not clear: costs from {_ratio_text(effect.low)} to {_ratio_text(effect.high)}"


def _ratio_text(ratio: float) -> str:
    """Return a ratio of costs in words.

    >>> _ratio_text(0.732), _ratio_text(1.015), _ratio_text(25.3)
    ('26.8 % less', '1.5 % more', '25.3 times as much')
    """
    if is_multiple(ratio):
        return f"{ratio_text(ratio)} as much"
    return f"{ratio_text(ratio).lstrip('+-')} {'more' if ratio >= 1 else 'less'}"


def _notices(report: RunReport) -> Iterator[Notice]:
    """Yield what was found besides flags that break tests."""
    for cause in report.causes:
        if "when" not in cause.text:
            yield Notice("failures", f"{failure_text(cause)}, whatever the flags")
    for refusal in report.refusals:
        yield Notice("failures", f"the API would refuse a request {refusal.condition}".rstrip())
    for unblamed in report.unblamed:
        yield Notice(
            "failures", f"{count_with_noun(len(unblamed.cases), 'run')} not blamed on flags: {unblamed.reason}"
        )
    if over := [row for row in report.rows if row.outcome == "failed" and _OVER_BUDGET_TEXT in row.reason]:
        names = [_short_name(node_id_of_all_combinations(row.case, row.combination)) for row in over]
        yield Notice("failures", f"over budget in {count_with_noun(len(over), 'run')}: {join_names(names, _MAX_NAMES)}")
    if report.sweep.causes:
        yield Notice("sweep", f"the sweep found {count_with_noun(len(report.sweep.causes), 'cause')} of failures")
    yield from _cache_notices(report)
    untested = flags_of_no_test(report.rows, flags_in_header(report.record.header)) if report.rows else ()
    if untested:
        flags = "the flag" if len(untested) == 1 else "the flags"
        yield Notice("matrix-title", f"no test ran with and without {flags} {join_names(untested)}")
    if report.logs:
        warnings = sum(one.count for one in report.logs if one.level == "WARNING")
        errors = sum(one.count for one in report.logs) - warnings
        found = [count_with_noun(count, noun) for count, noun in ((errors, "error"), (warnings, "warning")) if count]
        tests = dict.fromkeys(test for entry in report.logs for test in entry.tests)
        where = f"logged in {count_with_noun(len(tests), 'test')}"
        yield Notice("logs", f"{' and '.join(found)} {where}, most often “{report.logs[0].message}”")


def _cache_notices(report: RunReport) -> Iterator[Notice]:
    """Yield whether cached prefixes are not read, or whether cache marks cost more than they save."""
    if broken := group_broken_prefixes(report.rows):
        runs = dict.fromkeys(case for place in broken for case in place.tests)
        where = f"a cached prefix is not read in {count_with_noun(len(runs), 'run')}"
        yield Notice("cache", f"{where}, because {broken[0].block} changes: {broken[0].price}")
    elif wasteful := [one for one in cache_use_by_test(report.rows) if one.use.costs_more]:
        yield Notice("cache", f"cache marks cost more than they save in {count_with_noun(len(wasteful), 'run')}")
