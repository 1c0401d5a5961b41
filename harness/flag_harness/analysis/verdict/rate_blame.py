"""Find combinations of flags that make tests fail more often, although their single flags do not.

Each combination of a test is compared with production, in which all flags have their production values. A combination
is harmful if its rounds show a loss, and safe if they rule out a loss of the margin. The error rates hold over all
tests and combinations together (Holm), however often one looks. If a part of a harmful combination is neither harmful
nor safe, the data cannot tell whether that part does the harm alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from flag_harness.analysis.verdict.evidence import FlagChange, pass_or_fail_score
from flag_harness.analysis.verdict.judgment import DEFAULT_ALPHA, Stratum, find_harm_and_safety
from flag_harness.analysis.verdict.stratum_test import StratumTest, rounds_to_pass
from flag_harness.matrix import node_id_without_combination
from flag_harness.wording import count_with_noun, join_names

if TYPE_CHECKING:
    from flag_harness.record import RunRow

ChangeLabels: TypeAlias = frozenset[str]
"""The changes from production that a combination makes, as labels such as `{"strict", "model=haiku"}`."""
_ScoresByRepetition: TypeAlias = Mapping[int, float]


class _TestUnderChanges(NamedTuple):
    """A test, and the changes from production (as labels) in the combination under which it ran."""

    test: str
    change_labels: ChangeLabels


@dataclass(frozen=True, slots=True)
class _PassRateComparison:
    """The pass rate of a test under the flag values of production, and under a combination that changes some of them.

    `is_harmful` and `is_safe` say what the statistical test of the difference shows; both are False if it shows
    nothing.
    """

    rate_in_production: float
    rate_with_changes: float
    stratum_test: StratumTest
    margin: float
    is_harmful: bool
    is_safe: bool


def harmful_combination_lines(
    rows: "Sequence[RunRow]", changes: Sequence[FlagChange], alpha: float = DEFAULT_ALPHA
) -> Iterator[str]:
    """Yield a line for each combination of several flags that makes a test fail more often and has no harmful part.

    `changes` has every change of every flag from its value in production. Nothing is yielded if no run changes several
    flags.
    """
    compared = _compare_with_production(_results_by_test_and_changes(rows, changes), changes, alpha)
    harmful = [key for key, one in compared.items() if one.is_harmful]
    for key in sorted(harmful, key=lambda key: (key.test, len(key.change_labels), sorted(key.change_labels))):
        is_explained = any(other.test == key.test and other.change_labels < key.change_labels for other in harmful)
        if len(key.change_labels) > 1 and not is_explained:
            yield _harmful_combination_line(key, compared, alpha)


def _results_by_test_and_changes(
    rows: "Sequence[RunRow]", changes: Sequence[FlagChange]
) -> Mapping[_TestUnderChanges, _ScoresByRepetition]:
    """Return, for each test and combination, the score (1 or 0) of each repetition."""
    label_of = {(one.flag, repr(one.new_value)): one.label for one in changes}
    found: dict[_TestUnderChanges, dict[int, float]] = {}
    for row in rows:
        labels = [label_of.get((name, repr(value)), "") for name, value in row.values.items()]
        key = _TestUnderChanges(node_id_without_combination(row.case, row.combination), frozenset(filter(None, labels)))
        if row.values and (result := pass_or_fail_score(row)) is not None:
            found.setdefault(key, {})[row.repetition] = result
    return found


def _compare_with_production(
    results: Mapping[_TestUnderChanges, _ScoresByRepetition], changes: Sequence[FlagChange], alpha: float
) -> Mapping[_TestUnderChanges, _PassRateComparison]:
    """Return, for each test and combination, the comparison of its results with the test's results in production."""
    margins = {one.label: one.margin for one in changes}
    pairs = {
        key: (results.get(_TestUnderChanges(key.test, frozenset()), {}), on)
        for key, on in results.items()
        if key.change_labels
    }
    tests = {}
    for key, (off, on) in pairs.items():
        common = sorted(off.keys() & on.keys())
        margin = min(margins[label] for label in key.change_labels)
        tests[key] = Stratum("", tuple(on[number] - off[number] for number in common)).make_test(margin), margin
    findings = find_harm_and_safety([[test] for test, _ in tests.values()], alpha)
    return {
        key: _PassRateComparison(
            _pass_rate(pairs[key][0]),
            _pass_rate(pairs[key][1]),
            test,
            margin,
            bool(one.harmed_strata_indices),
            one.is_safe,
        )
        for (key, (test, margin)), one in zip(tests.items(), findings, strict=True)
    }


def _pass_rate(results: _ScoresByRepetition) -> float:
    """Return the share of repetitions that passed, or 0 if there are none."""
    return sum(results.values()) / len(results) if results else 0.0


def _harmful_combination_line(
    key: _TestUnderChanges, compared: Mapping[_TestUnderChanges, _PassRateComparison], alpha: float
) -> str:
    """Return the line about a harmful combination. It says whether some of its flags alone may do the harm."""
    one, name = compared[key], " and ".join(sorted(key.change_labels))
    start = (
        f"{key.test}: with {name} together, {one.rate_with_changes:.1%} pass instead of {one.rate_in_production:.1%}"
    )
    unknown = [
        part for part in _combinations_with_fewer_changes(key) if part not in compared or not compared[part].is_safe
    ]
    if not unknown:
        return f"{start}; with fewer of these flags, a loss of {one.margin * 100:g} points is excluded"
    names = join_names([" and ".join(sorted(part.change_labels)) for part in unknown])
    missing = [part for part in unknown if part not in compared]
    if missing:
        return f"{start}; the data cannot tell whether {names} alone would do: not all of that ran"
    level = alpha / 2 / len(compared)
    further = max(rounds_to_pass(compared[part].stratum_test, compared[part].margin, level) for part in unknown)
    rounds = count_with_noun(further, "further round")
    return (
        f"{start}; the data cannot tell whether {names} alone would do: about {rounds}, if it changes nothing. "
        "A run with --harness-record=FILE and without --harness-verdict plays all rounds of --harness-repeat; then: "
        "flag-harness report verdict FILE"
    )


def _combinations_with_fewer_changes(key: _TestUnderChanges) -> Iterator[_TestUnderChanges]:
    """Yield the combinations of the same test that make some, but not all, of the changes of a combination."""
    labels = sorted(key.change_labels)
    for size in range(1, len(labels)):
        yield from (_TestUnderChanges(key.test, frozenset(part)) for part in combinations(labels, size))
