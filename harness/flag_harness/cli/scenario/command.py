"""The command `flag-harness scenario`, which writes scenarios: files that say what the simulator answers."""

import argparse
from pathlib import Path
from typing import Any

_EXAMPLES = """examples:
  flag-harness scenario from recordings/test_refund/test_refund.json
  flag-harness scenario from recordings/test_refund/test_refund.json -o fixtures/scenarios/refund.toml

Times, token counts and signatures are not copied; the simulator makes its own. An answer that broke off is left out:
use a fault for it (docs/faults.md).

Exit code: 0, or 1 if something was left out; 2 if there is no answer to write, or wrong usage."""


def add_scenario_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `scenario` to the parser."""
    options: dict[str, Any] = {"epilog": _EXAMPLES, "formatter_class": argparse.RawDescriptionHelpFormatter}
    about = "work with scenarios, which say what the simulator answers"
    parser = subparsers.add_parser("scenario", help=about, description=f"W{about[1:]}.", **options)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    about = "write the scenario that gives the answers of a cassette"
    command = commands.add_parser("from", help=about, description=f"W{about[1:]}.", **options)
    command.add_argument("cassette", type=Path, metavar="CASSETTE", help="the cassette to read")
    command.add_argument("-o", "--output", type=Path, metavar="FILE", help="the file to write; by default print it")
    command.add_argument("--force", action="store_true", help="overwrite FILE")
    command.set_defaults(run=_run_scenario)


def _run_scenario(arguments: argparse.Namespace) -> int:
    # imported here: the help of the commands does not need the simulator
    from flag_harness.cli.scenario.from_cassette import write_scenario

    return write_scenario(arguments)
