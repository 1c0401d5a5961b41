"""What a flag costs or saves in dollars, tokens and time: the figures of the first screen, in a few words each."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, TypeAlias

from flag_harness.analysis.effects.figures import MetricEffect, are_comparable, group_runs_to_compare, setting_name
from flag_harness.flag import value_text
from flag_harness.matrix import node_id_of_all_combinations
from flag_harness.record import RunRecord, RunRow
from flag_harness.report.cache_map import RUNS_PER_PRICE_FIGURE
from flag_harness.report.metrics import default_values, flag_groups, labels_of_flag_values
from flag_harness.wording import count_with_noun, dollars_text, join_names, ratio_in_words

RunPair: TypeAlias = tuple[RunRow, RunRow]
"""A run with a flag, and the run of the same test that differs in this flag alone."""
FIGURES = 5
"""How many cells each flag has: all but that of errors, which only a flag has that changes their number."""
MAX_LEFT_OUT_TESTS = 4
"""The most tests of which a line says how many pairs are left out; the others are counted."""
_UNEXPLAINED_SHARE = 0.1
"""A figure depends on another flag if at most this share of its spread over pairs is left within the flag's values."""
UNCHANGED = "same"
UNKNOWN = "unknown"
_OUTCOMES_WORST_FIRST = ("failed", "inconclusive", "skipped", "xfailed")
_REASONS = {
    "failed": "a run of the pair failed",
    "inconclusive": "a run of the pair is inconclusive",
    "skipped": "a run of the pair was skipped",
    "xfailed": "a run of the pair was expected to fail",
}


@dataclass(frozen=True, slots=True)
class LeftOutPairs:
    """Pairs of runs that the figures of a flag do not compare, why, and how many there are of each test."""

    reason: str
    tests: tuple[tuple[str, int], ...]

    @property
    def count(self) -> int:
        """How many pairs they are."""
        return sum(count for _, count in self.tests)


@dataclass(frozen=True, slots=True)
class FigureCell:
    """What a flag changes in one figure, in a few words. `is_same` says that it changes nothing."""

    name: str
    text: str
    is_same: bool = False


@dataclass(frozen=True, slots=True)
class FlagFigures:
    """What a flag costs or saves.

    Attributes:
        cells: the figures, in the order in which they are shown.
        pairs: how many pairs of runs differ in this flag alone.
        compared: how many of them the figures come from.
        left_out: the others.
        dollars_per_run: how many more US dollars a run of a test costs; None if no price is known.
        dollars_per_suite: the same for a run of each of the `tests` once.
        tests: how many tests have a pair that is compared.
    """

    cells: tuple[FigureCell, ...]
    pairs: int
    compared: int
    left_out: tuple[LeftOutPairs, ...]
    dollars_per_run: float | None
    dollars_per_suite: float | None
    tests: int

    @property
    def are_same(self) -> bool:
        """Whether the flag changes none of the figures."""
        return all(cell.is_same for cell in self.cells)

    @property
    def text(self) -> str:
        """What the flag changes, in one line, and how many pairs say so."""
        changed = [f"{cell.name} {cell.text}" for cell in self.cells if not cell.is_same]
        if not self.compared:
            return f"unknown: none of {count_with_noun(self.pairs, 'pair')} of runs can be compared"
        found = "; ".join(changed) or f"the same {', '.join(cell.name for cell in self.cells)}"
        return f"{found} ({self.compared:,} of {self.pairs:,} pairs)"


def pairs_by_setting(record: RunRecord) -> dict[str, list[RunPair]]:
    """Return the pairs of runs that differ in one flag alone, whatever their outcome, by the change of the flag."""
    labels = labels_of_flag_values(record)
    rows = [row for row in record.rows if row.sweep is None]
    found = group_runs_to_compare(rows, default_values(record), flag_groups(record), most=1).items()
    return {
        setting_name(*settings[0], labels): [(runs[0], runs[1]) for runs in groups]
        for settings, groups in found
        if len(settings) == 1
    }


