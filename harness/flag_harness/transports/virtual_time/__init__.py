"""Virtual time for code that uses Python's own clocks and sleeps, in a test or in a trial of a sweep."""

from flag_harness.transports.virtual_time.patches import keep_time_real, share_clock, virtual_time_layers
from flag_harness.transports.virtual_time.project_names import ImportedTimeFunctions
from flag_harness.transports.virtual_time.shared_clock import SharedClock
from flag_harness.transports.virtual_time.trial_loop import LoopClock, VirtualLoop, VirtualTimeout, patch_time

__all__ = [
    "ImportedTimeFunctions",
    "LoopClock",
    "SharedClock",
    "VirtualLoop",
    "VirtualTimeout",
    "keep_time_real",
    "patch_time",
    "share_clock",
    "virtual_time_layers",
]
