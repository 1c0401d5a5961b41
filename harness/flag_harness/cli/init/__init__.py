"""The command `flag-harness init`: read a repository, configure the harness for it, and write and run a first test."""

from flag_harness.cli.init.command import add_init_command

__all__ = ["add_init_command"]
