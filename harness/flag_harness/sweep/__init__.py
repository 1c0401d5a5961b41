"""Sweeps: any agent under every fault, at every point of a stream, under every combination, in virtual time."""

from flag_harness.sweep.agents import Cast, Performer, Stage, StageTool, Told, cast
from flag_harness.sweep.judging import Observation, Outcome, Verdict, judge
from flag_harness.sweep.playing import play
from flag_harness.sweep.sweep import Result, Sweep, from_json, to_json
from flag_harness.sweep.trials import Trial, pairs, trial, trials

__all__ = [
    "Cast",
    "Observation",
    "Outcome",
    "Performer",
    "Result",
    "Stage",
    "StageTool",
    "Sweep",
    "Told",
    "Trial",
    "Verdict",
    "cast",
    "from_json",
    "judge",
    "pairs",
    "play",
    "to_json",
    "trial",
    "trials",
]
