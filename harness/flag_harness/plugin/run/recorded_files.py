"""Say at the end of a run which cassettes it wrote, including those of workers."""

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import CassetteTraffic

SHOWN = 5
"""The number of files that are named without `-v`; the others are counted."""
_ATTRIBUTE = "flag_harness_files"
"""The attribute of a report that holds paths, each with whether that file was written. Workers send it."""


def attach_file(report: pytest.TestReport, config: pytest.Config, traffic: "CassetteTraffic | None") -> None:
    """Attach the cassette that a test or fixture has recorded to a report, if there is one."""
    if traffic is None or traffic.saved is None:
        return
    path = os.path.relpath(traffic.plan.path, config.rootpath).replace(os.sep, "/")
    setattr(report, _ATTRIBUTE, [*getattr(report, _ATTRIBUTE, ()), (path, traffic.saved.is_written)])


class RecordedFiles:
    """The cassettes that a run has recorded."""

    def __init__(self) -> None:
        self._is_written: dict[str, bool] = {}

    def note_report(self, report: pytest.TestReport) -> None:
        """Collect the files of a report. Tests may share a file."""
        for path, is_written in getattr(report, _ATTRIBUTE, ()):
            self._is_written[path] = is_written or self._is_written.get(path, False)

    def lines(self, verbosity: int) -> Iterator[str]:
        """Yield a line for the files that were written, and one for those that did not change."""
        if verbosity < 0:
            return
        written = sorted(path for path, is_written in self._is_written.items() if is_written)
        unchanged = sorted(self._is_written.keys() - set(written))
        if written:
            yield f"recorded: wrote {_file_count_text(written)}: {', '.join(shorten_list(written, verbosity))}"
        if unchanged:
            yield (
                f"recorded: {_file_count_text(unchanged)} did not change but for times, and "
                f"{'was' if len(unchanged) == 1 else 'were'} not written"
                + (f": {', '.join(unchanged)}" if verbosity > 0 else "")
            )


def shorten_list(files: list[str], verbosity: int) -> Iterable[str]:
    """Yield up to five files and the number of the others, or all files under `-v`."""
    if verbosity > 0 or len(files) <= SHOWN:
        return files
    return [*files[:SHOWN], f"and {len(files) - SHOWN} more (-v names them)"]


def _file_count_text(files: list[str]) -> str:
    return f"{len(files)} cassette{'' if len(files) == 1 else 's'}"
