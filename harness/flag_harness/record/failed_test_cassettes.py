"""The files beside a run record: the cassettes of its failed tests, in a folder of their own."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from flag_harness.errors import RecordError
from flag_harness.files import read_regular_file, write_atomically

_MAX_NAME_CHARACTERS = 80
_MAX_BYTES = 1 << 30
_RECORD_HEADER_KEY = b'"flag_harness_record":'
"""The key that marks the header of a record, within its first bytes."""


def folder_of_failed_test_cassettes(record: Path) -> Path:
    """Return the folder with the cassettes of a record's failed tests: `run.cassettes` for `run.jsonl`."""
    return record.with_suffix(".cassettes")


def path_of_failed_test_cassette(record: Path, case: str) -> Path:
    """Return the path of the kept cassette of a failed test; `case` is its node id."""
    name = re.sub(r"[^A-Za-z0-9_.]+", "-", case)[:_MAX_NAME_CHARACTERS].strip("-.")
    digest = hashlib.blake2b(case.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return folder_of_failed_test_cassettes(record) / f"{name}-{digest}.json"


def files_of_failed_test_cassettes(record: Path) -> Iterator[Path]:
    """Yield the files in a record's folder of cassettes: the cassettes and the large bodies that they share."""
    folder = folder_of_failed_test_cassettes(record)
    yield from sorted(folder.glob("*.json"))
    yield from sorted(path for path in folder.glob("blobs/*") if path.is_file())


def remove_failed_test_cassettes(record: Path) -> None:
    """Remove the cassettes that an earlier run kept beside a record. Raise `OSError` if that fails."""
    for path in files_of_failed_test_cassettes(record):
        path.unlink()


def copy_failed_test_cassettes(source: Path, target: Path) -> None:
    """Copy the cassettes beside the record `source` to the record `target`. Raise `RecordError` if that fails."""
    try:
        for path in files_of_failed_test_cassettes(source):
            copy = folder_of_failed_test_cassettes(target) / path.relative_to(folder_of_failed_test_cassettes(source))
            write_atomically(copy, read_regular_file(path, _MAX_BYTES))
    except (OSError, ValueError) as error:
        raise RecordError(
            f"{folder_of_failed_test_cassettes(target)}: the cassettes of {source} cannot be copied: {error}"
        ) from None


def find_records(path: Path) -> tuple[Path, ...]:
    """Return the records at a path: the file itself, or all records in a folder, such as an artifact of a CI job.

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
