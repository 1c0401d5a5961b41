"""The cassettes of failed tests, which a run keeps in a folder next to its run record."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from flag_harness.errors import RecordError
from flag_harness.files import read_regular_file, write_atomically

_MAX_CASSETTE_NAME_CHARACTERS = 80
_MAX_KEPT_FILE_BYTES = 1 << 30
_RECORD_HEADER_KEY = b'"flag_harness_record":'
"""The key that stands within the first bytes of every run record. Other files of JSON lines do not have it."""


def failed_test_cassette_folder(record: Path) -> Path:
    """Return the folder next to a run record that holds the cassettes of its failed tests: `run.cassettes` for
    `run.jsonl`.
    """
    return record.with_suffix(".cassettes")


def failed_test_cassette_path(record: Path, case: str) -> Path:
    """Return the path at which a run keeps the cassette of a failed test. `case` is the test's node id."""
    name = re.sub(r"[^A-Za-z0-9_.]+", "-", case)[:_MAX_CASSETTE_NAME_CHARACTERS].strip("-.")
    digest = hashlib.blake2b(case.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return failed_test_cassette_folder(record) / f"{name}-{digest}.json"


def failed_test_cassette_files(record: Path) -> Iterator[Path]:
    """Yield the files that a run kept for its failed tests: cassettes, and large bodies that several
    cassettes share.
    """
    folder = failed_test_cassette_folder(record)
    yield from sorted(folder.glob("*.json"))
    yield from sorted(path for path in folder.glob("blobs/*") if path.is_file())


def remove_failed_test_cassettes(record: Path) -> None:
    """Remove the cassettes that an earlier run kept next to a run record. Raise `OSError` if that fails."""
    for path in failed_test_cassette_files(record):
        path.unlink()


def copy_failed_test_cassettes(source: Path, target: Path) -> None:
    """Copy the cassettes next to the run record `source` to the folder next to the run record `target`.

    Raise `RecordError` if that fails.
    """
    try:
        for path in failed_test_cassette_files(source):
            copy = failed_test_cassette_folder(target) / path.relative_to(failed_test_cassette_folder(source))
            write_atomically(copy, read_regular_file(path, _MAX_KEPT_FILE_BYTES))
    except (OSError, ValueError) as error:
        raise RecordError(
            f"{failed_test_cassette_folder(target)}: the cassettes of {source} cannot be copied: {error}"
        ) from None


def find_records(path: Path) -> tuple[Path, ...]:
    """Return the paths of the run records at `path`: the file itself, or all run records in a folder, such as a CI
    artifact.

    Raise `RecordError` if there is none.
    """
    if not path.exists():
        raise RecordError(f"{path}: there is no such file or folder; name a record, or the folder of an artifact")
    if not path.is_dir():
        return (path,)
    found = tuple(sorted(file for file in path.rglob("*.jsonl") if _is_record(file)))
    if not found:
        raise RecordError(
            f"{path}: there is no run record in this folder; `pytest --harness-record=FILE` writes one; an artifact "
            "must contain FILE and the files beside it"
        )
    return found


def _is_record(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _RECORD_HEADER_KEY in file.readline(1000)
