"""The gate: files go from PROD to TEST freely, and back only with evidence, under a policy and with an approval."""

from flag_harness.gate.settings import Gate, read_gate

__all__ = ["Gate", "read_gate"]
