"""The `flag-harness` command. Exit codes: 0 fine, 1 found something, 2 wrong usage."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from flag_harness.cli import cassette, context, matrix, serve
from flag_harness.errors import HarnessError

COMMANDS = (cassette, context, matrix, serve)
"""The modules of the commands. Each has a function `register`, which adds a parser that sets `run`.

`run` takes the parsed arguments and returns the exit code.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name (by default those of the process), and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="flag-harness", description="Work with flag combinations, cassettes and contexts of agents."
    )
    parser.add_argument("--version", action="version", version=f"flag-harness {version('flag-harness')}")
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.register(subparsers)
    parsed = parser.parse_args(arguments)
    try:
        code: int = parsed.run(parsed)
    except HarnessError as error:
        print(error, file=sys.stderr)
        return 2
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the output has closed it, as `head` does
        return 0
    return code
