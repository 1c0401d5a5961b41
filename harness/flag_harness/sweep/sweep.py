"""The sweep: each trial under each combination, next to what the same agent does where nothing goes wrong."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flag_harness.errors import HarnessError
from flag_harness.matrix import Combination
from flag_harness.sweep.agents import Cast
from flag_harness.sweep.judging import Observation, Outcome, Verdict, judge
from flag_harness.sweep.playing import PATIENCE_SECONDS, play
from flag_harness.sweep.trials import Trial


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one trial: a verdict for each combination, by its id."""

    trial: str
    kind: str
    verdicts: tuple[tuple[str, Verdict], ...]

    @property
    def applies(self) -> bool:
        """Whether the fault fired under any combination."""
        return any(verdict.outcome is not Outcome.DOES_NOT_APPLY for _, verdict in self.verdicts)

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
    verdicts = [
        [combination, verdict.outcome.value, verdict.why, verdict.requests, verdict.seconds]
        for combination, verdict in result.verdicts
    ]
    return [result.trial, result.kind, verdicts]


def from_json(value: list[Any]) -> Result:
    """The result that `to_json` wrote."""
    trial, kind, verdicts = value
    return Result(trial, kind, tuple((name, Verdict(Outcome(outcome), *rest)) for name, outcome, *rest in verdicts))


@dataclass(slots=True)
class Sweep:
    """Sweeps one agent. `directory` is written to. A prompt that takes more than `patience` real seconds has hung."""

    cast: Cast
    combinations: Sequence[Combination]
    directory: Path
    patience: float = PATIENCE_SECONDS
    _unbroken: dict[str, Observation] = field(default_factory=dict)

    def results(self, trials: Sequence[Trial]) -> Iterator[Result]:
        """The results, in the order of the trials."""
        return map(self.result, trials)

    def result(self, trial: Trial) -> Result:
        """One trial under every combination. Raises `HarnessError` for an agent that fails without any fault."""
        verdicts = tuple((combination.id, self._verdict(trial, combination)) for combination in self.combinations)
        return Result(trial.name, trial.fault.name, verdicts)

    def check(self) -> None:
        """Raise a `HarnessError`, one for all combinations, where the agent fails though nothing goes wrong."""
        failures = {one.id: why for one in self.combinations if (why := _failure(self._alone(one)))}
        if failures:
            first, why = next(iter(failures.items()))
            raise HarnessError(
                f"the agent fails though nothing goes wrong, under {len(failures)} of {len(self.combinations)} "
                f"combinations ({', '.join(failures)}); under {first} it {why}; mend that first (docs/agents.md)"
            )

    def unbroken(self, combination: Combination) -> Observation:
        """What the agent does under a combination where nothing goes wrong."""
        self.check()
        return self._alone(combination)

    def _alone(self, combination: Combination) -> Observation:
        if combination.id not in self._unbroken:
            seen = play(self.cast, None, combination, self.directory, self.patience)
            self._unbroken[combination.id] = seen
        return self._unbroken[combination.id]

    def _verdict(self, trial: Trial, combination: Combination) -> Verdict:
        unbroken = self.unbroken(combination)
        if not trial.may_apply(unbroken.streamed):
            return Verdict(Outcome.DOES_NOT_APPLY)
        return judge(play(self.cast, trial, combination, self.directory, self.patience), unbroken)


def _failure(seen: Observation) -> str:
    """What is wrong with a conversation in which nothing should be; empty where nothing is."""
    if set(seen.endings) == {"returned"} and len(seen.effects) == 1:
        return ""
    words = next(filter(None, seen.words), "nothing was raised")
    ending = next((ending for ending in seen.endings if ending != "returned"), "returned")
    return f"{ending} after {seen.requests} requests, with {len(seen.effects)} side effects of the one call ({words})"
