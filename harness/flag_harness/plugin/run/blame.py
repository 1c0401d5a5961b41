"""Write the lines at the end of a run that say which flags broke its tests."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from flag_harness.analysis.matrix_runs import outcomes_by_test
from flag_harness.matrix import Combination, flag_space
from flag_harness.plugin.modes import command_to_reproduce
from flag_harness.wording import join_names

if TYPE_CHECKING:
    from flag_harness.analysis.blame import SharedExplanation
    from flag_harness.analysis.locate import CauseSearchResult
    from flag_harness.analysis.matrix_runs import FailingTest, MatrixRun
    from flag_harness.flag import Flag
    from flag_harness.matrix import Row

MAX_NAMES_PER_LINE = 3
"""The most tests, suspects or combinations that a line names. It only counts the others."""
_MAX_FLAGS_PER_SUSPECT = 3
LEAKED_STATE_EXAMPLES = "a module global, a class attribute, a cached client, a wide fixture"
ADVICE_TO_LOCATE_FLAGS = "To find out which: add --harness-locate"


@dataclass(frozen=True, slots=True)
class FlagSearchResult:
    """What `--harness-locate` found about a failing test: the flags that break it.

    Attributes:
        test: the test with its ordinary runs.
        cause_search: the flags that the failing and passing combinations point to.
        extra_run_count: the number of combinations that were run in addition.
        command: the command that reproduces the smallest failing combination.
        notes: further lines to print, such as which combinations were answered by the recording of another combination.
    """

    test: "FailingTest"
    cause_search: "CauseSearchResult"
    extra_run_count: int
    command: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StateLeak:
    """A test that fails in the run and passes alone, because an earlier test leaves state behind.

    Attributes:
        nodeid: the smallest failing combination of a test, which passes alone.
        test_names: the names of this test and of others that fail under the same combinations.
        cause: an earlier test after which it fails, or empty if none was found.
    """

    nodeid: str
    test_names: tuple[str, ...]
    cause: str = ""


@dataclass(frozen=True, slots=True)
class FailureFinding:
    """An explanation of failures: the flags under which some tests fail.

    Attributes:
        explanation: the flags under which the tests fail.
        test_by_name: these tests by name, with the runs that are explained.
        is_complete: True if each of them ran under every allowed combination.
        failure_verb: what the tests do in these runs: `fails`, or a more exact word if they also fail in another way.
    """

    explanation: "SharedExplanation"
    test_by_name: "Mapping[str, FailingTest]"
    is_complete: bool
    failure_verb: str

    @property
    def smallest_failure(self) -> str:
        """The node id of the failing run with the fewest flags that are not at their default."""
        failures = [(test.failing_run_nearest_defaults, test) for test in self.test_by_name.values()]
        return min((test.count_changed_flags(run), run["nodeid"]) for run, test in failures)[1]

    def __str__(self) -> str:
        names = join_names(self.explanation.tests, MAX_NAMES_PER_LINE)
        return f"{str(self.explanation).replace('fails', self.failure_verb, 1)} ({names})"


def findings_about_tests(tests: "Iterable[FailingTest]", flags: "Sequence[Flag]") -> "Iterator[FailureFinding]":
    """Yield an explanation of the failures of tests. Tests that ran under every combination come first.

    Failures because a request is not recorded, and other failures of the same test, are explained separately.
    """
    from flag_harness.analysis.blame import explain_failures_by_test

    groups: dict[tuple[bool, str], dict[str, FailingTest]] = {(True, "fails"): {}, (False, "fails"): {}}
    for test in tests:
        for verb, part in _split_by_kind_of_failure(test).items():
            groups.setdefault((test.has_run_every_combination, verb), {})[test.name] = part
    space = flag_space(tuple(flags))
    for (is_complete, verb), chosen in groups.items():
        for found in explain_failures_by_test(space, outcomes_by_test(chosen, flags)):
            yield FailureFinding(found, {name: chosen[name] for name in found.tests}, is_complete, verb)


def _split_by_kind_of_failure(test: "FailingTest") -> "dict[str, FailingTest]":
    """Return a test in two parts, by a verb: `fails with an error` and `sends what is not recorded`.

    Each part has the runs that fail in this way and those that pass. If no run passes, the other failed runs count as
    passed in each part, since one failure may hide the other. A test with one kind of failure is returned whole, under
    `fails`.
    """
    kinds = {run["is_miss"] for run in test.runs if not run["has_passed"]}
    if len(kinds) == 1:
        return {"fails": test}
    has_passed = any(run["has_passed"] for run in test.runs)

    def part(is_miss: bool) -> "FailingTest":
        """Return the test with failures of one kind: requests that are not recorded, or all others."""
        runs: list[MatrixRun] = []
        for run in test.runs:
            is_other = not run["has_passed"] and run["is_miss"] is not is_miss
            if not (is_other and has_passed):
                runs.append({**run, "has_passed": run["has_passed"] or is_other})
        return replace(test, runs=tuple(runs))

    return {"fails with an error": part(False), "sends what is not recorded": part(True)}


def blame_lines(
    config: pytest.Config,
    tests: "Sequence[FailingTest]",
    search_results: Sequence[FlagSearchResult],
    flags: "Sequence[Flag]",
    advice: str = ADVICE_TO_LOCATE_FLAGS,
    leaks: "Mapping[str, StateLeak]" = MappingProxyType({}),
) -> Iterator[str]:
    """Yield lines that name the flags under which tests fail.

    `search_results` has the results of `--harness-locate`. `advice` is printed if a test did not run under all
    combinations. `leaks` has the tests that pass if they run alone, by the node id of their smallest failure: no flag
    is blamed for these.
    """
    known = {one.test.name for one in search_results}
    for finding in findings_about_tests([test for test in tests if test.name not in known], flags):
        if (leak := leaks.get(finding.smallest_failure)) is not None:
            yield from state_leak_lines(config, leak)
            continue
        yield from _explanation_lines(finding, "" if finding.is_complete else advice)
        yield f"  To reproduce: {command_to_reproduce(config, finding.smallest_failure)}"
    for one in search_results:
        yield from flag_search_lines(one)


def state_leak_lines(config: pytest.Config, leak: StateLeak) -> Iterator[str]:
    """Yield lines about a test that passes alone, with the command that shows its failure if that is known."""
    others = [name for name in leak.test_names if not leak.nodeid.startswith(name.partition("[")[0] + "[")]
    more = f", and so may {join_names(others, MAX_NAMES_PER_LINE)}" if others else ""
    yield f"fails only after other tests, and passes alone: {leak.nodeid}{more}"
    if leak.cause:
        yield f"  {leak.cause} leaves state behind that breaks it: {LEAKED_STATE_EXAMPLES}"
        yield f"  To reproduce: {command_to_reproduce(config, leak.cause, leak.nodeid)}"
    else:
        yield f"  An earlier test leaves state behind ({LEAKED_STATE_EXAMPLES}), or it fails now and then"
        if config.getoption("--harness-locate") is None:
            yield "  To find that test: add --harness-locate"


def refusal_lines(config: pytest.Config, tests: "Sequence[FailingTest]", flags: "Sequence[Flag]") -> Iterator[str]:
    """Yield lines that name the flags under which the API would refuse a request.

    They are only about tests that also fail in runs in which the API would accept every request.
    """
    refused = {test.name: _replace_failures_by_refusals(test) for test in tests if _has_two_kinds_of_failures(test)}
    for finding in findings_about_tests(refused.values(), flags):
        refusal = replace(finding, failure_verb="the API would refuse a request")
        yield f"{'' if finding.is_complete else 'perhaps '}{refusal}"
        yield f"  To reproduce: {command_to_reproduce(config, finding.smallest_failure)}"


def _has_two_kinds_of_failures(test: "FailingTest") -> bool:
    """Return whether the API would refuse a request in some of the failing runs of a test, but not in all of them."""
    return len({run["is_refused"] for run in test.runs if not run["has_passed"]}) == 2


def _replace_failures_by_refusals(test: "FailingTest") -> "FailingTest":
    """Return a copy of a test in which a run counts as failed only if the API would refuse one of its requests."""
    return replace(test, runs=tuple({**run, "has_passed": not run["is_refused"]} for run in test.runs))


def unblamed_run_lines(runs: "Mapping[str, Sequence[MatrixRun]]") -> Iterator[str]:
    """Yield a line for each reason why runs are not blamed on flags. `runs` maps each reason to its runs."""
    for cause, group in runs.items():
        yield f"not blamed on flags: {cause}: {join_names([run['nodeid'] for run in group], MAX_NAMES_PER_LINE)}"


def flag_search_lines(search_result: FlagSearchResult) -> Iterator[str]:
    """Yield lines about a test that ran further combinations; the last one is the command to reproduce its failure."""
    location = search_result.cause_search
    rows = (
        "1 further combination"
        if search_result.extra_run_count == 1
        else f"{search_result.extra_run_count} further combinations"
    )
    yield f"{location}: {search_result.test.name} ({rows} ran)"
    if location.max_size_ruled_out < len(search_result.test.flags):
        yield f"  Not known: {location.open_question}"
    if location.flaky_rows:
        yield f"  Flaky, and left out: {_combination_ids_text(search_result.test, location.flaky_rows)}"
    yield from (f"  {note}" for note in search_result.notes)
    yield f"  To reproduce: {search_result.command}"


def _explanation_lines(finding: FailureFinding, advice: str) -> Iterator[str]:
    explanation, first = finding.explanation.explanation, finding.test_by_name[finding.explanation.tests[0]]
    if advice and explanation.always_fails:
        fixed = _flags_with_one_value(first)
        cause = f"; {join_names(fixed)} had one value in all of them" if fixed else ", whatever its flags"
        names = join_names(finding.explanation.tests, MAX_NAMES_PER_LINE)
        yield f"fails in every combination that ran{cause}: {names}"
        if fixed:
            yield f"  {advice}"
        return
    yield f"{'perhaps ' if advice else ''}{finding}"
    if advice:
        yield from _suspected_flag_lines(first, finding.explanation)
        yield f"  {advice}"
    if explanation.flaky_rows:
        yield "  Combinations that both passed and failed are left out"


def _flags_with_one_value(test: "FailingTest") -> list[str]:
    """Return the flags that had the same value in every combination that ran, and so may be the cause."""
    columns = zip(*(row for row, _ in test.row_outcomes), strict=True)
    return [flag.name for flag, column in zip(test.flags, columns, strict=True) if len(set(column)) == 1]


def _suspected_flag_lines(test: "FailingTest", finding: "SharedExplanation") -> Iterator[str]:
    from flag_harness.analysis.blame import find_suspects

    outcomes, space, named = test.row_outcomes, test.space, finding.explanation.conjunctions
    suspects = find_suspects(space, outcomes, _MAX_FLAGS_PER_SUSPECT)
    others = [str(one.conjunction) for one in suspects if (one.conjunction,) != named]
    rows = len({row for row, _ in outcomes})
    more = f"; these explain it as well: {join_names(others, MAX_NAMES_PER_LINE)}" if others else ""
    yield f"  {rows} of {space.row_count:,} combinations ran{more}"


def _combination_ids_text(test: "FailingTest", rows: "Iterable[Row]") -> str:
    return join_names([Combination(test.flags, row).id for row in rows], MAX_NAMES_PER_LINE)
