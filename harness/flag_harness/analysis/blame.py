"""Explain the failures of a test: find the flag values that hold in all failing runs and in no passing run.

A row is one value for each flag. A literal is a condition on one flag, such as `not streaming`. A conjunction joins
literals, such as `streaming and model=haiku`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from operator import or_

from flag_harness.analysis.conjunctions import Conjunction, FlagEncoding, find_minimal_hitting_sets, split_into_bits
from flag_harness.matrix import FlagSpace, Row

RowOutcome = tuple[Row, bool]
"""A row (one value for each flag), and whether the test passed under it. The same row may occur several times."""

MAX_CANDIDATE_CONJUNCTIONS = 2_000
MAX_SEARCH_STEPS = 20_000
"""The limits of the search. If one is reached, the explanation is correct, but a smaller one may exist."""


@dataclass(frozen=True, slots=True)
class FailureExplanation:
    """The flag values that make a test fail, as conjunctions such as `streaming and model=haiku`.

    At least one conjunction holds in every failing row (combination of flag values), and none in a passing row.
    `flaky_rows` lists the rows that both passed and failed; the conjunctions do not explain these. `is_proven_smallest`
    is False if the search stopped before it had ruled out a smaller explanation.
    """

    conjunctions: tuple[Conjunction, ...]
    flaky_rows: tuple[Row, ...] = ()
    is_proven_smallest: bool = True

    @property
    def always_fails(self) -> bool:
        """Whether every row that was run failed, so that no flag value makes a difference."""
        return self.conjunctions == (Conjunction(()),)

    def __str__(self) -> str:
        if not self.conjunctions:
            return "never fails"
        if self.always_fails:
            return "always fails"
        return "fails when " + ", or when ".join(str(conjunction) for conjunction in self.conjunctions)


@dataclass(frozen=True, slots=True)
class SharedExplanation:
    """An explanation that several tests have in common: which flag values make them fail. `tests` has their names."""

    explanation: FailureExplanation
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.explanation}: {len(self.tests)} {'test' if len(self.tests) == 1 else 'tests'}"


@dataclass(frozen=True, slots=True)
class SharedConjunction:
    """A conjunction (such as `streaming and model=haiku`) that explains failures of several tests, and the names of
    these tests.
    """

    conjunction: Conjunction
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SuspectConjunction:
    """A condition on flags (a conjunction) that holds in no passing row, and the number of failing rows that it would
    explain.
    """

    conjunction: Conjunction
    failing_row_count: int


def explain_failures(space: FlagSpace, runs: Iterable[RowOutcome]) -> FailureExplanation:
    """Return the smallest explanation of a test's failures: as few and as short conjunctions of flag values as
    possible.

    Combinations that were not run may pass or fail. If all allowed combinations were run, the explanation is the
    minimal disjunctive normal form.
    """
    return _FailureExplainer(space).explain_test_failures(runs)


def explain_failures_by_test(
    space: FlagSpace, tests: Mapping[str, Iterable[RowOutcome]]
) -> tuple[SharedExplanation, ...]:
    """Explain the failures of several tests, and group the tests that have the same explanation.

    `tests` has the outcomes of each test by its name. The largest group comes first. Tests that never fail are left
    out.
    """
    explainer = _FailureExplainer(space)
    groups: dict[tuple[Conjunction, ...], list[tuple[str, FailureExplanation]]] = {}
    for name, runs in tests.items():
        explanation = explainer.explain_test_failures(runs)
        if explanation.conjunctions:
            groups.setdefault(explanation.conjunctions, []).append((name, explanation))
    findings = [
        SharedExplanation(
            _merge_explanations([explanation for _, explanation in group]), tuple(name for name, _ in group)
        )
        for group in groups.values()
    ]
    return tuple(sorted(findings, key=lambda finding: -len(finding.tests)))


def split_into_conjunctions(findings: Iterable[SharedExplanation]) -> tuple[SharedConjunction, ...]:
    """Return each conjunction that occurs in the explanations once, with all tests that it makes fail.

    The conjunction with the most tests comes first.
    """
    tests: dict[Conjunction, list[str]] = {}
    for finding in findings:
        for conjunction in finding.explanation.conjunctions:
            tests.setdefault(conjunction, []).extend(finding.tests)
    found = (SharedConjunction(conjunction, tuple(names)) for conjunction, names in tests.items())
    return tuple(sorted(found, key=lambda one: -len(one.tests)))


def find_suspects(space: FlagSpace, runs: Iterable[RowOutcome], max_size: int) -> tuple[SuspectConjunction, ...]:
    """Return all sets of at most `max_size` flag values that some failing row has and that no passing row has.

    The sets that explain the most failing rows come first; of these, the shortest.
    """
    encoding = FlagEncoding(space)
    failing, passing, _ = split_rows_into_failing_passing_flaky(runs)
    fail_bits = [encoding.encode_row(row) for row in failing]
    pass_bits = [encoding.encode_row(row) for row in passing]
    found: dict[int, int] = {}
    for row in fail_bits:
        for excluded in _conjunctions_in_no_passing_row(list(encoding.literals_in_row(row)), pass_bits, max_size):
            if excluded not in found:
                found[excluded] = sum(1 for other in fail_bits if not other & excluded)
    order = sorted(found, key=lambda excluded: (-found[excluded], encoding.count_literals(excluded), excluded))
    return tuple(SuspectConjunction(encoding.make_conjunction(excluded), found[excluded]) for excluded in order)


def split_rows_into_failing_passing_flaky(runs: Iterable[RowOutcome]) -> tuple[list[Row], list[Row], list[Row]]:
    """Return three lists: the rows that always failed, the rows that always passed, and the rows that did both."""
    outcomes: dict[Row, int] = {}
    for row, passed in runs:
        outcomes[row] = outcomes.get(row, 0) | (2 if passed else 1)
    rows: tuple[list[Row], list[Row], list[Row]] = ([], [], [])
    for row, outcome in outcomes.items():
        rows[outcome - 1].append(row)
    return rows


class _FailureExplainer:
    """Explains the failures of many tests of one flag space. For tests with equal outcomes, the work is done once."""

    def __init__(self, space: FlagSpace) -> None:
        self._encoding = FlagEncoding(space)
        self._explanations: dict[tuple[frozenset[int], frozenset[int]], tuple[tuple[Conjunction, ...], bool]] = {}

    def explain_test_failures(self, runs: Iterable[RowOutcome]) -> FailureExplanation:
        """Return the explanation of one test's failures. It is cached for tests with equal outcomes."""
        failing, passing, flaky = split_rows_into_failing_passing_flaky(runs)
        if not failing:
            return FailureExplanation((), tuple(flaky))
        fail_bits = frozenset(map(self._encoding.encode_row, failing))
        pass_bits = frozenset(map(self._encoding.encode_row, passing))
        key = fail_bits, pass_bits
        if key not in self._explanations:
            chosen, smallest = self._find_conjunctions(sorted(fail_bits), sorted(pass_bits))
            chosen.sort(key=lambda excluded: (self._encoding.count_literals(excluded), excluded))
            self._explanations[key] = tuple(map(self._encoding.make_conjunction, chosen)), smallest
        conjunctions, smallest = self._explanations[key]
        return FailureExplanation(conjunctions, tuple(flaky), smallest)

    def _find_conjunctions(self, failing: list[int], passing: list[int]) -> tuple[list[int], bool]:
        """Return `(conjunctions, is_complete)`: conjunctions of which at least one holds in each failing row, and none
        in a passing row.

        Rows are bit masks of their values, and conjunctions are bit masks of the values that they exclude. If a single
        conjunction is enough, only that one is returned. `is_complete` is False if the search stopped early.
        """
        common = ~reduce(or_, failing) & self._encoding.all_bits
        if all(common & row for row in passing):
            single, complete = self._find_minimal_conjunctions(common, passing)
            return [min(single, key=self._conjunction_sort_key)], complete
        return self._find_fewest_conjunctions(failing, passing)

    def _find_minimal_conjunctions(self, allowed: int, passing: list[int]) -> tuple[list[int], bool]:
        """Return `(conjunctions, is_complete)`: the shortest conjunctions that hold in no passing row.

        Conjunctions are bit masks of the values that they exclude. Only values in the mask `allowed` may be excluded.
        `is_complete` is False if the search stopped early.
        """
        return find_minimal_hitting_sets((allowed & row for row in passing), MAX_CANDIDATE_CONJUNCTIONS)

    def _find_fewest_conjunctions(self, failing: list[int], passing: list[int]) -> tuple[list[int], bool]:
        """Return `(conjunctions, is_complete)`: the fewest of which one holds in each failing row, none in a passing.

        Of several choices, return one with the fewest literals. `is_complete` is False if the search stopped early.
        """
        left, essential, primes, complete = list(failing), [], set[int](), True
        for row in sorted(failing, key=lambda row: -sum(1 for other in passing if (row ^ other).bit_count() == 2)):
            if row not in left:
                continue
            found, is_complete = self._find_minimal_conjunctions(~row & self._encoding.all_bits, passing)
            complete &= is_complete
            if len(found) == 1:
                essential.append(found[0])
                left = [other for other in left if other & found[0]]
            primes.update(found)
        covers = {
            prime: _mask_of_true_conditions(not row & prime for row in left)
            for prime in sorted(primes, key=self._conjunction_sort_key)
        }
        chosen, is_smallest = find_smallest_set_cover(covers, (1 << len(left)) - 1, self._conjunction_sort_key)
        return essential + chosen, complete and is_smallest

    def _conjunction_sort_key(self, excluded: int) -> tuple[int, int]:
        """Return a sort key with which the conjunctions with the fewest literals come first."""
        return self._encoding.count_literals(excluded), excluded


