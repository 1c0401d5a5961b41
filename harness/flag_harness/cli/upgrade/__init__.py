"""The command `flag-harness upgrade`, which writes files of older releases as the installed one would."""

from flag_harness.cli.upgrade.command import add_upgrade_command

__all__ = ["add_upgrade_command"]
