"""The command `flag-harness upgrade`, which rewrites files of older releases in the form of the installed release."""

from flag_harness.cli.upgrade.command import add_upgrade_command

__all__ = ["add_upgrade_command"]
