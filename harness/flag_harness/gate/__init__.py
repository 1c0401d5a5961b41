"""The gate: it copies files to PROD only if the evidence passes the policy and a person has approved them."""

from flag_harness.gate.settings import GateSettings, read_gate

__all__ = ["GateSettings", "read_gate"]
