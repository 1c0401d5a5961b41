"""The command `flag-harness cassette effects`, which lists what each flag changes in recordings."""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from flag_harness.analysis.effects.flag_runs import attribute_effects_from_cassettes, flag_effect_lines
from flag_harness.cassette import Cassette
from flag_harness.cassette.cassette import open_cassette
from flag_harness.cli.files import escape_to_one_line
from flag_harness.config import read_project_config
from flag_harness.errors import CassetteError
from flag_harness.report.json_keys import to_json_object

_EXAMPLES = """examples:
  flag-harness cassette effects
  flag-harness cassette effects recordings/test_refund
  flag-harness cassette effects --json | jq '.effects[] | select(.flag == "streaming") | .path'

Recordings of one test under combinations that differ in one flag alone are compared. The flags are those of
[tool.flag-harness.flags]. Without a PATH, the recordings directory of the project is read.

Exit code: 0 every flag changes something, 1 a flag changes no request, 2 wrong usage."""


def add_effects_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `cassette effects` to the parser."""
    parser = commands.add_parser(
        "effects",
        help="say what each flag changes in the recorded requests",
        description="Say what each flag changes in the recorded requests.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", type=Path, nargs="*", metavar="PATH", help="cassettes, or folders of them")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    parser.set_defaults(run=_run_effects)


def _run_effects(arguments: argparse.Namespace) -> int:
    root, config = read_project_config()
    attribution = attribute_effects_from_cassettes(
        _load_cassettes(arguments.paths or [root / config.recordings]), config.flags
    )
    if arguments.json:
        effects = [to_json_object(effect) for effect in attribution.effects]
        print(
            json.dumps(
                {
                    "effects": effects,
                    "inert": dict(attribution.pairs_by_inert_flag),
                    "unpaired": attribution.unpaired_flags,
                }
            )
        )
    else:
        lines = map(escape_to_one_line, flag_effect_lines(attribution))
        print("\n".join(lines) or "No recordings of a test under two combinations were found.")
        for name in attribution.unpaired_flags:
            print(f"{name}: not shown; no two recordings of a test differ in this flag alone")
    return 1 if attribution.pairs_by_inert_flag else 0


def _load_cassettes(paths: Sequence[Path]) -> Iterator[Cassette]:
    for path in paths:
        if not path.exists():
            raise CassetteError(f"{path} does not exist; name a cassette, or a folder of them")
        yield from map(open_cassette, sorted(path.rglob("*.json")) if path.is_dir() else [path])
