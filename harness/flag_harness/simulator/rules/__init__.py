"""What the API refuses: each rule one small function, all of them in one table."""

from flag_harness.simulator.rules.asked import Arrived, Asked, Refusal, Rule, Signatures, key_of
from flag_harness.simulator.rules.table import ARRIVAL_RULES, ASKED_RULES, BODY_RULES, RULES, refusal

__all__ = [
    "ARRIVAL_RULES",
    "ASKED_RULES",
    "BODY_RULES",
    "RULES",
    "Arrived",
    "Asked",
    "Refusal",
    "Rule",
    "Signatures",
    "key_of",
    "refusal",
]
