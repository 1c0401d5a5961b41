"""Observe the traffic of a test in a sweep, and judge the test by oracles.

A new oracle is a function in `oracles.py`, and an entry in `ORACLES` there: it returns what is wrong, or an empty
string.
"""

from flag_harness.sweep.judge.observation import (
    CallEnding,
    CallResult,
    ObservedExchange,
    ObservedToolCall,
    TestObservation,
    without_assertions,
)
from flag_harness.sweep.judge.oracles import ORACLES, Finding, find_failures
from flag_harness.sweep.judge.verdict import (
    GARBLING_KINDS,
    PlayResult,
    judge_baseline,
    judge_play,
    play_from_json,
    play_to_json,
)

__all__ = [
    "GARBLING_KINDS",
    "ORACLES",
    "CallEnding",
    "CallResult",
    "Finding",
    "ObservedExchange",
    "ObservedToolCall",
    "PlayResult",
    "TestObservation",
    "find_failures",
    "judge_baseline",
    "judge_play",
    "play_from_json",
    "play_to_json",
    "without_assertions",
]
