"""`flag-harness matrix`: lists the combinations of the declared flags, and marks the one of the environment."""

import argparse
import json
import os
from pathlib import Path

from flag_harness.config import read_config
from flag_harness.flags import SHIPPED
from flag_harness.matrix import Combination, all_combinations, read_combination

_EXAMPLES = """examples:
  flag-harness matrix
  ENABLE_STREAMING=true flag-harness matrix --json | jq -r .selected

The flags are those of [tool.flag-harness.flags] in ./pyproject.toml; without them, the three that ship."""


def add_matrix_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `matrix`."""
    parser = subparsers.add_parser(
        "matrix",
        help="list the combinations of the declared flags",
        description="List the combinations of the declared flags; a star marks the one that the environment selects.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    config = read_config(Path("pyproject.toml"))
    if config.flags == SHIPPED:
        from flag_harness.reference.settings import read_settings

        read_settings(os.environ)  # raises if one of the reference agent's numbers is invalid
    selected = read_combination(config.flags, os.environ).id
    combinations = all_combinations(config.flags)
    if arguments.json:
        print(json.dumps({"selected": selected, "combinations": {one.id: _set_variables(one) for one in combinations}}))
        return 0
    for one in combinations:
        variables = " ".join(f"{name}={value}" for name, value in _set_variables(one).items())
        print(f"{'*' if one.id == selected else ' '} {one.id:<42} {variables}".rstrip())
    return 0


def _set_variables(combination: Combination) -> dict[str, str]:
    return {name: value for name, value in combination.environ.items() if value is not None}
