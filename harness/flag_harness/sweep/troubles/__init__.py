"""The troubles that a sweep tries on a test."""

from flag_harness.sweep.troubles.derive import (
    FAULT_BUCKETS,
    derive_faults,
    derive_interrupts,
    derive_signals,
    derive_surprises,
)
from flag_harness.sweep.troubles.interrupts import INTERRUPT, Interruption, parse_interrupt
from flag_harness.sweep.troubles.schedule import SCHEDULE, draw_schedule, shrink_schedule
from flag_harness.sweep.troubles.signals import SIGNALS, parse_signal
from flag_harness.sweep.troubles.surprises import SURPRISES, Surprise, SurpriseKind, parse_surprise
from flag_harness.sweep.troubles.trouble import Trouble

__all__ = [
    "FAULT_BUCKETS",
    "INTERRUPT",
    "SCHEDULE",
    "SIGNALS",
    "SURPRISES",
    "Interruption",
    "Surprise",
    "SurpriseKind",
    "Trouble",
    "derive_faults",
    "derive_interrupts",
    "derive_signals",
    "derive_surprises",
    "draw_schedule",
    "parse_interrupt",
    "parse_signal",
    "parse_surprise",
    "shrink_schedule",
]
