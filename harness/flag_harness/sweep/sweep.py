"""Run each trial of a sweep (a conversation under a fault) under each combination of flags, and compare it with a run
without a fault.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flag_harness.errors import HarnessError
from flag_harness.matrix import Combination
from flag_harness.sweep.agents import AgentFactory
from flag_harness.sweep.outcomes import TrialObservation, TrialOutcome, TrialVerdict, judge_trial
from flag_harness.sweep.remembered_answers import RememberedAnswers
from flag_harness.sweep.trial_run import HANG_SECONDS, run_trial
from flag_harness.sweep.trials import Trial


@dataclass(frozen=True, slots=True)
class TrialResult:
    """The verdicts on one trial: pairs of the id of a flag combination and its verdict.

    `kind` is the name of the fault's kind.
    """

    trial_name: str
    kind: str
    verdicts: tuple[tuple[str, TrialVerdict], ...]

    @property
    def has_fired(self) -> bool:
        """Whether the fault fired under at least one combination."""
        return any(verdict.outcome is not TrialOutcome.DOES_NOT_APPLY for _, verdict in self.verdicts)

    @property
    def failure_lines(self) -> tuple[str, ...]:
        """One line for each combination under which the agent failed."""
        return tuple(
            f"{combination}: {verdict.outcome.value}" + (f": {verdict.reason}" if verdict.reason else "")
            for combination, verdict in self.verdicts
            if not verdict.outcome.is_without_loss
        )


def trial_result_to_json(result: TrialResult) -> list[Any]:
    """Return a result as plain JSON values, which a worker can send to its controller."""
    verdicts = [
        [combination, verdict.outcome.value, verdict.reason, verdict.request_count, verdict.seconds]
        for combination, verdict in result.verdicts
    ]
    return [result.trial_name, result.kind, verdicts]


def trial_result_from_json(value: list[Any]) -> TrialResult:
    """Return the result that `trial_result_to_json` encoded."""
    trial, kind, verdicts = value
    return TrialResult(
        trial, kind, tuple((name, TrialVerdict(TrialOutcome(outcome), *rest)) for name, outcome, *rest in verdicts)
    )


@dataclass(slots=True)
class TrialSweep:
    """Runs one agent through many trials, each with one fault.

    `directory` is for temporary files. A prompt that takes more than `hang_seconds` real seconds counts as hung.
    """

    make_agent: AgentFactory
    combinations: Sequence[Combination]
    directory: Path
    hang_seconds: float = HANG_SECONDS
    _baselines: dict[str, TrialObservation] = field(default_factory=dict)
    _answers: RememberedAnswers = field(default_factory=RememberedAnswers)

    def run_trials(self, trials: Sequence[Trial]) -> Iterator[TrialResult]:
        """Run the trials in order, each under every combination of flags, and yield the result of each."""
        return map(self.run_trial_under_all_combinations, trials)

    def run_trial_under_all_combinations(self, trial: Trial) -> TrialResult:
        """Run one trial under every combination. Raise `HarnessError` if the agent fails without any fault."""
        verdicts = tuple((combination.id, self._run_and_judge(trial, combination)) for combination in self.combinations)
        return TrialResult(trial.name, trial.fault.name, verdicts)

    def check_baselines(self) -> None:
        """Raise a `HarnessError` that names every combination under which the agent fails without a fault."""
        failures = {one.id: why for one in self.combinations if (why := _baseline_failure(self._run_baseline(one)))}
        if failures:
            first, why = next(iter(failures.items()))
            if "coroutine" in why:
                why += "; an agent that is not async calls tool.run_sync(**input)"
            raise HarnessError(
                f"the agent fails though nothing goes wrong, under {len(failures)} of {len(self.combinations)} "
                f"combinations ({', '.join(failures)}); under {first} it {why}; fix that first (docs/agents.md)"
            )

    def baseline_observation(self, combination: Combination) -> TrialObservation:
        """Return what was observed in the run without a fault. Raise `HarnessError` if the agent fails in it."""
        self.check_baselines()
        return self._run_baseline(combination)

    def _run_baseline(self, combination: Combination) -> TrialObservation:
        """Return what was observed in the conversation without a fault, which is run once for each combination."""
        if combination.id not in self._baselines:
            self._baselines[combination.id] = self._run_conversation(None, combination)
        return self._baselines[combination.id]

    def _run_and_judge(self, trial: Trial, combination: Combination) -> TrialVerdict:
        """Run a trial under one combination, and return the verdict."""
        baseline = self.baseline_observation(combination)
        if not trial.can_apply(baseline.has_streamed):
            return TrialVerdict(TrialOutcome.DOES_NOT_APPLY)
        return judge_trial(self._run_conversation(trial, combination), baseline)

    def _run_conversation(self, trial: Trial | None, combination: Combination) -> TrialObservation:
        return run_trial(self.make_agent, trial, combination, self.directory, self.hang_seconds, self._answers)


def _baseline_failure(observed: TrialObservation) -> str:
    """Return what went wrong in a conversation without a fault, or an empty string."""
    if set(observed.endings) == {"returned"} and len(observed.side_effects) == 1:
        return ""
    message = next(filter(None, observed.exception_messages), "nothing was raised")
    ending = next((ending for ending in observed.endings if ending != "returned"), "returned")
    effects = f"{len(observed.side_effects)} side effects of the one call"
    return f"{ending} after {observed.request_count} requests, with {effects} ({message})"
