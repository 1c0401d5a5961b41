"""A simulated Messages API that needs no key or network. It validates, answers, streams and counts like the real one.

This package exports what users may import. The rest is private: `rules/` (what the API refuses; its docstring says how
to add a rule), `scenario/` (what the API answers), `answer/` (how an answer becomes bytes), `count/` (tokens, prompt
cache, rate limits).
"""

from flag_harness.simulator.count.broken_prefixes import BrokenPrefix
from flag_harness.simulator.scenario.loading import load_scenario, parse_scenario
from flag_harness.simulator.scenario.scenario import Block, Call, RateLimits, Scenario, ScenarioTurn, Timing
from flag_harness.simulator.scenario.turn_chooser import EditTurn, Hook, UnmatchedRequest
from flag_harness.simulator.simulator import Simulator, simulate

__all__ = [
    "Block",
    "BrokenPrefix",
    "Call",
    "EditTurn",
    "Hook",
    "RateLimits",
    "Scenario",
    "ScenarioTurn",
    "Simulator",
    "Timing",
    "UnmatchedRequest",
    "load_scenario",
    "parse_scenario",
    "simulate",
]
