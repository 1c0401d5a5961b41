"""Set the flags of a combination where the code under test reads them: in environment variables, through OpenFeature,
or by functions of the project (docs/flags.md).

Other flag services need no code here: a project sets their flags by a function or by the fixture `harness_set_flags`. A
new kind of source is a name in `SOURCE_KINDS` of `flag.py`, and code in `setting.py`.
"""

from flag_harness.sources.environment import set_flag_variables
from flag_harness.sources.scope import FlagRead, FlagScope, running_scope
from flag_harness.sources.setting import SetFlagsFunction, enter_scope
from flag_harness.sources.with_flags import flags

__all__ = ["FlagRead", "FlagScope", "SetFlagsFunction", "enter_scope", "flags", "running_scope", "set_flag_variables"]
