"""One thing that the reader of a report can do next."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NextStep:
    """What to do next, and the command that does it; the command is empty if there is none.

    It is optional if it mends no failure of a run that has some.
    """

    purpose: str
    command: str = ""
    is_optional: bool = False
