"""The command `flag-harness cassette prune`, which removes unused cassettes, blobs and partial files."""

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flag_harness.cassette.cassette import MAX_CASSETTE_BYTES
from flag_harness.cassette.orphans import (
    CassettesUsedByRun,
    find_orphan_cassettes,
    find_unused_blobs,
    relative_path_with_slashes,
)
from flag_harness.cli.terminal import print_json
from flag_harness.config import read_project_config
from flag_harness.errors import CassetteError
from flag_harness.files import find_abandoned_temporary_files, read_regular_file

_EXAMPLES = """examples:
  pytest && flag-harness cassette prune --dry-run
  flag-harness cassette prune
  flag-harness cassette prune --json | jq -r '.removed[]'

The last run of pytest in this directory noted which cassettes its tests claim, so run the whole suite before. Cassettes
that are newer than that run are kept.

Exit code: 0 all is removed, 1 --dry-run found something, 2 wrong usage, or no such run."""
CASSETTE_USE_FILE = Path("v", "flag-harness", "claims")
"""The file in pytest's cache that lists the cassettes that the tests of the last run use."""
_RUN_SUITE_ADVICE = "run the whole suite first: pytest"


@dataclass(frozen=True, slots=True)
class _LastRun:
    """What pytest's last run left in its cache: which cassettes its tests use, and when it finished (Unix time).

    `partial_reason` says why not all tests ran, or is empty.
    """

    partial_reason: str
    finished_at: float
    used_cassettes: CassettesUsedByRun


@dataclass(slots=True)
class _RemovableFiles:
    """The files to remove, and notes that explain why other files are kept."""

    cassettes: list[Path] = field(default_factory=list)
    blobs: list[Path] = field(default_factory=list)
    partial_files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def files(self) -> list[Path]:
        """All files to remove."""
        return [*self.cassettes, *self.blobs, *self.partial_files]


def add_prune_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `cassette prune` to the parser."""
    parser = commands.add_parser(
        "prune",
        help="remove cassettes that no test claims",
        description="Remove cassettes that no test claims, blobs that no cassette refers to, and files that were left "
        "half-written by killed processes.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dry-run", action="store_true", help="remove nothing; list what would be removed")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="pytest's cache (default: .pytest_cache of the project)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    parser.set_defaults(run=_run_prune)


def _run_prune(arguments: argparse.Namespace) -> int:
    folder, config = read_project_config()
    root = folder.absolute()
    recordings = root / config.recordings
    run = _read_last_run((arguments.cache or folder / ".pytest_cache") / CASSETTE_USE_FILE)
    if run.partial_reason:
        raise CassetteError(f"the last run was not complete ({run.partial_reason}); {_RUN_SUITE_ADVICE}")
    removable = _find_removable_files(root, recordings, run)
    if not arguments.dry_run:
        for path in removable.files:
            path.unlink(missing_ok=True)
        _remove_empty_folders(recordings)
    if arguments.json:
        print_json(_json_report(removable, root, arguments.dry_run))
    else:
        print("\n".join(_report_lines(removable, root, arguments.dry_run)))
    return 1 if arguments.dry_run and removable.files else 0


def _read_last_run(file: Path) -> _LastRun:
    try:
        row = json.loads(read_regular_file(file, MAX_CASSETTE_BYTES))
        claims = CassettesUsedByRun(frozenset(row["claimed"]), frozenset(row["files"]))
        return _LastRun(str(row["partial_reason"]), float(row["finished"]), claims)
    except FileNotFoundError:
        raise CassetteError(
            f"{file}: no run has noted which cassettes its tests claim; {_RUN_SUITE_ADVICE} "
            "(with its cache, in this directory)"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CassetteError(f"{file}: cannot be read ({error}); {_RUN_SUITE_ADVICE}") from None


def _find_removable_files(root: Path, recordings: Path, run: _LastRun) -> _RemovableFiles:
    removable = _RemovableFiles(partial_files=list(find_abandoned_temporary_files(recordings, time.time())))
    for path in find_orphan_cassettes(root, recordings, run.used_cassettes):
        if path.stat().st_mtime > run.finished_at:
            removable.notes.append(
                f"{relative_path_with_slashes(root, path)} is newer than the last run, and left alone; "
                f"{_RUN_SUITE_ADVICE}"
            )
        else:
            removable.cassettes.append(path)
    try:
        removable.blobs = find_unused_blobs(recordings, frozenset(removable.cassettes))
    except ValueError as error:
        removable.notes.append(f"all blobs are left alone: {error}")
    return removable


def _remove_empty_folders(recordings: Path) -> None:
    for folder in sorted((path for path in recordings.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()


def _report_lines(removable: _RemovableFiles, root: Path, dry_run: bool) -> Iterator[str]:
    yield from (relative_path_with_slashes(root, path) for path in removable.files)
    yield from removable.notes
    counts = ", ".join(
        f"{len(paths)} {name}{'s' if len(paths) != 1 else ''}"
        for name, paths in (
            ("cassette", removable.cassettes),
            ("blob", removable.blobs),
            ("half-written file", removable.partial_files),
        )
    )
    yield f"{counts} {'would be removed' if dry_run else 'removed'}"


def _json_report(removable: _RemovableFiles, root: Path, dry_run: bool) -> dict[str, Any]:
    kinds = {"cassettes": removable.cassettes, "blobs": removable.blobs, "parts": removable.partial_files}
    named = {kind: [relative_path_with_slashes(root, path) for path in paths] for kind, paths in kinds.items()}
    removed = [] if dry_run else [path for paths in named.values() for path in paths]
    return {**named, "removed": removed, "notes": removable.notes}
