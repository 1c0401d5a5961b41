"""The command `flag-harness cassette export`, which writes cassettes in the formats of other tools."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from flag_harness.cassette.cassette import open_cassette
from flag_harness.cassette.file.exporters import EXPORT_FORMATS
from flag_harness.cli.files import OutputFiles, escape_to_one_line
from flag_harness.errors import CassetteError
from flag_harness.files import write_atomically

_EXAMPLES = """examples:
  flag-harness cassette export recordings --format vcrpy --to cassettes
  flag-harness cassette export recordings/x.json --format vcrpy --to cassettes --base-url https://proxy.example

Chunks and times are lost. A cassette with a broken connection cannot be exported; it is named and left out.

Exit code: 0 all were exported, 1 some were not, 2 none was, or wrong usage."""
DEFAULT_BASE_URL = "https://api.anthropic.com"
"""The default beginning of URLs in exported requests, because cassettes store no host."""
_TARGET_SUFFIX = ".yaml"


def add_export_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `cassette export` to the parser."""
    parser = commands.add_parser(
        "export",
        help="write cassettes that vcrpy can read",
        description="Write cassettes that other tools can read.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sources", type=Path, nargs="+", metavar="SRC", help="a cassette, or a directory of them")
    parser.add_argument("--format", required=True, choices=sorted(EXPORT_FORMATS), help="the format to write")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="the folder to write to")
    parser.add_argument(
        "--base-url", default=DEFAULT_BASE_URL, metavar="URL", help="the address in requests (default: %(default)s)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    parser.set_defaults(run=_run_export)


def _run_export(arguments: argparse.Namespace) -> int:
    done = failed = 0
    targets = OutputFiles()
    for source, target in list(_pair_sources_with_targets(arguments)):
        try:
            _export_file(source, target, targets, arguments)
            done += 1
        except CassetteError as error:
            failed += 1
            print(escape_to_one_line(str(error)), file=sys.stderr)
        except OSError as error:
            failed += 1
            print(escape_to_one_line(f"{target}: {error.strerror or error}"), file=sys.stderr)
    if done:
        print(f"{done} of {done + failed} cassettes exported to {arguments.to}")
    return 0 if not failed else 1 if done else 2


def _pair_sources_with_targets(arguments: argparse.Namespace) -> Iterator[tuple[Path, Path]]:
    """Yield each cassette to export with the path of its target file.

    Raise `CassetteError` if a directory contains no cassette.
    """
    for argument in arguments.sources:
        if not argument.is_dir():
            yield argument, arguments.to / f"{argument.stem}{_TARGET_SUFFIX}"
            continue
        found = sorted(argument.rglob("*.json"))
        if not found:
            raise CassetteError(f"{argument}: no cassette in it (none ends in .json)")
        yield from ((path, arguments.to / path.relative_to(argument).with_suffix(_TARGET_SUFFIX)) for path in found)


def _export_file(source: Path, target: Path, targets: OutputFiles, arguments: argparse.Namespace) -> None:
    try:
        targets.reserve_target(target, source)
    except CassetteError as error:
        raise CassetteError(f"{source}: {error}") from None
    if target.exists() and not arguments.force:
        raise CassetteError(f"{source}: {target} exists; use --force to overwrite it")
    write_atomically(target, EXPORT_FORMATS[arguments.format](open_cassette(source), arguments.base_url))
