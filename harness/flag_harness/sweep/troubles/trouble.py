"""A trouble: one thing that goes wrong, or that nobody expects, while a test runs."""

from dataclasses import dataclass

from flag_harness.faults import Fault


@dataclass(frozen=True, slots=True)
class Trouble:
    """One fault to try on a test. `kind` is the name of the bucket that it belongs to."""

    kind: str
    fault: Fault

    @property
    def name(self) -> str:
        """The trouble as it is written on the command line, such as `overloaded:on=2`."""
        return str(self.fault)

    @property
    def option(self) -> str:
        """The option that tries this trouble alone."""
        return f"--harness-fault={self.name}"