def flag_figures(pairs: Sequence[RunPair], effects: Mapping[str, MetricEffect], tests: int) -> FlagFigures:
    """Return what a flag costs or saves.

    `effects` has what it changes, by the name of the figure. `tests` is the number of tests in the run.
    """
    compared = [pair for pair in pairs if are_comparable(pair)]
    dollars = _differences_by_test(compared, lambda row: row.cost)
    per_run = fmean(one for own in dollars.values() for one in own) if dollars else None
    per_suite = sum(map(fmean, dollars.values())) if dollars else None
    own_tests = len({_test(row) for row, _ in compared})
    suite = (
        f"{own_tests:,} of the {tests:,} tests"
        if own_tests < tests
        else "the test"
        if tests == 1
        else f"the {tests:,} tests"
    )
    cells = (
        _dollars_cell(effects.get("cost"), per_suite, f"{own_tests:,} of {suite}" if own_tests < tests else suite),
        _tokens_cell(effects, compared),
        _time_cell(effects.get("total time"), compared),
        _first_token_cell(compared),
        _count_cell("requests", effects.get("requests"), compared),
    )
    errors = effects.get("errors")
    more = (_count_cell("errors", errors, compared),) if errors is not None and not errors.is_unchanged else ()
    left_out = tuple(_left_out_pairs(pairs))
    return FlagFigures((*cells, *more), len(pairs), len(compared), left_out, per_run, per_suite, own_tests)


def left_out_texts(figures: Mapping[str, FlagFigures]) -> Iterator[str]:
    """Yield which pairs are not compared; flags that leave out as many pairs of the same tests share a line.

    `figures` has those of each flag, by its change from the default.
    """
    groups: dict[LeftOutPairs, list[str]] = {}
    for setting, own in figures.items():
        for left_out in own.left_out:
            groups.setdefault(left_out, []).append(setting)
    for left_out, settings in groups.items():
        tests = join_names((f"{short_name(test)} ({count})" for test, count in left_out.tests), MAX_LEFT_OUT_TESTS)
        pairs = f"{left_out.count} of {figures[settings[0]].pairs} pairs"
        yield f"{join_names(settings)}: {pairs} left out, as {left_out.reason}: {tests}"


def short_name(test: str) -> str:
    """Return the name of a test's function, with the parameters that are no flags."""
    return test.rpartition("::")[2].removesuffix("[*]")


def _left_out_pairs(pairs: Sequence[RunPair]) -> Iterator[LeftOutPairs]:
    """Yield the pairs that are not compared, by their reason."""
    groups: dict[str, Counter[str]] = {}
    for pair in pairs:
        if not are_comparable(pair):
            groups.setdefault(_reason_to_leave_out(pair), Counter())[_test(pair[0])] += 1
    for reason, counts in groups.items():
        yield LeftOutPairs(reason, tuple(counts.most_common()))


def _reason_to_leave_out(pair: RunPair) -> str:
    outcomes = {row.outcome for row in pair}
    for outcome in _OUTCOMES_WORST_FIRST:
        if outcome in outcomes:
            return _REASONS[outcome]
    if excluded := [row.excluded_from_effects for row in pair if row.excluded_from_effects]:
        return f"the test says: {excluded[0]}"
    return "the simulator answered one run of the pair alone"


def _test(row: RunRow) -> str:
    return node_id_of_all_combinations(row.case, row.combination)


def _differences_by_test(pairs: Sequence[RunPair], read: Callable[[RunRow], float | None]) -> dict[str, list[float]]:
    """Return by how much a figure differs in each pair, by test. Pairs in which a run lacks it are left out."""
    found: dict[str, list[float]] = {}
    for row, other in pairs:
        value, without = read(row), read(other)
        if value is not None and without is not None:
            found.setdefault(_test(row), []).append(value - without)
    return found


def _dollars_cell(effect: MetricEffect | None, per_suite: float | None, suite: str) -> FigureCell:
    """Return how many more dollars one run of each test costs, and 1,000 of them."""
    if per_suite is None:
        return FigureCell("dollars", UNKNOWN)
    if effect is None or effect.is_unchanged:
        return FigureCell("dollars", UNCHANGED, is_same=True)
    many = f"{dollars_text(RUNS_PER_PRICE_FIGURE * per_suite)} per {RUNS_PER_PRICE_FIGURE:,} runs"
    text = f"{dollars_text(per_suite)} per run of {suite}, {many} ({_ratio_of_effect(effect)})"
    return FigureCell("dollars", text)


