"""Where the reader of a report is: the folders and files that its commands name, as seen from there."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flag_harness.record import RunRecord


@dataclass(frozen=True, slots=True)
class ReportLocation:
    """The paths that the commands of a report need, relative to the folder in which they are typed.

    Attributes:
        root: pytest's root directory; empty if it is that folder, and None if it is not known where the project is.
        record: the file of the report's record; empty if it has none of its own.
    """

    root: str | None = ""
    record: str = ""


CURRENT_FOLDER_LOCATION = ReportLocation()
"""The reader is in the root of the project, and the record has no file."""


def locate_project(record: RunRecord, near: Iterable[Path] = ()) -> str | None:
    """Return the root directory of the project that a record is about, as in `ReportLocation.root`.

    That is the first folder that has all test files of the record: the current folder, or one above a path in `near`.
    """
    files = set(test_files(record))
    above = (folder for path in near for folder in path.absolute().parents)
    for folder in (Path.cwd(), *above):
        if files and all((folder / file).is_file() for file in files):
            return folder_seen_from(Path.cwd(), folder)
    return None


def location_of_run(root: Path, record: Path | None, start: Path) -> ReportLocation:
    """Return the location of a report whose reader is in `start`. The record is None if the run writes none."""
    return ReportLocation(folder_seen_from(start, root), folder_seen_from(start, record) if record else "")


def folder_seen_from(start: Path, folder: Path) -> str:
    """Return the path of a folder or file as seen from a folder; empty if both are the same."""
    try:
        path = os.path.relpath(folder, start)
    except ValueError:  # another drive of Windows
        path = str(folder)
    return "" if path == os.curdir else path


def test_files(record: RunRecord) -> Iterator[str]:
    """Yield the files of a record's tests, relative to pytest's root."""
    for row in record.rows:
        yield (row.sweep.test if row.sweep else row.case).partition("::")[0]