def find_smallest_set_cover(
    covers: Mapping[int, int], everything: int, cost: Callable[[int], tuple[int, int]]
) -> tuple[list[int], bool]:
    """Return `(keys, is_proven)`: the fewest keys of `covers` whose bit masks together have all bits of `everything`.

    If there are several such choices, return the one with the lowest sum of the first values of `cost(key)`.
    `is_proven` is False if the search stopped before it had ruled out a better choice.
    """
    best = _find_greedy_set_cover(covers, everything)
    best_cost = (len(best), sum(cost(key)[0] for key in best))
    steps = 0

    def search_covers(chosen: list[int], left: int, spent: int) -> None:
        """Add keys to `chosen` until the bits in `left` are covered, and remember the best choice.

        `spent` is the cost so far.
        """
        nonlocal best, best_cost, steps
        steps += 1
        if not left and (len(chosen), spent) < best_cost:
            best, best_cost = chosen, (len(chosen), spent)
        if not left or len(chosen) + 1 > best_cost[0] or steps > MAX_SEARCH_STEPS:
            return
        bit = min(split_into_bits(left), key=lambda bit: sum(1 for mask in covers.values() if mask & bit))
        for key, mask in covers.items():
            if mask & bit:
                search_covers([*chosen, key], left & ~mask, spent + cost(key)[0])

    search_covers([], everything, 0)
    return best, steps <= MAX_SEARCH_STEPS


