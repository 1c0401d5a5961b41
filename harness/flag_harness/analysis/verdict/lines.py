"""Verdicts as text: the decision, the losses that are not ruled out, and what further rounds would cost."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from flag_harness.analysis.verdict.evidence import FlagChange, is_provider_failure
from flag_harness.analysis.verdict.judgment import REPORTED_LOSSES, Stratum, Verdict
from flag_harness.flag import value_text
from flag_harness.wording import count_with_noun, join_names

if TYPE_CHECKING:
    from flag_harness.record import RunRow, VerdictRecord

VERDICT_LEGEND = "round: each test once with the flag and once without it; points: percentage points of the pass rate"
"""Explains the words that the lines about verdicts use. It is shown above them."""
_MAX_NAMED_TESTS = 3


def verdict_lines(verdict: Verdict, rows: "Sequence[RunRow]") -> Iterator[str]:
    """Yield the lines about one verdict. `rows` are the runs with and without the flag.

    The lines also say who gave the answers, which runs failed because of the API's provider, and what further rounds
    would cost.
    """
    where = " (simulator only)" if has_simulated_answers(rows) else ""
    rounds = count_with_noun(verdict.round_count, "round")
    yield f"{verdict.flag_change}: {verdict.decision}{where} after {rounds}{_reason_text(verdict)}"
    yield f"  {describe_losses_ruled_out(verdict)}"
    for obstacle in verdict.pass_obstacles:
        yield f"  no PASS: {obstacle}"
    if text := provider_failures_text(rows):
        yield f"  {text}"
    if verdict.decision == "INCONCLUSIVE" and verdict.rounds_to_pass:
        cost, loss = _cost_text(verdict.rounds_to_pass, rows), _loss_text(verdict.margin)
        yield f"  a PASS must exclude a loss of {loss}: if the flag changes nothing, that takes {cost}"
    if verdict.rounds_to_fail and verdict.worst_stratum:
        cost = _cost_text(verdict.rounds_to_fail, rows)
        yield f"  if the loss stays at {_mean_loss_text(verdict.worst_stratum)}, a FAIL takes {cost}"


def has_simulated_answers(rows: "Iterable[RunRow]") -> bool:
    """Return whether any answer came from the simulator, in the run itself or when a played cassette was recorded."""
    return any(row.is_simulated for row in rows)


def verdict_record(change: FlagChange, verdict: Verdict, rows: "Iterable[RunRow]") -> "VerdictRecord":
    """Return a verdict in the form that a run record holds. `rows` are the runs with and without the flag."""
    from flag_harness.record import VerdictRecord

    return VerdictRecord(
        flag=change.flag,
        verdict=verdict.decision.lower(),  # type: ignore[arg-type]
        is_simulated=has_simulated_answers(rows),
        summary=summary_text(verdict),
        base=value_text(change.base_value),
        value=value_text(change.new_value),
    )


def provider_failures_text(rows: "Iterable[RunRow]") -> str:
    """Return how many runs failed because of the provider of the live API, or an empty string if none did."""
    known = list(rows)
    repeated = sum(row.provider_failure_count for row in known)
    broken = sum(map(is_provider_failure, known))
    if not repeated and not broken:
        return ""
    left = (
        f"{count_with_noun(broken, 'trial')} stayed broken, and {'is' if broken == 1 else 'are'} neither pass nor fail"
    )
    return f"trials that the provider broke: {repeated} repeated, {left}"


def describe_losses_ruled_out(verdict: Verdict) -> str:
    """Return which losses are ruled out in every test, and the largest loss that is still possible."""
    excluded = verdict.excluded_loss
    if excluded is None:
        return "no loss is excluded, however large"
    if verdict.harmed_strata:
        return f"in every test the loss is shown to be below {_loss_text(excluded)}"
    below = [loss for loss in REPORTED_LOSSES if loss < excluded]
    rest = f"; not excluded: a loss of {_loss_text(below[-1])}" if below else ""
    return f"excluded in every test: a loss of {_loss_text(excluded)} or more{rest}"


def summary_text(verdict: Verdict) -> str:
    """Return one sentence about a verdict, for a run record."""
    rounds = count_with_noun(verdict.round_count, "round")
    return f"{verdict.flag_change}: {verdict.decision} after {rounds}; {describe_losses_ruled_out(verdict)}"


def _reason_text(verdict: Verdict) -> str:
    """Return the end of the sentence about a decision: the harmed tests, or the test with the largest loss."""
    if verdict.harmed_strata:
        named, worst = join_names(verdict.harmed_strata, _MAX_NAMED_TESTS), verdict.worst_stratum
        is_only_one = worst is not None and verdict.harmed_strata == (worst.name,)
        rest = f", by {_mean_loss_text(worst)}" if worst and is_only_one else _worst_stratum_text(verdict)
        return f": it is worse with the flag in {named}{rest}"
    if verdict.worst_stratum is None:
        return ": no test ran with and without it"
    return _worst_stratum_text(verdict)


def _worst_stratum_text(verdict: Verdict) -> str:
    """Return the test or group with the largest mean loss, and how its results changed; empty if nothing ran."""
    worst = verdict.worst_stratum
    if worst is None or not worst.gains:
        return ""
    change = f"{abs(worst.mean_loss) * 100:.1f} points {'lower' if worst.mean_loss > 0 else 'higher'} with the flag"
    return f"; worst: {worst.name}, {change if worst.mean_loss else 'the same with and without the flag'}"


def _cost_text(round_count: int, rows: "Sequence[RunRow]") -> str:
    """Return how many runs `round_count` rounds are, and what these runs cost at the mean cost of `rows`."""
    repetitions = {row.repetition for row in rows}
    runs = round_count * max(1, round(len(rows) / max(1, len(repetitions))))
    costs = [row.cost for row in rows if row.cost is not None]
    price = runs * sum(costs) / len(costs) if costs else 0.0
    dollars = f", about ${price:.2f}" if price >= 0.005 else ", less than $0.01" if costs else ""
    return f"about {count_with_noun(round_count, 'further round')} ({count_with_noun(runs, 'run')}{dollars})"


def _mean_loss_text(stratum: Stratum) -> str:
    return f"{stratum.mean_loss * 100:.1f} points"


def _loss_text(loss: float) -> str:
    """Return a loss in percentage points, such as `10 points`."""
    return f"{loss * 100:g} points"
