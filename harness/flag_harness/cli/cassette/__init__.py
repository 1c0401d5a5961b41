"""`flag-harness cassette`: the commands for recorded traffic."""

import argparse

from flag_harness.cli.cassette import check as cassette_check
from flag_harness.cli.cassette import diff as cassette_diff
from flag_harness.cli.cassette import export as cassette_export
from flag_harness.cli.cassette import import_ as cassette_import
from flag_harness.cli.cassette import prune as cassette_prune
from flag_harness.cli.cassette import rebase as cassette_rebase
from flag_harness.cli.cassette import show as cassette_show
from flag_harness.cli.cassette import stat as cassette_stat

COMMANDS = (
    cassette_check,
    cassette_diff,
    cassette_export,
    cassette_import,
    cassette_prune,
    cassette_rebase,
    cassette_show,
    cassette_stat,
)
"""The modules of the commands. Each has a function `register`, which adds its parser."""


def register(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `cassette` and its commands."""
    parser = subparsers.add_parser("cassette", help="read, compare, check, import and export recorded traffic")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.register(commands)
