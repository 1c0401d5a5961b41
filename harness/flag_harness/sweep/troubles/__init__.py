"""The troubles that a sweep tries on a test: faults, unusual answers, interrupts, signals, failing tools, and series of
them.
"""

from flag_harness.sweep.troubles.derive import (
    FAULT_KINDS_TO_TRY,
    derive_faults,
    derive_interrupts,
    derive_signal_troubles,
    derive_surprising_answers,
    derive_tool_troubles,
)
from flag_harness.sweep.troubles.interrupts import INTERRUPT_KIND, Interruption, parse_interrupt
from flag_harness.sweep.troubles.schedule import SCHEDULE_PREFIX, join_random_troubles, shrink_schedule
from flag_harness.sweep.troubles.signals import SIGNALS, parse_signal
from flag_harness.sweep.troubles.surprises import (
    SURPRISES,
    SurprisingAnswer,
    SurprisingAnswerKind,
    parse_surprising_answer,
)
from flag_harness.sweep.troubles.tools import (
    CANCELLING_TOOL_TROUBLES,
    TOOL_TROUBLES,
    ToolTrouble,
    ToolTroubleError,
    parse_tool_trouble,
)
from flag_harness.sweep.troubles.trouble import Trouble

__all__ = [
    "CANCELLING_TOOL_TROUBLES",
    "FAULT_KINDS_TO_TRY",
    "INTERRUPT_KIND",
    "SCHEDULE_PREFIX",
    "SIGNALS",
    "SURPRISES",
    "TOOL_TROUBLES",
    "Interruption",
    "SurprisingAnswer",
    "SurprisingAnswerKind",
    "ToolTrouble",
    "ToolTroubleError",
    "Trouble",
    "derive_faults",
    "derive_interrupts",
    "derive_signal_troubles",
    "derive_surprising_answers",
    "derive_tool_troubles",
    "join_random_troubles",
    "parse_interrupt",
    "parse_signal",
    "parse_surprising_answer",
    "parse_tool_trouble",
    "shrink_schedule",
]