def _conjunctions_in_no_passing_row(literals: list[tuple[int, int]], passing: list[int], size: int) -> Iterator[int]:
    """Yield the conjunctions of at most `size` literals that hold in no passing row, as bit masks of excluded values.

    `literals` are pairs of a flag's index and the mask of excluded values. A conjunction has at most one literal per
    flag.
    """
    everything = (1 << len(passing)) - 1
    refuted = {excluded: _mask_of_true_conditions(bool(row & excluded) for row in passing) for _, excluded in literals}
    for count in range(size + 1):
        for chosen in combinations(literals, count):
            if len({index for index, _ in chosen}) == count:
                hit = excluded_bits = 0
                for _, excluded in chosen:
                    hit |= refuted[excluded]
                    excluded_bits |= excluded
                if hit == everything:
                    yield excluded_bits


def _merge_explanations(explanations: Sequence[FailureExplanation]) -> FailureExplanation:
    """Return one explanation for several that have the same conjunctions. It has the flaky rows of all of them."""
    flaky = dict.fromkeys(row for explanation in explanations for row in explanation.flaky_rows)
    smallest = all(explanation.is_proven_smallest for explanation in explanations)
    return FailureExplanation(explanations[0].conjunctions, tuple(flaky), smallest)


def _mask_of_true_conditions(conditions: Iterable[bool]) -> int:
    """Return a number in which bit number `i` is set if the condition at index `i` is true."""
    return sum(1 << position for position, condition in enumerate(conditions) if condition)


def _find_greedy_set_cover(covers: Mapping[int, int], everything: int) -> list[int]:
    """Return keys of `covers` whose bit masks have all bits of `everything`: each time the key that adds most missing
    bits.
    """
    chosen, left = [], everything
    while left:
        key = max(covers, key=lambda key: (covers[key] & left).bit_count())
        chosen.append(key)
        left &= ~covers[key]
    return chosen
