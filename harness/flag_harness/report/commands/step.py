"""A suggestion of what the reader of a report can do next."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NextStep:
    """A suggestion of what to do next, and the shell command for it, or an empty string if there is no command.

    `is_optional` is True if the run has failures and this step does not help to mend one.
    """

    purpose: str
    command: str = ""
    is_optional: bool = False
