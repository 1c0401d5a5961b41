"""Observe the traffic of a test in a sweep, and judge the test by oracles: checks that hold for any agent.

A new oracle is a function in `oracles.py` that returns what is wrong, or an empty string, and an entry in `ORACLES`
there.
"""

from flag_harness.sweep.judge.observation import (
    ObservedExchange,
    ObservedToolCall,
    TestCallEnding,
    TestCallResult,
    TestObservation,
    ignore_assertion_failures,
)
from flag_harness.sweep.judge.oracles import ORACLES, OracleFinding, find_failures
from flag_harness.sweep.judge.verdict import (
    KINDS_THAT_AGENTS_CANNOT_NOTICE,
    TroubleResult,
    judge_baseline,
    judge_run_under_trouble,
    trouble_result_from_json,
    trouble_result_to_json,
)

__all__ = [
    "KINDS_THAT_AGENTS_CANNOT_NOTICE",
    "ORACLES",
    "ObservedExchange",
    "ObservedToolCall",
    "OracleFinding",
    "TestCallEnding",
    "TestCallResult",
    "TestObservation",
    "TroubleResult",
    "find_failures",
    "ignore_assertion_failures",
    "judge_baseline",
    "judge_run_under_trouble",
    "trouble_result_from_json",
    "trouble_result_to_json",
]
