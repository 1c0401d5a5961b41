"""A Messages API that needs no key and no network: it refuses, streams, caches and counts as the real one does."""

from flag_harness.simulator.count.broken_prefixes import BrokenPrefix
from flag_harness.simulator.scenario.loading import load_scenario, parse_scenario
from flag_harness.simulator.scenario.scenario import Limits, Scenario, Timing, Turn
from flag_harness.simulator.simulator import Hook, Simulator, Unmatched, simulate

__all__ = [
    "BrokenPrefix",
    "Hook",
    "Limits",
    "Scenario",
    "Simulator",
    "Timing",
    "Turn",
    "Unmatched",
    "load_scenario",
    "parse_scenario",
    "simulate",
]
