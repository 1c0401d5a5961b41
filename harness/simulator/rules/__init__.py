"""What the API refuses: each rule one small function, all of them in one table."""

from harness.simulator.rules.asked import Asked, Refusal, Rule, Signatures, key_of
from harness.simulator.rules.headers import header_refusal
from harness.simulator.rules.table import RULES, refusal

__all__ = ["RULES", "Asked", "Refusal", "Rule", "Signatures", "header_refusal", "key_of", "refusal"]
