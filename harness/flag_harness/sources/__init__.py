"""Set the flags of a combination at their sources (environment variables, OpenFeature or functions): see
docs/flags.md.
"""

from flag_harness.sources.environment import set_flag_variables
from flag_harness.sources.scope import FlagRead, FlagScope, running_scope
from flag_harness.sources.setting import SetFlagsFunction, enter_scope
from flag_harness.sources.with_flags import flags

__all__ = ["FlagRead", "FlagScope", "SetFlagsFunction", "enter_scope", "flags", "running_scope", "set_flag_variables"]
