"""`flag-harness cassette export`: our cassettes, as those of others."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from flag_harness.cassette import Cassette
from flag_harness.cassette.file.exporters import FORMATS
from flag_harness.cli.files import Targets, one_line
from flag_harness.errors import CassetteError
from flag_harness.files import write_whole

_EXAMPLES = """examples:
  flag-harness cassette export recordings --format vcrpy --to cassettes
  flag-harness cassette export recordings/x.json --format vcrpy --to cassettes --base-url https://proxy.example

Chunks and times are lost, and so are connections that broke: a cassette that holds one is named and not exported.

Exit code: 0 all were exported, 1 some were not, 2 none was, or wrong usage."""
API = "https://api.anthropic.com"
"""The host that requests get, since cassettes keep none: the API's own."""
_SUFFIX = ".yaml"


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `export`."""
    parser = commands.add_parser(
        "export",
        help="write cassettes as vcrpy reads them",
        description="Write cassettes as other tools read them.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sources", type=Path, nargs="+", metavar="SRC", help="a cassette, or a directory of them")
    parser.add_argument("--format", required=True, choices=sorted(FORMATS), help="whose cassettes to write")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="where to write, mirroring the sources")
    parser.add_argument("--base-url", default=API, metavar="URL", help="where requests go (default: %(default)s)")
    parser.add_argument("--force", action="store_true", help="write over files that exist")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    done = failed = 0
    targets = Targets()
    for source, target in list(_pairs(arguments)):
        try:
            _export(source, target, targets, arguments)
            done += 1
        except CassetteError as error:
            failed += 1
            print(one_line(str(error)), file=sys.stderr)
        except OSError as error:
            failed += 1
            print(one_line(f"{target}: {error.strerror or error}"), file=sys.stderr)
    if done:
        print(f"{done} of {done + failed} cassettes exported to {arguments.to}")
    return 0 if not failed else 1 if done else 2


def _pairs(arguments: argparse.Namespace) -> Iterator[tuple[Path, Path]]:
    """Each cassette with the file to write. Raises `CassetteError` where a directory has none."""
    for argument in arguments.sources:
        if not argument.is_dir():
            yield argument, arguments.to / f"{argument.stem}{_SUFFIX}"
            continue
        found = sorted(argument.rglob("*.json"))
        if not found:
            raise CassetteError(f"{argument}: no cassette in it (none ends in .json)")
        yield from ((path, arguments.to / path.relative_to(argument).with_suffix(_SUFFIX)) for path in found)


def _export(source: Path, target: Path, targets: Targets, arguments: argparse.Namespace) -> None:
    try:
        targets.claim(target, source)
    except CassetteError as error:
        raise CassetteError(f"{source}: {error}") from None
    if target.exists() and not arguments.force:
        raise CassetteError(f"{source}: {target} exists; --force writes over it")
    write_whole(target, FORMATS[arguments.format](Cassette.load(source), arguments.base_url))
