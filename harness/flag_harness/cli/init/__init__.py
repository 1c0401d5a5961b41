"""The command `flag-harness init`: look at a repository, propose a configuration, and write and run a first test."""

from flag_harness.cli.init.command import add_init_command

__all__ = ["add_init_command"]
