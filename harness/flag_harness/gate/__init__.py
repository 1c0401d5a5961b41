"""The gate: it copies files to the production folder PROD only if evidence and approval permit this.

The evidence (records of test runs) must satisfy the project's policy, and a person must have approved the files.
"""

from flag_harness.gate.settings import GateSettings, read_gate_settings

__all__ = ["GateSettings", "read_gate_settings"]
