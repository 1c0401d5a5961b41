"""Print at the end of a run which cassettes were written, by any worker, and which recordings were not written."""

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

from flag_harness.wording import count_with_noun

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import CassetteTraffic

MAX_FILES_SHOWN = 5
"""The number of files that are named without `-v`; the others are counted."""
_REPORT_ATTRIBUTE = "flag_harness_files"
"""The attribute of a report that holds the paths of cassettes and whether each was written, as values a worker can
send.
"""
_NOT_WRITTEN_TEST_FAILED, _NOT_WRITTEN_UNCHANGED, _FILE_WRITTEN = range(3)
"""What became of a file. If several tests share it, the highest value counts."""


def attach_recorded_file(
    report: pytest.TestReport, config: pytest.Config, traffic: "CassetteTraffic | None", has_failed: bool = False
) -> None:
    """Attach the cassette that a test or fixture has recorded to a report, if there is one.

    `has_failed` is True if the test failed, so that its recording was not saved.
    """
    if traffic is None or (traffic.saved is None and not (has_failed and traffic.plan.is_recording)):
        return
    path = os.path.relpath(traffic.plan.cassette_path, config.rootpath).replace(os.sep, "/")
    state = (
        _NOT_WRITTEN_TEST_FAILED
        if traffic.saved is None
        else _FILE_WRITTEN
        if traffic.saved.is_written
        else _NOT_WRITTEN_UNCHANGED
    )
    setattr(report, _REPORT_ATTRIBUTE, [*getattr(report, _REPORT_ATTRIBUTE, ()), (path, state)])


class RecordedFiles:
    """The cassettes that a run has recorded."""

    def __init__(self) -> None:
        self._states: dict[str, int] = {}

    def collect_files_in_report(self, report: pytest.TestReport) -> None:
        """Collect the recorded files in a report. A file that several tests share counts as written if one wrote it."""
        for path, state in getattr(report, _REPORT_ATTRIBUTE, ()):
            self._states[path] = max(state, self._states.get(path, state))

    def summary_lines(self, verbosity: int) -> Iterator[str]:
        """Yield a line each about the written cassettes, the unchanged ones, and those of failed tests."""
        if verbosity < 0:
            return
        unwritten, unchanged, written = map(
            self._files_with_state, (_NOT_WRITTEN_TEST_FAILED, _NOT_WRITTEN_UNCHANGED, _FILE_WRITTEN)
        )
        if written:
            files = ", ".join(shorten_file_list(written, verbosity))
            yield f"recorded: wrote {count_with_noun(len(written), 'cassette')}: {files}"
        if unchanged:
            yield (
                f"recorded: {count_with_noun(len(unchanged), 'cassette')} did not change but for times, and "
                f"{'was' if len(unchanged) == 1 else 'were'} not written"
                + (f": {', '.join(unchanged)}" if verbosity > 0 else "")
            )
        if unwritten:
            reason = "its test failed" if len(unwritten) == 1 else "their tests failed"
            yield (
                f"recorded: {count_with_noun(len(unwritten), 'cassette')} not written, as {reason}"
                + (f": {', '.join(unwritten)}" if verbosity > 0 else "")
            )

    def _files_with_state(self, state: int) -> list[str]:
        return sorted(path for path, own in self._states.items() if own == state)


def shorten_file_list(files: list[str], verbosity: int) -> Iterable[str]:
    """Yield at most five of `files` and the number of the others, or all of them with `-v`."""
    if verbosity > 0 or len(files) <= MAX_FILES_SHOWN:
        return files
    return [*files[:MAX_FILES_SHOWN], f"and {len(files) - MAX_FILES_SHOWN} more (-v names them)"]
