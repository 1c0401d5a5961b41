"""The errors of faults."""

from flag_harness.errors import HarnessError, Refusal


class FaultError(HarnessError):
    """A fault's name or arguments are invalid; the message names the argument and the rule."""


class FaultConditionError(Refusal):
    """A fault's `when` function raised; the code under test must not take that for an error of the API."""
