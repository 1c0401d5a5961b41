"""Judge flags: is a flag harmful, is it safe, and which losses can the data not exclude?

For each flag two hypotheses are tested. Both tests are valid however often one looks at the results:

- HARM: in some stratum, the flag makes results worse than without it.
- SAFE: in no stratum is the loss as large as the margin. All strata must show this at the same look.
  A loss of one and a half margins must be excluded too, at a fiftieth of the error rate.

A stratum is a test, a group of tests, or either under one setting of other flags. Its rounds are differences from -1 to
1: the result with the flag minus the result without it. Results that depend on each other must be in one round.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

from flag_harness.analysis.verdict.betting import make_harm_process, make_safety_process
from flag_harness.analysis.verdict.multiplicity import holm_rejections
from flag_harness.analysis.verdict.stratum_test import StratumTest, rounds_to_fail, rounds_to_pass, safety_p_value

DEFAULT_MARGIN = 0.10
DEFAULT_ALPHA = 0.05
_SAFE_ALPHA_SHARE = 0.5
"""SAFE is tested at this share of the error rate alpha, because passing a harmful flag is the worse error."""

REPORTED_LOSSES = (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.7, 1.0)
"""The losses of which a verdict says whether the rounds rule them out."""

Decision: TypeAlias = Literal["PASS", "FAIL", "HARM WITHIN THE MARGIN", "INCONCLUSIVE"]


class FlagFinding(NamedTuple):
    """What the statistical tests say about one flag.

    `harmed_strata_indices` are the indices of the groups of tests (strata) that the flag harms. `is_safe` says whether
    all are safe.
    """

    harmed_strata_indices: tuple[int, ...]
    is_safe: bool

    @property
    def decision(self) -> Decision:
        """The decision that follows from the harmed and safe groups of tests, such as `PASS`."""
        if self.harmed_strata_indices:
            return "HARM WITHIN THE MARGIN" if self.is_safe else "FAIL"
        return "PASS" if self.is_safe else "INCONCLUSIVE"


def find_harm_and_safety(flags: Sequence[Sequence[StratumTest]], alpha: float = DEFAULT_ALPHA) -> list[FlagFinding]:
    """Return, for each flag, which groups of tests (strata) it harms, and whether it is safe for all of them.

    `flags` has the statistical tests of each flag's strata. The error rate `alpha` holds over all flags together
    (Holm).
    """
    cells = [(owner, index) for owner, strata in enumerate(flags) for index in range(len(strata))]
    rejections = holm_rejections([flags[owner][index].harm_test.p_value for owner, index in cells], alpha)
    safe = holm_rejections([safety_p_value(strata) for strata in flags], alpha * _SAFE_ALPHA_SHARE)
    harmed: list[list[int]] = [[] for _ in flags]
    for (owner, index), is_rejected in zip(cells, rejections, strict=True):
        if is_rejected:
            harmed[owner].append(index)
    return [FlagFinding(tuple(indices), is_safe) for indices, is_safe in zip(harmed, safe, strict=True)]


@dataclass(frozen=True, slots=True)
class Stratum:
    """The results of one test, or of one group of tests, which are judged by themselves.

    `gains` has, for each round in the order of time, the result with the flag minus the result without the flag.
    """

    name: str
    gains: tuple[float, ...]

    @property
    def mean_loss(self) -> float:
        """The mean loss over all rounds: negative if the flag improves results, and 0 if there are no rounds."""
        return -math.fsum(self.gains) / len(self.gains) if self.gains else 0.0

    def make_test(self, margin: float) -> StratumTest:
        """Return the statistical tests for harm and for safety, with all rounds added."""
        test = StratumTest(margin)
        for gain in self.gains:
            test.add_gain(gain)
        return test

    def smallest_excluded_loss(self, level: float) -> float | None:
        """Return the smallest loss that the rounds rule out together with all larger losses, or None if they rule out
        none.

        `level` is the error rate.
        """
        smallest = None
        for loss in reversed(REPORTED_LOSSES):
            process = make_safety_process(loss)
            for gain in self.gains:
                process.add_difference(gain)
            if process.p_value > level:
                break
            smallest = loss
        return smallest


@dataclass(frozen=True, slots=True)
class ExpectedImprovement:
    """A figure that a flag should improve, and what the rounds show about it.

    Attributes:
        figure_name: the name of the figure, such as `cost`.
        direction: `lower` or `higher`.
        gains: for each round over all tests, the share of tests that improved minus the share that got worse.
    """

    figure_name: str
    direction: str
    gains: tuple[float, ...]

    def judge_improvement(self, level: float) -> Literal["shown", "contradicted", "not shown"]:
        """Return whether the rounds show the improvement, or show its absence (`contradicted`), at the error rate
        `level`.
        """
        better, worse = make_harm_process(), make_harm_process()
        for gain in self.gains:
            better.add_difference(gain)
            worse.add_difference(-gain)
        if better.p_value <= level:
            return "shown"
        return "contradicted" if worse.p_value <= level else "not shown"


@dataclass(frozen=True, slots=True)
class FlagEvidence:
    """The evidence about one flag, or about one value of a flag.

    Attributes:
        flag_change: the flag's name, such as `streaming`, or `model=haiku`.
        strata: the rounds of each stratum. A stratum without rounds prevents a PASS.
        margin: the loss that counts as too large, such as 0.10.
        pass_obstacles: sentences that say why this evidence cannot support a PASS, however good it looks.
        expected_improvements: the figures that the flag should improve. A PASS needs every improvement to be shown.
    """

    flag_change: str
    strata: tuple[Stratum, ...]
    margin: float = DEFAULT_MARGIN
    pass_obstacles: tuple[str, ...] = ()
    expected_improvements: tuple[ExpectedImprovement, ...] = ()

    def is_expectation_open(self, level: float) -> bool:
        """Return whether further rounds may still show an expected improvement that is not shown yet.

        `level` is the error rate.
        """
        return any(one.judge_improvement(level) == "not shown" for one in self.expected_improvements)


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on one flag.

    Attributes:
        flag_change: the flag's name, or its name and value.
        decision: `PASS` if SAFE is shown and HARM is not, `FAIL` if HARM is shown and SAFE is not,
            `HARM WITHIN THE MARGIN` if both are, and otherwise `INCONCLUSIVE`.
        margin: the loss that counts as too large.
        harmed_strata: the names of the strata in which harm is shown.
        worst_stratum: the stratum with the largest mean loss, or None if there are no strata.
        round_count: the number of rounds in the stratum with the fewest.
        excluded_loss: the smallest loss that is excluded in every stratum, or None.
        rounds_to_pass: about how many further rounds a PASS takes if the flag changes nothing; 0 if nothing is open.
        rounds_to_fail: about how many further rounds a FAIL takes if the worst stratum loses as much in them as so far,
            which is the margin or more; None if it loses less, or the verdict is decided.
        pass_obstacles: why the evidence cannot support a PASS.
    """

    flag_change: str
    decision: Decision
    margin: float
    harmed_strata: tuple[str, ...]
    worst_stratum: Stratum | None
    round_count: int
    excluded_loss: float | None
    rounds_to_pass: int
    rounds_to_fail: int | None = None
    pass_obstacles: tuple[str, ...] = ()


