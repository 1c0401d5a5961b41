"""The command `flag-harness scenario`, which writes scenarios from recordings."""

from flag_harness.cli.scenario.command import add_scenario_command

__all__ = ["add_scenario_command"]
