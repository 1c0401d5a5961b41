"""A simulated Messages API, without a key or network: it validates, answers, streams and counts like the real one.

This package exports what users may import. The rest is private: `rules/` (what is refused; its docstring says how to
add a rule), `scenario/` (what is answered), `answer/` (how an answer becomes bytes), `count/` (tokens, prompt cache,
rate limits).
"""

from flag_harness.simulator.count.broken_prefixes import BrokenPrefix
from flag_harness.simulator.scenario.loading import load_scenario, parse_scenario
from flag_harness.simulator.scenario.scenario import Block, Call, RateLimits, Scenario, ScenarioTurn, Timing
from flag_harness.simulator.simulator import Hook, Simulator, UnmatchedRequest, simulate

__all__ = [
    "Block",
    "BrokenPrefix",
    "Call",
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
