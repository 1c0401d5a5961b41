"""The troubles that a sweep tries on a test."""

from flag_harness.sweep.troubles.derive import FAULT_BUCKETS, derive_faults
from flag_harness.sweep.troubles.trouble import Trouble

__all__ = ["FAULT_BUCKETS", "Trouble", "derive_faults"]