def _ratio_of_effect(effect: MetricEffect) -> str:
    """Return how much more or less it is with the flag, and how sure that is."""
    if effect.low is None or effect.high is None:
        return f"{ratio_in_words(effect.mean)}, in the only pair"
    if effect.is_mixed:
        return effect.mixed_text
    if not effect.is_significant:
        return f"may be chance: from {ratio_in_words(effect.low)} to {ratio_in_words(effect.high)}"
    return ratio_in_words(effect.mean)


def _tokens_cell(effects: Mapping[str, MetricEffect], pairs: Sequence[RunPair]) -> FigureCell:
    """Return how many more tokens a run sends and gets."""
    known = [(word, effect) for word in ("input", "output") if (effect := effects.get(f"{word} tokens")) is not None]
    changed = [f"{word} {_difference_of_effect(effect, pairs)}" for word, effect in known if not effect.is_unchanged]
    if changed:
        return FigureCell("tokens", ", ".join(changed))
    return FigureCell("tokens", UNCHANGED if known else UNKNOWN, is_same=bool(known))


def _count_cell(name: str, effect: MetricEffect | None, pairs: Sequence[RunPair]) -> FigureCell:
    if effect is None or effect.is_unchanged:
        return FigureCell(name, UNKNOWN if effect is None else UNCHANGED, is_same=effect is not None)
    return FigureCell(name, _difference_of_effect(effect, pairs))


def _difference_of_effect(effect: MetricEffect, pairs: Sequence[RunPair]) -> str:
    """Return how many more there are with the flag, and how sure that is."""
    if effect.is_mixed:
        return _text_by_other_flag(effect, pairs) or effect.mixed_text
    if effect.low is not None and not effect.is_significant:
        return f"{effect.short_text}, which may be chance"
    return effect.short_text


def _text_by_other_flag(effect: MetricEffect, pairs: Sequence[RunPair]) -> str:
    """Return the mean differences with and without the other flag that they depend on; empty if there is none."""
    known = [(pair, effect.figure.difference(*pair)) for pair in pairs]
    found = [(pair, one) for pair, one in known if one is not None]
    total = _spread([one for _, one in found])
    for flag in found[0][0][0].values:
        groups: dict[Any, list[float]] = {}
        for (row, other), one in found:
            if row.values.get(flag) == other.values.get(flag):
                groups.setdefault(value_text(row.values.get(flag)), []).append(one)
        if len(groups) > 1 and sum(map(_spread, groups.values())) <= _UNEXPLAINED_SHARE * total:
            parts = {_setting_text(flag, value): fmean(own) for value, own in sorted(groups.items())}
            return ", ".join(f"{effect.format_value(one)} {when}" for when, one in parts.items())
    return ""


def _spread(numbers: Sequence[float]) -> float:
    """Return the sum of the squared distances from the mean."""
    middle = fmean(numbers)
    return sum((one - middle) ** 2 for one in numbers)


def _setting_text(flag: str, value: str) -> str:
    return {"true": f"with {flag}", "false": f"without {flag}"}.get(value, f"with {flag}={value}")


def _time_cell(effect: MetricEffect | None, pairs: Sequence[RunPair]) -> FigureCell:
    """Return how much longer the answers to a run take."""
    if effect is None or effect.is_unchanged:
        return FigureCell("time", UNKNOWN if effect is None else UNCHANGED, is_same=effect is not None)
    seconds = fmean(row.seconds - other.seconds for row, other in pairs)
    return FigureCell("time", f"{seconds:+,.2f} s ({_ratio_of_effect(effect)})")


def _first_token_cell(pairs: Sequence[RunPair]) -> FigureCell:
    """Return how much later the first token of a run comes. An answer that is no stream comes whole at its end."""
    streamed = [(row, other) for row, other in pairs if (row.first_token or other.first_token) is not None]
    waits = [(_wait(row), _wait(other)) for row, other in streamed if row.requests and other.requests]
    if not waits:
        return FigureCell("first token", "nothing streamed", is_same=True)
    if all(first == second for first, second in waits):
        return FigureCell("first token", UNCHANGED, is_same=True)
    after, before = (fmean(side) for side in zip(*waits, strict=True))
    return FigureCell("first token", f"{after - before:+.2f} s ({before:.2f} to {after:.2f} s)")


def _wait(row: RunRow) -> float:
    """Return the seconds until a run shows the first text: a token of a stream, or the first whole answer."""
    return row.requests[0].seconds if row.first_token is None else row.first_token
