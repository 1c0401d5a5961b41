"""The troubles that a sweep tries on a test."""

from flag_harness.sweep.troubles.derive import (
    FAULT_BUCKETS,
    derive_faults,
    derive_interrupts,
    derive_signal_troubles,
    derive_surprises,
    derive_tool_troubles,
)
from flag_harness.sweep.troubles.interrupts import INTERRUPT, Interruption, parse_interrupt
from flag_harness.sweep.troubles.schedule import SCHEDULE, draw_schedule, shrink_schedule
from flag_harness.sweep.troubles.signals import SIGNALS, parse_signal
from flag_harness.sweep.troubles.surprises import SURPRISES, Surprise, SurpriseKind, parse_surprise
from flag_harness.sweep.troubles.tools import (
    CANCELLED_IN_TOOL,
    TOOL_TROUBLES,
    ToolTrouble,
    ToolTroubleError,
    parse_tool_trouble,
)
from flag_harness.sweep.troubles.trouble import Trouble

__all__ = [
    "CANCELLED_IN_TOOL",
    "FAULT_BUCKETS",
    "INTERRUPT",
    "SCHEDULE",
    "SIGNALS",
    "SURPRISES",
    "TOOL_TROUBLES",
    "Interruption",
    "Surprise",
    "SurpriseKind",
    "ToolTrouble",
    "ToolTroubleError",
    "Trouble",
    "derive_faults",
    "derive_interrupts",
    "derive_signal_troubles",
    "derive_surprises",
    "derive_tool_troubles",
    "draw_schedule",
    "parse_interrupt",
    "parse_signal",
    "parse_surprise",
    "parse_tool_trouble",
    "shrink_schedule",
]
