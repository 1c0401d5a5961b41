"""The folder in which a report's reader types commands, and the paths of files as seen from this folder."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flag_harness.record import RunRecord


@dataclass(frozen=True, slots=True)
class ReportLocation:
    """The paths that the commands of a report need, relative to the folder in which the reader types them.

    Attributes:
        root_folder: pytest's root directory; empty if the reader is in it, and None if it is not known.
        record_path: the file of the run record; empty if the record has no file of its own.
    """

    root_folder: str | None = ""
    record_path: str = ""


CURRENT_FOLDER_LOCATION = ReportLocation()
"""The location of a reader who is in pytest's root directory, for a record that has no file."""


def locate_project(record: RunRecord, start_folders: Iterable[Path] = ()) -> str | None:
    """Return the root directory of the project that a record is about, as `ReportLocation.root` holds it.

    The root is the first folder that has all test files of the record. The current folder is tried first, then the
    folders above each path in `start_folders`.
    """
    files = set(paths_of_test_files(record))
    above = (folder for path in start_folders for folder in path.absolute().parents)
    for folder in (Path.cwd(), *above):
        if files and all((folder / file).is_file() for file in files):
            return relative_folder_path(Path.cwd(), folder)
    return None


def location_of_run(root: Path, record_path: Path | None, start: Path) -> ReportLocation:
    """Return the location of a report whose reader is in the folder `start`.

    `root` is pytest's root directory, and `record_path` the file of the run record, or None if the run writes none.
    """
    return ReportLocation(
        relative_folder_path(start, root), relative_folder_path(start, record_path) if record_path else ""
    )


def relative_folder_path(start: Path, folder: Path) -> str:
    """Return the path of `folder` (which may be a file) relative to the folder `start`; empty if they are the same."""
    try:
        path = os.path.relpath(folder, start)
    except ValueError:  # another drive of Windows
        path = str(folder)
    return "" if path == os.curdir else path


def paths_of_test_files(record: RunRecord) -> Iterator[str]:
    """Yield the paths of the test files in a record, relative to pytest's root directory."""
    for row in record.rows:
        yield (row.sweep.nodeid if row.sweep else row.case).partition("::")[0]
