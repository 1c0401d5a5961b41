"""The sources that an agent reads flags from, and how a combination is set there: see docs/flags.md."""

from flag_harness.sources.environment import set_flag_variables
from flag_harness.sources.scope import FlagRead, FlagScope, running_scope
from flag_harness.sources.setting import SetFlagsFunction, enter_scope
from flag_harness.sources.with_flags import flags

__all__ = ["FlagRead", "FlagScope", "SetFlagsFunction", "enter_scope", "flags", "running_scope", "set_flag_variables"]
