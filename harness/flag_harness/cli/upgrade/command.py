"""The command `flag-harness upgrade`: rewrite settings and cassettes of older releases in the current format."""

import argparse
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flag_harness.cassette.file.lock import lock_parent_folders
from flag_harness.cassette.orphans import relative_path_with_slashes
from flag_harness.cassette.upgrade import find_cassettes, upgrade_cassette
from flag_harness.cli.terminal import print_json
from flag_harness.config import find_root, read_config
from flag_harness.config.upgrade import NEW_TABLE_NAME, upgrade_settings
from flag_harness.errors import ConfigError, UpgradeError
from flag_harness.files import write_atomically
from flag_harness.record import load_record
from flag_harness.wording import count_with_noun

_EXAMPLES = """examples:
  flag-harness upgrade --dry-run
  flag-harness upgrade
  flag-harness upgrade recordings/refunds run.jsonl

Without a PATH, the recordings of the project are upgraded. Its pyproject.toml always is. A recording keeps its date,
its requests and its answers. Either all files are written or none.

Exit code: 0 all is up to date now; 1 --dry-run found something; 2 a file cannot be read or written."""
_RECORD_SUFFIX = ".jsonl"


@dataclass(slots=True)
class _UpgradePlan:
    """The files to write, by kind; the reasons to write them; and the number of files that are up to date."""

    settings_files: dict[Path, bytes] = field(default_factory=dict)
    shared_files: dict[Path, bytes] = field(default_factory=dict)
    cassette_files: dict[Path, bytes] = field(default_factory=dict)
    reasons_with_paths: list[tuple[Path, str]] = field(default_factory=list)
    unchanged_count: int = 0

    @property
    def files(self) -> dict[Path, bytes]:
        """The files in the order in which they are written, so that no file ever refers to one that does not
        exist yet.
        """
        return {**self.shared_files, **self.cassette_files, **self.settings_files}


def add_upgrade_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `upgrade` to the parser."""
    parser = subparsers.add_parser(
        "upgrade",
        help="write the settings and recordings of older releases as this release would",
        description="Write the settings, recordings and records of older releases in the newest format.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths", type=Path, nargs="*", metavar="PATH", help="recordings, directories of them, or records of runs"
    )
    parser.add_argument("--dry-run", action="store_true", help="write nothing; list what would be written")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    parser.set_defaults(run=_run_upgrade)


def _run_upgrade(arguments: argparse.Namespace) -> int:
    root = find_root().absolute()
    plan = _UpgradePlan()
    recordings = root / _add_settings_to_plan(plan, root / "pyproject.toml")
    paths: Sequence[Path] = arguments.paths or ([recordings] if recordings.exists() else [])
    if missing := [path for path in paths if not path.exists()]:
        raise UpgradeError(f"{missing[0]}: there is no such file or directory; name recordings, or a record of a run")
    records = [path for path in paths if path.suffix == _RECORD_SUFFIX]
    cassettes = [file.absolute() for path in paths if path not in records for file in find_cassettes(path)]
    for record in records:
        load_record(record)  # raises if this release cannot read it; format 1 is the newest
        plan.unchanged_count += 1
    with lock_parent_folders(cassettes):
        _add_cassettes_to_plan(plan, cassettes, recordings)
        if not arguments.dry_run:
            _write_all_files(plan.files)
    if arguments.json:
        print_json(_json_report(plan, root, arguments.dry_run))
    else:
        print("\n".join(_report_lines(plan, root, arguments.dry_run)))
    return 1 if arguments.dry_run and plan.reasons_with_paths else 0


def _add_settings_to_plan(plan: _UpgradePlan, pyproject: Path) -> str:
    """If the settings have old names, add the file with the new names to the plan. Return the value of the setting
    `recordings`.
    """
    if not pyproject.is_file():
        return read_config(pyproject).recordings
    try:
        text = pyproject.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{pyproject}: {error}") from None
    new, renamed = upgrade_settings(text, pyproject)
    if not renamed:
        plan.unchanged_count += 1
        return read_config(pyproject).recordings
    from flag_harness.config.table import parse_config  # imported here, as for each project without the table

    plan.settings_files[pyproject] = new.encode("utf-8")
    plan.reasons_with_paths += [(pyproject, f"rename {one}") for one in renamed]
    return parse_config(tomllib.loads(new)["tool"][NEW_TABLE_NAME], pyproject).recordings


def _add_cassettes_to_plan(plan: _UpgradePlan, cassettes: Sequence[Path], recordings: Path) -> None:
    for path in cassettes:
        upgraded = upgrade_cassette(path, recordings)
        if upgraded is None:
            plan.unchanged_count += 1
            continue
        plan.shared_files.update(upgraded.shared_files)
        plan.cassette_files[path] = upgraded.data
        plan.reasons_with_paths.append((path, "format 1 to 2"))


def _write_all_files(files: Mapping[Path, bytes]) -> None:
    """Write all files, or none. Raise `UpgradeError` if one of them cannot be written."""
    before = {path: path.read_bytes() if path.exists() else None for path in files}
    try:
        for path, data in files.items():
            if before[path] != data:
                write_atomically(path, data)
    except OSError as error:
        for path, old in before.items():
            _restore_file(path, old)
        raise UpgradeError(f"{path}: cannot be written ({error.strerror}), so nothing was changed") from None


def _restore_file(path: Path, old: bytes | None) -> None:
    if old is None:
        path.unlink(missing_ok=True)
    elif path.read_bytes() != old:
        write_atomically(path, old)


def _report_lines(plan: _UpgradePlan, root: Path, dry_run: bool) -> Iterator[str]:
    yield from (f"{relative_path_with_slashes(root, path)}: {change}" for path, change in plan.reasons_with_paths)
    count = len({path for path, _ in plan.reasons_with_paths})
    verb = "would be upgraded" if dry_run else "upgraded"
    yield f"{count_with_noun(count, 'file')} {verb}, {count_with_noun(plan.unchanged_count, 'file')} up to date"


def _json_report(plan: _UpgradePlan, root: Path, dry_run: bool) -> dict[str, Any]:
    changes = [
        {"path": relative_path_with_slashes(root, path), "change": change} for path, change in plan.reasons_with_paths
    ]
    return {"changes": changes, "written": bool(changes) and not dry_run, "unchanged": plan.unchanged_count}
