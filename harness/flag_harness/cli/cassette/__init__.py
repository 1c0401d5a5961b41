"""`flag-harness cassette`: the commands for recorded traffic."""

import argparse

from flag_harness.cli.cassette import check, diff, export, import_, prune, rebase, show, stat

COMMANDS = (check, diff, export, import_, prune, rebase, show, stat)
"""The modules of the commands. Each has a function `register`, which adds its parser."""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `cassette` and its commands."""
    parser = subparsers.add_parser("cassette", help="read, compare, check, import and export recorded traffic")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.register(commands)
