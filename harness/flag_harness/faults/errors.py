"""What the faults raise."""

from flag_harness.errors import HarnessError, Refusal


class FaultError(HarnessError):
    """A fault was asked for in words or values that it does not take: the message names the argument and the rule."""


class FaultConditionError(Refusal):
    """A fault's own `when` raised while a request was on its way; that must not pass for an answer of the API."""
