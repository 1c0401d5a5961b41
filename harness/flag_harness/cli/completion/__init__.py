"""The command `flag-harness completion`, which prints a script for the shell."""

from flag_harness.cli.completion.command import add_completion_command

__all__ = ["add_completion_command"]
