"""The command `flag-harness cassette check`, which searches recorded traffic for API keys."""

import argparse
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO

from flag_harness.cassette.cassette import MAX_CASSETTE_BYTES, read_cassette_file
from flag_harness.cassette.file.blobs import BlobFolderReader
from flag_harness.cassette.file.format import decode_metadata_and_interactions
from flag_harness.cassette.interaction import CassetteMetadata, Interaction
from flag_harness.cassette.redact.filters import Filters, project_filters
from flag_harness.cassette.redact.privacy import find_personal_data
from flag_harness.cassette.redact.scan import SecretFinding, scan_cassette, scan_file
from flag_harness.cli.terminal import print_json
from flag_harness.config import read_project_config
from flag_harness.errors import HarnessError
from flag_harness.files import read_regular_file, reason_unreadable, regular_file_size

_EXAMPLES = """examples:
  flag-harness cassette check
  flag-harness cassette check recordings/matrix --history
  flag-harness cassette check --json | jq -r '.findings[].path'

Without a PATH, the recordings directory of the project is checked. --history reads every version of the files
under the paths, in every commit of every branch, tag and stash, including files that have been deleted.

Recordings that are older than a filter in [tool.flag-harness.filters] or a detector in [tool.flag-harness.privacy], and
hold what it names, are reported too.

Exit code: 0 all is fine, 1 found a key, something filtered or an unreadable cassette, 2 wrong usage."""
_CASSETTE_SUFFIX = ".json"
_COMMIT_HASH_LENGTH = 10
"""The number of digits of a commit's hash that are printed."""


@dataclass(frozen=True, slots=True)
class _FileVersion:
    """A version of a file: the file as it is now or, if `committed_content` is given, its content in a commit."""

    path: str
    committed_content: bytes = b""
    commit_hash: str = ""

    def __str__(self) -> str:
        return f"{self.commit_hash[:_COMMIT_HASH_LENGTH]} {self.path}" if self.commit_hash else self.path


@dataclass(frozen=True, slots=True)
class _FileCheckResult:
    """The findings in one version of a file, and why the file could not be read if it is a broken cassette.

    `key_findings` are texts that look like an API key; `declared_findings` are values that the project's filters or
    detectors of personal data find.
    """

    version: _FileVersion
    key_findings: list[SecretFinding]
    declared_findings: list[SecretFinding] = field(default_factory=list)
    read_error: str = ""

    @property
    def findings(self) -> list[SecretFinding]:
        """All findings: those of `key_findings`, then those of `declared_findings`."""
        return [*self.key_findings, *self.declared_findings]


