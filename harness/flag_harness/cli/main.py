"""The `flag-harness` command. Exit codes: 0 for success, 1 if a problem was found, 2 for wrong usage."""

import argparse
import io
import os
import re
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib.metadata import version
from typing import Any, NoReturn

from flag_harness.cli.cassette import add_cassette_command
from flag_harness.cli.completion import add_completion_command
from flag_harness.cli.context import add_context_command
from flag_harness.cli.demo import add_demo_command
from flag_harness.cli.files import print_error
from flag_harness.cli.gate import add_gate_command
from flag_harness.cli.init import add_init_command
from flag_harness.cli.matrix import add_matrix_command
from flag_harness.cli.report import add_report_command
from flag_harness.cli.scenario import add_scenario_command
from flag_harness.cli.serve import add_serve_command
from flag_harness.cli.terminal import add_subcommand_group
from flag_harness.cli.ui import add_ui_command
from flag_harness.cli.upgrade import add_upgrade_command
from flag_harness.errors import HarnessError

COMMANDS = (
    add_demo_command,
    add_init_command,
    add_cassette_command,
    add_context_command,
    add_gate_command,
    add_matrix_command,
    add_report_command,
    add_scenario_command,
    add_serve_command,
    add_ui_command,
    add_upgrade_command,
)
"""The functions that add the commands to the parser.

Each sets `run`, a function that takes the parsed arguments and returns the exit code.
"""


class CommandParser(argparse.ArgumentParser):
    """A parser that names the most similar command if a command is misspelt.

    The subcommand that gets an unknown argument prints its own usage.
    """

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Return the parsed arguments and an empty list. If an argument is unknown, print the usage and exit."""
        parsed, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return parsed, unknown

    def error(self, message: str) -> NoReturn:
        """Print the message, and exit with the code 2."""
        if found := re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message):
            near = get_close_matches(found[1], re.findall(r"[\w-]+", found[2]), n=1)
            message += f"; did you mean {near[0]!r}?" if near else ""
        super().error(message)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, with all commands."""
    parser = CommandParser(
        prog="flag-harness", description="Work with flag combinations, cassettes and contexts of agents."
    )
    parser.add_argument("--version", action="version", version=f"flag-harness {version('flag-harness')}")
    subparsers = add_subcommand_group(parser)
    for add_command in COMMANDS:
        add_command(subparsers)
    add_completion_command(subparsers, parser)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in `arguments` (default: those of the process), and return its exit code."""
    _escape_unprintable_characters()
    parsed = make_parser().parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
        _flush_output()
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the output has closed it, as `head` does
        return 0
    except (HarnessError, OSError) as error:
        print_error(error)
        return 2
    return code


def _escape_unprintable_characters() -> None:
    """Print a character that the encoding of the output lacks as an escape, such as `\\u2192`, instead of failing."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _flush_output() -> None:
    """Write what the command printed. If that fails, as on a full disk, drop it, and name the output in the error."""
    try:
        sys.stdout.flush()
    except OSError as error:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())  # Python flushes once more when it exits
        raise OSError(error.errno, error.strerror, "the output") from None
