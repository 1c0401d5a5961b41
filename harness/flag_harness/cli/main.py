"""`harness`: the parts of the harness as a command. Exit codes: 0 fine, 1 found something, 2 wrong usage."""

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version

from flag_harness.cli import cassette, context, matrix, serve
from flag_harness.errors import HarnessError

COMMANDS = (cassette, context, matrix, serve)
"""The modules of the commands; each has a `register`, which adds its own parser."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (the process's own, unless given) name, and return its exit code."""
    parser = argparse.ArgumentParser(
        prog="flag-harness", description="Flag combinations, cassettes and contexts of agents."
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
        sys.stderr.close()  # whoever read the output has had enough of it
        return 0
    return code
