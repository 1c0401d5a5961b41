"""Write the lines at the end of a run that say which flags broke its tests."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from flag_harness.analysis.matrix_runs import outcomes_by_test
from flag_harness.matrix import Combination, flag_space
from flag_harness.plugin.modes import command_to_reproduce
from flag_harness.wording import count_with_noun, join_names

if TYPE_CHECKING:
    from flag_harness.analysis.blame import SharedExplanation
    from flag_harness.analysis.locate import CauseSearchResult
    from flag_harness.analysis.matrix_runs import FailingTest, MatrixRun
    from flag_harness.flag import Flag
    from flag_harness.matrix import Row

MAX_NAMES_PER_LINE = 3
"""The most tests, suspects or combinations that a line names. It only counts the others."""
_MAX_FLAGS_PER_SUSPECT = 3
BLAME_ADVICE = "To find out which: add --harness-locate"


@dataclass(frozen=True, slots=True)
class FlagSearchResult:
    """The flags that `--harness-locate` found to break a test.

    Attributes:
        test: the test with its ordinary runs.
        location: the flags that the failing and passing combinations point to.
        extra_runs: the number of combinations that were run in addition.
        command: the command that reproduces the smallest failing combination.
        notes: further lines to print, such as which combinations were answered by another one's recording.
    """

    test: "FailingTest"
    location: "CauseSearchResult"
    extra_runs: int
    command: str
    notes: tuple[str, ...] = ()


def blame_lines(
    config: pytest.Config,
    tests: "Sequence[FailingTest]",
    located: Sequence[FlagSearchResult],
    flags: "Sequence[Flag]",
    advice: str = BLAME_ADVICE,
) -> Iterator[str]:
    """Yield lines that name the flags behind the failures. `located` holds the tests that ran further combinations.

    `advice` is printed if a test did not run under all combinations.
    """
    from flag_harness.analysis.blame import explain_failures_of_tests

    known = {one.test.name for one in located}
    others = {test.name: test for test in tests if test.name not in known}
    for has_run_every_combination in (True, False):
        chosen = {
            name: test for name, test in others.items() if test.has_run_every_combination is has_run_every_combination
        }
        space = flag_space(tuple(flags))
        for finding in explain_failures_of_tests(space, outcomes_by_test(chosen, flags)):
            yield from _explanation_lines(finding, chosen, "" if has_run_every_combination else advice)
            yield f"  To reproduce: {command_to_reproduce(config, _smallest_failing_test(finding, chosen))}"
    for one in located:
        yield from flag_search_lines(one)


def refusal_lines(config: pytest.Config, tests: "Sequence[FailingTest]", flags: "Sequence[Flag]") -> Iterator[str]:
    """Yield lines about tests with two kinds of failures: the flags under which the API would refuse a request."""
    refused = {test.name: _replace_failures_by_refusals(test) for test in tests if _has_two_kinds_of_failures(test)}
    if not refused:
        return
    from flag_harness.analysis.blame import explain_failures_of_tests

    for finding in explain_failures_of_tests(flag_space(tuple(flags)), outcomes_by_test(refused, flags)):
        perhaps = "" if all(refused[name].has_run_every_combination for name in finding.tests) else "perhaps "
        when = ", or when ".join(map(str, finding.explanation.conjunctions))
        count = f"{count_with_noun(len(finding.tests), 'test')} ({join_names(finding.tests, MAX_NAMES_PER_LINE)})"
        yield f"{perhaps}the API would refuse a request when {when}: {count}"
        yield f"  To reproduce: {command_to_reproduce(config, _smallest_failing_test(finding, refused))}"


def _has_two_kinds_of_failures(test: "FailingTest") -> bool:
    """Return whether the API would refuse a request in some of the failing runs, but not in all."""
    return len({run["is_refused"] for run in test.runs if not run["passed"]}) == 2


def _replace_failures_by_refusals(test: "FailingTest") -> "FailingTest":
    """Return a test whose runs fail only if the API would refuse a request."""
    return replace(test, runs=tuple({**run, "passed": not run["is_refused"]} for run in test.runs))


def unblamed_run_lines(runs: "Mapping[str, Sequence[MatrixRun]]") -> Iterator[str]:
    """Yield a line for each reason why runs are not blamed on flags. `runs` maps each reason to its runs."""
    for cause, group in runs.items():
        yield f"not blamed on flags: {cause}: {join_names([run['nodeid'] for run in group], MAX_NAMES_PER_LINE)}"


def flag_search_lines(located: FlagSearchResult) -> Iterator[str]:
    """Yield lines about a test that ran further combinations; the last one is the command to reproduce its failure."""
    location = located.location
    rows = "1 further combination" if located.extra_runs == 1 else f"{located.extra_runs} further combinations"
    yield f"{location}: {located.test.name} ({rows} ran)"
    yield f"  Not known: {location.caveat}"
    if location.flaky:
        yield f"  Flaky, and left out: {_combination_ids_text(located.test, location.flaky)}"
    yield from (f"  {note}" for note in located.notes)
    yield f"  To reproduce: {located.command}"


def _explanation_lines(finding: "SharedExplanation", tests: "dict[str, FailingTest]", advice: str) -> Iterator[str]:
    names = join_names(finding.tests, MAX_NAMES_PER_LINE)
    if advice and finding.explanation.always_fails:
        fixed = _flags_with_one_value(tests[finding.tests[0]])
        cause = f"; {join_names(fixed)} had one value in all of them" if fixed else ", whatever its flags"
        yield f"fails in every combination that ran{cause}: {names}"
        if fixed:
            yield f"  {advice}"
        return
    yield f"{'perhaps ' if advice else ''}{finding} ({names})"
    if advice:
        yield from _suspected_flag_lines(tests[finding.tests[0]], finding)
        yield f"  {advice}"
    if finding.explanation.flaky:
        yield "  Combinations that both passed and failed are left out"


def _flags_with_one_value(test: "FailingTest") -> list[str]:
    """Return the flags that had the same value in every combination that ran, and so may be the cause."""
    columns = zip(*(row for row, _ in test.row_outcomes), strict=True)
    return [flag.name for flag, column in zip(test.flags, columns, strict=True) if len(set(column)) == 1]


def _smallest_failing_test(finding: "SharedExplanation", tests: "dict[str, FailingTest]") -> str:
    failures = [(tests[name].smallest_failure, tests[name]) for name in finding.tests]
    return min((test.count_changed_flags(run), run["nodeid"]) for run, test in failures)[1]


def _suspected_flag_lines(test: "FailingTest", finding: "SharedExplanation") -> Iterator[str]:
    from flag_harness.analysis.blame import find_suspects

    outcomes, space, named = test.row_outcomes, test.space, finding.explanation.conjunctions
    suspects = find_suspects(space, outcomes, _MAX_FLAGS_PER_SUSPECT)
    others = [str(one.conjunction) for one in suspects if (one.conjunction,) != named]
    rows = len({row for row, _ in outcomes})
    more = f"; these explain it as well: {join_names(others, MAX_NAMES_PER_LINE)}" if others else ""
    yield f"  {rows} of {space.count:,} combinations ran{more}"


def _combination_ids_text(test: "FailingTest", rows: "Iterable[Row]") -> str:
    return join_names([Combination(test.flags, row).id for row in rows], MAX_NAMES_PER_LINE)
