"""A Messages API that needs no key and no network: it refuses, streams, caches and counts as the real one does."""

from harness.simulator.breaks import BrokenPrefix
from harness.simulator.loading import load_scenario, parse_scenario
from harness.simulator.scenario import Limits, Scenario, Timing, Turn
from harness.simulator.simulator import Hook, Simulator, Unmatched, simulate

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
