"""A simulated Messages API that needs no key or network. It validates, answers, streams and counts like the real one.

This package exports what users may import. The rest is private: `rules/` (what the API refuses; its docstring says how
to add a rule), `scenario/` (what the API answers), `answer/` (how an answer becomes bytes), `count/` (tokens, prompt
cache, rate limits).
"""

from flag_harness.simulator.count.broken_prefixes import BrokenPrefix
from flag_harness.simulator.scenario.loading import load_scenario, parse_scenario
from flag_harness.simulator.scenario.scenario import (
    AnswerTiming,
    RateLimits,
    Scenario,
    ScenarioTurn,
    ScriptedBlock,
    ScriptedToolCall,
)
from flag_harness.simulator.scenario.turn_chooser import EditTurn, TurnHook, UnmatchedRequest
from flag_harness.simulator.simulator import Simulator, simulate

__all__ = [
    "AnswerTiming",
    "BrokenPrefix",
    "EditTurn",
    "RateLimits",
    "Scenario",
    "ScenarioTurn",
    "ScriptedBlock",
    "ScriptedToolCall",
    "Simulator",
    "TurnHook",
    "UnmatchedRequest",
    "load_scenario",
    "parse_scenario",
    "simulate",
]