def add_check_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `cassette check` to the parser."""
    parser = commands.add_parser(
        "check",
        help="search recorded traffic for keys, and for files that cannot be read",
        description="Search recorded traffic for what looks like a key, and for cassettes that cannot be read.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", type=Path, nargs="*", metavar="PATH", help="cassettes, or directories of them")
    parser.add_argument("--history", action="store_true", help="check every commit's versions too")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    parser.set_defaults(run=_run_check)


def _run_check(arguments: argparse.Namespace) -> int:
    root, config = read_project_config()
    recordings, filters = root / config.recordings, project_filters(config, root.absolute())
    paths = arguments.paths or [recordings]
    files = (
        []
        if not arguments.paths and not recordings.exists()
        else list(_current_file_versions(paths, arguments.history))
    )
    results = [_check_file_version(file, filters) for file in files]
    if arguments.history:
        results += [_check_file_version(version, filters) for version in _file_versions_in_history(paths)]
    if arguments.json:
        print_json(_json_report(results))
    else:
        print("\n".join(_report_lines(results)))
    return 1 if any(one.findings or one.read_error for one in results) else 0


def _current_file_versions(paths: Iterable[Path], skips_missing_paths: bool) -> Iterator[_FileVersion]:
    """Yield the files under the paths. A missing path raises `HarnessError`, but is skipped if `skips_missing_paths` is
    true.
    """
    for path in paths:
        if not path.exists() and not skips_missing_paths:
            raise HarnessError(f"{path}: there is no such file or directory; name cassettes, or a directory of them")
        found = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        for file in found if path.exists() else ():
            try:
                regular_file_size(file, MAX_CASSETTE_BYTES)
            except (OSError, ValueError) as error:
                raise _unreadable_file_error(str(file), error) from None
            yield _FileVersion(str(file))


def _unreadable_file_error(path: str, error: OSError | ValueError) -> HarnessError:
    return HarnessError(f"{path}: cannot be read: {reason_unreadable(error)}")


def _check_file_version(version: _FileVersion, filters: Filters) -> _FileCheckResult:
    """Search a version of a file for API keys and, if it is a cassette, for values that the project's filters or
    detectors find.
    """
    try:
        metadata, interactions = _decode_file_version(version)
        declared = [*_find_unfiltered_values(interactions, filters)]
        return _FileCheckResult(
            replace(version, committed_content=b""), scan_cassette(metadata, interactions), declared
        )
    except OSError as error:
        raise _unreadable_file_error(version.path, error) from None
    except ValueError as error:
        wrong = f"{version.path}: cannot be read as a cassette: {error}"
    # the file is read only now, when the exception no longer keeps what had been read of it
    is_cassette = version.path.endswith(_CASSETTE_SUFFIX) and not version.commit_hash
    data = (
        version.committed_content if version.commit_hash else read_regular_file(Path(version.path), MAX_CASSETTE_BYTES)
    )
    return _FileCheckResult(
        replace(version, committed_content=b""), scan_file(data), read_error=wrong if is_cassette else ""
    )


def _decode_file_version(version: _FileVersion) -> tuple[CassetteMetadata, list[Interaction]]:
    """Decode a cassette. Raise `ValueError` if it is invalid, and `OSError` if it cannot be read."""
    blobs = BlobFolderReader(Path(version.path))
    if version.commit_hash:
        return decode_metadata_and_interactions(version.committed_content, blobs)
    content = read_cassette_file(Path(version.path), blobs)
    return content.metadata, content.interactions


def _find_unfiltered_values(interactions: Sequence[Interaction], filters: Filters) -> Iterator[SecretFinding]:
    """Yield a finding for each interaction that a filter would change, or in which a detector finds personal data."""
    tables = (
        ("[tool.flag-harness.filters] names", replace(filters, detectors=())),
        ("[tool.flag-harness.privacy] masks", Filters(detectors=filters.detectors)),
    )
    for number, interaction in enumerate(interactions):
        for table, one in tables:
            if one.filter_interaction(interaction) != interaction:
                yield SecretFinding("request or answer", f"holds what {table}", "record it again", number)
    yield from find_personal_data(interactions, filters.detectors, "refuse")
    yield from find_personal_data(interactions, filters.detectors, "warn")


def _file_versions_in_history(paths: Sequence[Path]) -> Iterator[_FileVersion]:
    """Yield every version of the files under the paths in git's history, once each, oldest first."""
    listing = (
        "log",
        "--all",
        "--topo-order",
        "--reverse",
        "-m",
        "--raw",
        "-z",
        "--no-abbrev",
        "--no-renames",
        "--format=%H",
    )
    output = _run_git(*listing, "--", *map(str, paths))
    with subprocess.Popen(["git", "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as reader:
        assert reader.stdin
        assert reader.stdout
        for commit, blob, path in _file_versions_in_git_log(output):
            reader.stdin.write(blob + b"\n")
            reader.stdin.flush()
            if (data := _read_git_object(reader.stdout)) is not None:
                yield _FileVersion(path.decode("utf-8", "replace"), data, commit.decode("ascii"))


def _file_versions_in_git_log(listing: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield commit, git blob and path of each file version in the output of `git log --raw -z`, once each."""
    seen: set[tuple[bytes, bytes]] = set()
    commit, fields = b"", iter(listing.split(b"\0"))
    for text in fields:
        if not (change := text.strip()).startswith(b":"):
            commit = change or commit
            continue
        blob, status = change.split()[3:5]
        path = next(fields)
        if status != b"D" and (blob, path) not in seen:
            seen.add((blob, path))
            yield commit, blob, path


def _read_git_object(output: IO[bytes]) -> bytes | None:
    """Return the next file from `git cat-file --batch`, or None if the next object is not a file."""
    _, *described = output.readline().split()
    if len(described) != 2:
        return None
    data = output.read(int(described[1]))
    output.read(1)
    return data if described[0] == b"blob" else None


def _run_git(*arguments: str) -> bytes:
    try:
        return subprocess.run(["git", *arguments], check=True, capture_output=True).stdout
    except FileNotFoundError:
        raise HarnessError("--history: git is not installed; check the files alone without it") from None
    except subprocess.CalledProcessError as error:
        told = error.stderr.decode("utf-8", "replace").strip().splitlines()
        raise HarnessError(f"--history: {told[0] if told else 'git failed'}") from None


def _report_lines(results: Sequence[_FileCheckResult]) -> Iterator[str]:
    for one in results:
        if one.read_error:
            yield one.read_error
        yield from (f"{one.version}: {finding}" for finding in one.findings)
    keys, declared = (
        sum(map(len, found)) for found in ([r.key_findings for r in results], [r.declared_findings for r in results])
    )
    unreadable = sum(bool(one.read_error) for one in results)
    commits = sum(bool(one.version.commit_hash) for one in results)
    read = f"{len(results) - commits} files" + (f" and {commits} versions of the history" if commits else "")
    data = f"{declared} hold what filters or detectors name, " if declared else ""
    yield f"{read} checked: {keys} look like a key, {data}{unreadable} cannot be read"
    if any(one.key_findings for one in results if one.version.commit_hash):
        yield "What a commit holds stays there when the file is fixed: withdraw those keys."
    elif keys:
        yield "Withdraw those keys if they are real; name them in [tool.flag-harness.filters], and record again."
    if declared:
        yield "What filters or detectors name is left out when those tests are recorded again: --record-mode=rewrite"


def _json_report(results: Sequence[_FileCheckResult]) -> dict[str, object]:
    return {
        "checked": len(results),
        "findings": [
            {"path": one.version.path, "commit": one.version.commit_hash or None, **asdict(finding)}
            for one in results
            for finding in one.findings
        ],
        "unreadable": [{"path": one.version.path, "error": one.read_error} for one in results if one.read_error],
    }