def judge_flags(flags: Sequence[FlagEvidence], alpha: float = DEFAULT_ALPHA) -> tuple[Verdict, ...]:
    """Return the verdict on each flag.

    The chance that any harmless flag fails is at most `alpha`. The chance that any flag passes is at most `alpha / 2`
    if it loses the margin or more in some stratum (test or group of tests), and at most `alpha / 100` if it loses one
    and a half margins. This holds over all flags, strata and looks at the results together (Holm).
    """
    tests = [[stratum.make_test(flag.margin) for stratum in flag.strata] for flag in flags]
    level = alpha * _SAFE_ALPHA_SHARE / max(1, len(flags))
    findings = find_harm_and_safety(tests, alpha)
    expected_at = _error_rate_per_expectation(flags, alpha)
    flags = [_add_obstacles_for_missing_improvements(flag, expected_at) for flag in flags]
    harm_level = alpha / max(1, sum(map(len, tests)))
    return tuple(_make_verdict(*figures, level, harm_level) for figures in zip(flags, tests, findings, strict=True))


class SequentialJudge:
    """Decides after each round which flags need no further rounds.

    Its statistical tests continue from round to round.
    """

    def __init__(self, alpha: float = DEFAULT_ALPHA) -> None:
        self._alpha = alpha
        self._tests: dict[tuple[str, int], tuple[tuple[float, ...], StratumTest]] = {}

    def are_flags_decided(self, flags: Sequence[FlagEvidence]) -> list[bool]:
        """Return, for each flag, whether it needs no further rounds.

        It needs none if it is harmful, or if it is safe and no expected improvement can still be shown.
        """
        findings = find_harm_and_safety([self._statistical_tests_of_flag(flag) for flag in flags], self._alpha)
        level = _error_rate_per_expectation(flags, self._alpha)
        return [
            bool(finding.harmed_strata_indices) or (finding.is_safe and not flag.is_expectation_open(level))
            for flag, finding in zip(flags, findings, strict=True)
        ]

    def _statistical_tests_of_flag(self, flag: FlagEvidence) -> list[StratumTest]:
        """Return the statistical test of each of a flag's groups of tests (strata), with all rounds so far."""
        tests = []
        for index, stratum in enumerate(flag.strata):
            gains, test = self._tests.get((flag.flag_change, index), ((), StratumTest(flag.margin)))
            if gains != stratum.gains[: len(gains)]:
                gains, test = (), StratumTest(flag.margin)
            for gain in stratum.gains[len(gains) :]:
                test.add_gain(gain)
            self._tests[flag.flag_change, index] = stratum.gains, test
            tests.append(test)
        return tests


