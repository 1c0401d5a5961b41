"""Verdicts as text: the decision, the losses that are not excluded, and what a decision would cost."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from flag_harness.analysis.verdict.evidence import FlagChange, is_provider_failure
from flag_harness.analysis.verdict.judgment import REPORTED_LOSSES, Verdict
from flag_harness.flag import value_text
from flag_harness.wording import count_with_noun, join_names

if TYPE_CHECKING:
    from flag_harness.record import RunRow, VerdictRecord

VERDICT_LEGEND = "round: each test once with the flag and once without it; points: percentage points of the pass rate"
"""What the words of verdicts mean, for a line above them."""
_MAX_NAMED_TESTS = 3


def verdict_lines(verdict: Verdict, rows: "Sequence[RunRow]") -> Iterator[str]:
    """Yield the lines about one verdict. `rows` are the runs with and without the flag.

    The lines say where the answers came from, which runs the provider broke, and what further rounds would cost.
    """
    where = " (simulator only)" if has_simulated_answers(rows) else ""
    rounds = count_with_noun(verdict.rounds, "round")
    yield f"{verdict.flag}: {verdict.decision}{where} after {rounds}{_reason_text(verdict)}"
    yield f"  {describe_losses_ruled_out(verdict)}"
    for obstacle in verdict.obstacles:
        yield f"  no PASS: {obstacle}"
    if text := provider_failures_text(rows):
        yield f"  {text}"
    if verdict.decision == "INCONCLUSIVE" and verdict.rounds_to_pass:
        yield f"  {_cost_text(verdict, rows)}"


def has_simulated_answers(rows: "Iterable[RunRow]") -> bool:
    """Return whether any answer came from the simulator, directly or through a recording of it."""
    return any("simulator" in (row.answered_by, row.recorded_from) for row in rows)


def verdict_record(change: FlagChange, verdict: Verdict, rows: "Iterable[RunRow]") -> "VerdictRecord":
    """Return a verdict in the form of a run record. `rows` are the runs with and without the flag."""
    from flag_harness.record import VerdictRecord

    return VerdictRecord(
        flag=change.flag,
        verdict=verdict.decision.lower(),  # type: ignore[arg-type]
        is_simulated=has_simulated_answers(rows),
        summary=summary_text(verdict),
        base=value_text(change.base),
        value=value_text(change.value),
    )


def provider_failures_text(rows: "Iterable[RunRow]") -> str:
    """Return how many runs failed because of the live API's provider, or an empty string if none did."""
    known = list(rows)
    repeated = sum(row.provider_failures for row in known)
    broken = sum(map(is_provider_failure, known))
    if not repeated and not broken:
        return ""
    left = (
        f"{count_with_noun(broken, 'trial')} stayed broken, and {'is' if broken == 1 else 'are'} neither pass nor fail"
    )
    return f"trials that the provider broke: {repeated} repeated, {left}"


def describe_losses_ruled_out(verdict: Verdict) -> str:
    """Return which losses every test rules out, and the largest loss that is still possible."""
    excluded = verdict.excluded_loss
    if excluded is None:
        return "no loss is excluded, however large"
    below = [loss for loss in REPORTED_LOSSES if loss < excluded]
    rest = f"; not excluded: a loss of {_loss_text(below[-1])}" if below else ""
    return f"excluded in every test: a loss of {_loss_text(excluded)} or more{rest}"


def summary_text(verdict: Verdict) -> str:
    """Return one sentence about a verdict, for a run record."""
    rounds = count_with_noun(verdict.rounds, "round")
    return f"{verdict.flag}: {verdict.decision} after {rounds}; {describe_losses_ruled_out(verdict)}"


def _reason_text(verdict: Verdict) -> str:
    """Return why the decision was made, as the end of a sentence: the harmed tests, or the worst one."""
    if verdict.harmed:
        named, worst = join_names(verdict.harmed, _MAX_NAMED_TESTS), verdict.worst
        is_only_one = worst is not None and verdict.harmed == (worst.name,)
        rest = f", by {worst.mean_loss * 100:.1f} points" if worst and is_only_one else _worst_stratum_text(verdict)
        return f": it is worse with the flag in {named}{rest}"
    if verdict.worst is None:
        return ": no test ran with and without it"
    return _worst_stratum_text(verdict)


def _worst_stratum_text(verdict: Verdict) -> str:
    """Return the worst stratum and how much lower or higher its results are, or an empty string if nothing ran."""
    worst = verdict.worst
    if worst is None or not worst.gains:
        return ""
    change = f"{abs(worst.mean_loss) * 100:.1f} points {'lower' if worst.mean_loss > 0 else 'higher'} with the flag"
    return f"; worst: {worst.name}, {change if worst.mean_loss else 'the same with and without the flag'}"


def _cost_text(verdict: Verdict, rows: "Sequence[RunRow]") -> str:
    """Return how many further rounds and runs a decision takes, and what they cost."""
    repetitions = {row.repetition for row in rows}
    runs = verdict.rounds_to_pass * max(1, round(len(rows) / max(1, len(repetitions))))
    costs = [row.cost for row in rows if row.cost is not None]
    dollars = f", about ${runs * sum(costs) / len(costs):.2f}" if costs else ""
    return (
        f"a PASS must exclude a loss of {_loss_text(verdict.margin)}: if the flag changes nothing, that takes about "
        f"{count_with_noun(verdict.rounds_to_pass, 'further round')} ({count_with_noun(runs, 'run')}{dollars})"
    )


def _loss_text(loss: float) -> str:
    """Return a loss in percentage points, such as `10 points`."""
    return f"{loss * 100:g} points"
