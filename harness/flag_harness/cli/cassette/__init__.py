"""The command `flag-harness cassette`: look into cassettes, compare, check, import, export and clean them up.

Each subcommand is a module, and is registered in this file.
"""

import argparse

from flag_harness.cli.cassette.check import add_check_command
from flag_harness.cli.cassette.diff import add_diff_command
from flag_harness.cli.cassette.effects import add_effects_command
from flag_harness.cli.cassette.export import add_export_command
from flag_harness.cli.cassette.import_ import add_import_command
from flag_harness.cli.cassette.prune import add_prune_command
from flag_harness.cli.cassette.rebase import add_rebase_command
from flag_harness.cli.cassette.show import add_show_command
from flag_harness.cli.cassette.stat import add_stat_command
from flag_harness.cli.terminal import add_subcommand_group

COMMANDS = (
    add_check_command,
    add_diff_command,
    add_effects_command,
    add_export_command,
    add_import_command,
    add_prune_command,
    add_rebase_command,
    add_show_command,
    add_stat_command,
)
"""The functions that add the subcommands of `cassette` to the parser."""


def add_cassette_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `cassette` and its subcommands to the parser."""
    parser = subparsers.add_parser("cassette", help="read, compare, check, import and export recorded traffic")
    commands = add_subcommand_group(parser)
    for add_command in COMMANDS:
        add_command(commands)
