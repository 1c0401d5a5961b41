"""Sweeps: run an agent under every fault and combination of flags, in virtual time, and judge how it copes.

`troubles/` derives what can go wrong from a run without faults; `judge/` judges the runs.
"""

from flag_harness.sweep.agents import AgentFactory, AgentGaveUp, AgentUnderSweep, SweepContext, SweepTool, load_agent
from flag_harness.sweep.outcomes import TrialObservation, TrialOutcome, TrialVerdict, judge_trial
from flag_harness.sweep.sweep import TrialResult, TrialSweep, trial_result_from_json, trial_result_to_json
from flag_harness.sweep.trial_run import run_trial
from flag_harness.sweep.trials import Trial, all_trials, count_fault_point_pairs, make_trial

__all__ = [
    "AgentFactory",
    "AgentGaveUp",
    "AgentUnderSweep",
    "SweepContext",
    "SweepTool",
    "Trial",
    "TrialObservation",
    "TrialOutcome",
    "TrialResult",
    "TrialSweep",
    "TrialVerdict",
    "all_trials",
    "count_fault_point_pairs",
    "judge_trial",
    "load_agent",
    "make_trial",
    "run_trial",
    "trial_result_from_json",
    "trial_result_to_json",
]
