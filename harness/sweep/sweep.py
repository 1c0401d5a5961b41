"""The sweep: each trial under each combination, next to what the same agent does where nothing goes wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.matrix import Combination
from harness.sweep.agents import Cast
from harness.sweep.judging import Observation, Outcome, Verdict, judge
from harness.sweep.playing import play
from harness.sweep.trials import Trial


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one trial: a verdict for each combination, by its id."""

    trial: str
    kind: str
    verdicts: tuple[tuple[str, Verdict], ...]

    @property
    def failures(self) -> tuple[str, ...]:
        """A line for each combination that was not survived."""
        return tuple(
            f"{combination}: {verdict.outcome.value}" + (f": {verdict.why}" if verdict.why else "")
            for combination, verdict in self.verdicts
            if not verdict.outcome.survived
        )


def to_json(result: Result) -> list[Any]:
    """A result as plain values, for a worker to hand over."""
    verdicts = [[combination, verdict.outcome.value, verdict.why] for combination, verdict in result.verdicts]
    return [result.trial, result.kind, verdicts]


def from_json(value: list[Any]) -> Result:
    """The result that `to_json` wrote."""
    trial, kind, verdicts = value
    return Result(trial, kind, tuple((name, Verdict(Outcome(outcome), why)) for name, outcome, why in verdicts))


@dataclass(slots=True)
class Sweep:
    """Sweeps one agent. `directory` is written to."""

    cast: Cast
    combinations: Sequence[Combination]
    directory: Path
    _unbroken: dict[str, Observation] = field(default_factory=dict)

    def results(self, trials: Sequence[Trial]) -> Iterator[Result]:
        """The results, in the order of the trials."""
        return map(self.result, trials)

    def result(self, trial: Trial) -> Result:
        """One trial under every combination. Raises `HarnessError` for an agent that fails without any fault."""
        verdicts = tuple((combination.id, self._verdict(trial, combination)) for combination in self.combinations)
        return Result(trial.name, trial.fault.name, verdicts)

    def _verdict(self, trial: Trial, combination: Combination) -> Verdict:
        unbroken = self.unbroken(combination)
        if not trial.may_apply(unbroken.streamed):
            return Verdict(Outcome.DOES_NOT_APPLY)
        return judge(play(self.cast, trial, combination, self.directory), unbroken)

    def unbroken(self, combination: Combination) -> Observation:
        """What the agent does under a combination where nothing goes wrong."""
        if combination.id not in self._unbroken:
            seen = play(self.cast, None, combination, self.directory)
            if set(seen.endings) != {"returned"} or len(seen.effects) != 1:
                raise HarnessError(
                    f"the agent fails under {combination.id} though nothing goes wrong: it {seen.endings[-1]} "
                    f"after {seen.requests} requests, with {len(seen.effects)} side effects of the one call "
                    f"({seen.words[-1] or 'nothing was raised'}); mend that first (docs/agents.md)"
                )
            self._unbroken[combination.id] = seen
        return self._unbroken[combination.id]
