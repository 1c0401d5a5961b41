"""The runs of matrix tests in the form in which xdist workers send them, and the tests that failed in some runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import ne
from typing import TYPE_CHECKING, Any, TypedDict

from flag_harness.analysis.conjunctions import Conjunction, values_in_literals
from flag_harness.matrix import FlagSpace, flag_space
from flag_harness.matrix.combination import default_row

if TYPE_CHECKING:
    from flag_harness.flag import Flag
    from flag_harness.matrix import Row


class MatrixRun(TypedDict):
    """One run of a matrix test, as plain values that xdist workers can send.

    `test` is the node id without the combination. `row` has the index of each flag's value, by name. `exclusion_reason`
    says why the run must not be compared with others, or is empty. `requests` are the sent requests, without secrets.
    `faults` are the faults that could fire. `cause_other_than_flags` says why the outcome is not due to flags, such as
    `skipped`, or is empty. `is_miss` is True if the run failed because its cassette has no answer to a request;
    `is_refused` is True if, in addition, the API would refuse this request.
    """

    nodeid: str
    test: str
    row: dict[str, int]
    has_passed: bool
    exclusion_reason: str
    requests: list[list[Any]]
    faults: list[str]
    cause_other_than_flags: str
    is_miss: bool
    is_refused: bool


NO_CASSETTE_REASON = "it uses no cassette"
"""The value of `MatrixRun.exclusion_reason` if the run did not open a cassette, for example because its
setup failed.
"""
TEST_NOT_RECORDED = "not recorded"
NO_SCENARIO = "no usable scenario"
NO_API_KEY = "no key for the live API"
MISSING_EXTRA = "a library is not installed"
FLAGS_NOT_SET = "the flags could not be set"
TEST_SKIPPED = "skipped"
EXPECTED_FAILURE = "expected to fail (xfail)"
UNEXPECTED_PASS = "passed, and a strict xfail expects a failure"
"""The constants from `TEST_NOT_RECORDED` to this one are values of `MatrixRun.cause_other_than_flags`: why an outcome
is not due to flags.
"""


@dataclass(frozen=True, slots=True)
class FailingTest:
    """A matrix test that failed under some combinations.

    Attributes:
        name: the node id without the combination.
        flags: the flags of its combinations.
        runs: its runs, except those whose outcome is not due to flags.
        pinned_values: the values of flags that have the same value in all runs, by name.
        faults: the faults that could fire in all of its runs.
    """

    name: str
    flags: "tuple[Flag, ...]"
    runs: tuple[MatrixRun, ...]
    pinned_values: Mapping[str, object] = field(default_factory=dict)
    faults: frozenset[str] = frozenset()

    @property
    def space(self) -> FlagSpace:
        """All combinations under which the test could run."""
        return FlagSpace(self.flags, pins=self.pinned_values) if self.pinned_values else flag_space(self.flags)

    @property
    def row_outcomes(self) -> "list[tuple[Row, bool]]":
        """For each run, its row (the index of each flag's value) and whether it passed."""
        return [(row_of_run(run, self.flags), run["has_passed"]) for run in self.runs]

    @property
    def has_run_every_combination(self) -> bool:
        """Whether the test ran under every combination that its flags allow."""
        return self.space.has_at_most_rows(len({row for row, _ in self.row_outcomes}))

    @property
    def failing_run_nearest_defaults(self) -> MatrixRun:
        """The failing run with the fewest flags that are not at their default."""
        return self.failing_runs_under(Conjunction(()))[0]

    def failing_runs_under(self, conjunction: Conjunction) -> list[MatrixRun]:
        """Return the failing runs in which a conjunction (condition on flags) holds, those with the fewest changed
        flags first.

        A run whose combination also passed in another repetition comes last.
        """
        passing, space = {row for row, passed in self.row_outcomes if passed}, self.space
        failing = [
            run for run in self.runs if not run["has_passed"] and conjunction.holds(self.values_for_conjunctions(run))
        ]

        def sort_key(run: MatrixRun) -> tuple[bool, int, str]:
            row = row_of_run(run, self.flags)
            return row in passing, count_changed_flags(row, space), run["nodeid"]

        return sorted(failing, key=sort_key)

    def values_for_conjunctions(self, run: MatrixRun) -> dict[str, object]:
        """Return the value of each flag in a run, as conjunctions name it: True or False, or the label of a value."""
        return {
            flag.name: values_in_literals(flag)[index]
            for flag, index in zip(self.flags, row_of_run(run, self.flags), strict=True)
        }

    def count_changed_flags(self, run: MatrixRun) -> int:
        """Return how many flags are not at their default in this run."""
        return count_changed_flags(row_of_run(run, self.flags), self.space)


def find_failing_tests(runs: Iterable[MatrixRun], flags: "Sequence[Flag]", has_pins: bool = False) -> list[FailingTest]:
    """Return the tests that failed in some run. A test that ran under one combination only is left out.

    If the command line pins flags (`has_pins`), flags with the same value in all runs of a test count as pinned.
    """
    found = []
    for name, own in _runs_by_test(runs).items():
        by_cause = _runs_by_cause(own)
        judged = by_cause.get("", ())
        if len(judged) > 1 and not all(run["has_passed"] for run in judged):
            used = tuple(flag for flag in flags if flag.name in own[0]["row"])
            pins = _values_shared_by_all_runs(used, own) if has_pins else {}
            found.append(FailingTest(name, used, tuple(judged), pins, faults_in_every_run(own)))
    return found


def tests_that_failed_in_their_only_run(runs: Iterable[MatrixRun]) -> list[str]:
    """Return the names of the tests that ran under a single combination and failed."""
    return [name for name, (first, *others) in _runs_by_test(runs).items() if not others and not first["has_passed"]]


def runs_by_cause_other_than_flags(
    runs: Iterable[MatrixRun], tests: Iterable[FailingTest]
) -> dict[str, list[MatrixRun]]:
    """Return the runs whose outcome is not due to flags, by the cause of the outcome, such as `skipped`.

    A run that was skipped or expected to fail is included only if its test is one of `tests`, which failed under other
    combinations.
    """
    failing, found = {test.name for test in tests}, dict[str, list[MatrixRun]]()
    for name, own in _runs_by_test(runs).items():
        for cause, group in _runs_by_cause(own).items():
            if cause and (name in failing or cause not in (TEST_SKIPPED, EXPECTED_FAILURE, UNEXPECTED_PASS)):
                found.setdefault(cause, []).extend(group)
    return found


def faults_in_every_run(runs: Sequence[MatrixRun]) -> frozenset[str]:
    """Return the faults that could fire in every run of a test.

    Runs that ended before they opened their cassette are ignored, because faults are set up when a cassette is opened.
    """
    armed = [frozenset(run["faults"]) for run in runs if run["exclusion_reason"] != NO_CASSETTE_REASON]
    return frozenset.intersection(*armed) if armed else frozenset()


def _runs_by_test(runs: Iterable[MatrixRun]) -> dict[str, list[MatrixRun]]:
    """Group runs by the name of their test."""
    tests: dict[str, list[MatrixRun]] = {}
    for run in runs:
        tests.setdefault(run["test"], []).append(run)
    return tests


def _runs_by_cause(runs: Sequence[MatrixRun]) -> dict[str, list[MatrixRun]]:
    """Group the runs of a test by the cause, other than flags, of their outcome.

    The key is empty if there is no such cause.
    """
    shared, found = faults_in_every_run(runs), dict[str, list[MatrixRun]]()
    for run in runs:
        own_faults = [fault for fault in run["faults"] if fault not in shared]
        cause = run["cause_other_than_flags"]
        if not cause and not run["has_passed"] and own_faults:
            cause = f"not all combinations have the fault {', '.join(own_faults)}"
        found.setdefault(cause, []).append(run)
    return found


def _values_shared_by_all_runs(flags: "Iterable[Flag]", runs: Sequence[MatrixRun]) -> dict[str, object]:
    """Return the value of each flag that has the same value in all runs, by the flag's name."""
    values = {flag.name: {run["row"][flag.name] for run in runs} for flag in flags}
    return {flag.name: flag.values[min(values[flag.name])] for flag in flags if len(values[flag.name]) == 1}


def row_of_run(run: MatrixRun, flags: "Sequence[Flag]") -> "Row":
    """Return the row of a run: the index of each flag's value. Flags that the test does not use have their default."""
    return tuple(run["row"].get(flag.name, value) for flag, value in zip(flags, default_row(tuple(flags)), strict=True))


def outcomes_by_test(tests: Mapping[str, FailingTest], flags: "Sequence[Flag]") -> "dict[str, list[tuple[Row, bool]]]":
    """Return, by the name of each test, pairs of the row of a run and whether the run passed.

    A row has an index for each of `flags`, with the default for flags that the test does not use.
    """
    return {name: [(row_of_run(run, flags), run["has_passed"]) for run in test.runs] for name, test in tests.items()}


def count_changed_flags(row: "Row", space: FlagSpace) -> int:
    """Return how many flags in a row are not at their default."""
    return sum(map(ne, row, space.default_row))