def _error_rate_per_expectation(flags: Sequence[FlagEvidence], alpha: float) -> float:
    """Return the error rate for each expected improvement, so that all of them together have the rate `alpha`
    (Bonferroni).
    """
    return alpha / max(1, sum(len(flag.expected_improvements) for flag in flags))


def _add_obstacles_for_missing_improvements(flag: FlagEvidence, level: float) -> FlagEvidence:
    """Return the evidence with an obstacle to a PASS added for each expected improvement that is not shown."""
    unmet = tuple(
        f"{one.figure_name} was expected to be {one.direction}, and that is {state}"
        for one in flag.expected_improvements
        if (state := one.judge_improvement(level)) != "shown"
    )
    return replace(flag, pass_obstacles=(*flag.pass_obstacles, *unmet))


def _make_verdict(
    flag: FlagEvidence, tests: Sequence[StratumTest], finding: FlagFinding, level: float, harm_level: float
) -> Verdict:
    """Return the verdict on one flag, from its evidence, its statistical tests and what they found.

    `level` and `harm_level` are the error rates for safety and for harm.
    """
    bounds = [stratum.smallest_excluded_loss(level) for stratum in flag.strata]
    known = [bound for bound in bounds if bound is not None]
    excluded = max(known) if known and len(known) == len(bounds) else None
    if finding.is_safe:
        excluded = flag.margin if excluded is None else min(excluded, flag.margin)
    elif excluded is not None and excluded <= flag.margin:  # each stratum excludes it, but not at the same look
        excluded = min((loss for loss in REPORTED_LOSSES if loss > flag.margin), default=None)
    is_hindered = finding.decision == "PASS" and bool(flag.pass_obstacles)
    worst = max(range(len(tests)), key=lambda index: flag.strata[index].mean_loss, default=None)
    return Verdict(
        flag_change=flag.flag_change,
        decision="INCONCLUSIVE" if is_hindered else finding.decision,
        margin=flag.margin,
        harmed_strata=tuple(flag.strata[index].name for index in finding.harmed_strata_indices),
        worst_stratum=None if worst is None else flag.strata[worst],
        round_count=min((len(stratum.gains) for stratum in flag.strata), default=0),
        excluded_loss=excluded,
        rounds_to_pass=0
        if finding.is_safe
        else max((rounds_to_pass(test, flag.margin, level) for test in tests), default=0),
        rounds_to_fail=None
        if worst is None
        or finding.harmed_strata_indices
        or finding.is_safe
        or flag.strata[worst].mean_loss < flag.margin
        else rounds_to_fail(tests[worst], [-gain for gain in flag.strata[worst].gains], harm_level),
        pass_obstacles=flag.pass_obstacles,
    )
