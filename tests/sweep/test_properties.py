"""What holds whatever is drawn: chunks, flags, and faults leave no trace in what was said."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flag_harness.faults import FAULT_KINDS, Fault
from flag_harness.flag import SHIPPED_FLAGS
from flag_harness.matrix import Combination, all_combinations
from flag_harness.reference.sweep_agent import ReferenceAgent
from flag_harness.sweep import Trial, TrialOutcome, judge_trial, run_trial
from flag_harness.sweep.outcomes import TrialObservation

COMBINATIONS = all_combinations(SHIPPED_FLAGS)
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def _observe(trial: Trial | None, combination: Combination) -> TrialObservation:
    with tempfile.TemporaryDirectory() as directory:
        return run_trial(ReferenceAgent, trial, combination, Path(directory))


@pytest.fixture(scope="module")
def baseline() -> dict[str, TrialObservation]:
    """Every combination without a fault."""
    return {combination.id: _observe(None, combination) for combination in COMBINATIONS}


@pytest.mark.parametrize("flag", ["streaming", "prompt_cache"])
def test_how_it_is_asked_for_does_not_show_in_what_is_said(baseline: dict[str, TrialObservation], flag: str) -> None:
    """Streamed or not, cached or not: the same conversation, the same side effect."""
    for combination in COMBINATIONS:
        other = combination.on ^ {flag}
        [twin] = [one for one in COMBINATIONS if one.on == other]
        assert baseline[combination.id].conversation == baseline[twin.id].conversation
        assert baseline[combination.id].side_effects == baseline[twin.id].side_effects


@few
@given(st.integers(1, 400), st.sampled_from([one for one in COMBINATIONS if "streaming" in one]))
def test_any_chunking_gives_the_same_conversation(
    baseline: dict[str, TrialObservation], size: int, combination: Combination
) -> None:
    """Split anywhere, inside characters, lines and events."""
    observed = _observe(Trial(FAULT_KINDS["trickle"].make_fault(size=size, interval=0.001)), combination)
    assert baseline[combination.id].conversation == observed.conversation
    assert baseline[combination.id].request_count == observed.request_count


@st.composite
def faults(draw: st.DrawFn) -> Fault:
    """Any kind, at any of its points, on any of the first requests, or by chance."""
    kind = draw(st.sampled_from([kind for kind in FAULT_KINDS.values() if kind.name != "beta_rejected"]))
    points = [point for point in kind.points if point != "inside_body"]
    at = {"at": draw(st.sampled_from(points))} if points else {}
    when = draw(
        st.one_of(
            st.builds(lambda number: {"on": number}, st.integers(1, 3)),
            st.builds(lambda number: {"until": number}, st.integers(1, 5)),
            st.builds(lambda seed: {"probability": 0.5, "seed": seed}, st.integers(0, 99)),
        )
    )
    return kind.make_fault(**at, **when)


@settings(few, max_examples=30)
@given(faults(), st.sampled_from(COMBINATIONS))
def test_what_the_agent_recovers_from_leaves_the_unbroken_transcript(
    baseline: dict[str, TrialObservation], fault: Fault, combination: Combination
) -> None:
    """Whatever is drawn is survived; where it was recovered from, the conversation is that of the baseline run."""
    observed = _observe(Trial(fault), combination)
    verdict = judge_trial(observed, baseline[combination.id])
    assert verdict.outcome.is_without_loss, verdict
    if verdict.outcome is TrialOutcome.RECOVERED:
        assert baseline[combination.id].conversation == observed.conversation
    if verdict.outcome is not TrialOutcome.DOES_NOT_APPLY:
        assert len(observed.side_effects) == len(baseline[combination.id].side_effects)
