"""The errors that faults raise."""

from flag_harness.errors import HarnessError, Refusal


class FaultError(HarnessError):
    """The name or an argument of a fault is invalid. The message names the argument and the rule."""


class FaultConditionError(Refusal):
    """The `when` function of a fault raised an exception. The code under test must not take this for an error of the
    API.
    """
