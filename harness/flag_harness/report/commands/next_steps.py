"""What the reader of a report can do next: run a failure again, or learn more about flags."""

import shlex
from collections.abc import Iterator

from flag_harness.report.commands.location import test_files
from flag_harness.report.commands.rerun import locate_command, rerun_command
from flag_harness.report.commands.step import NextStep
from flag_harness.report.commands.verdict import verdict_step
from flag_harness.report.run_report import RunReport

MOST_FAILURES = 3
"""The most failures whose command the first screen shows."""


def next_steps(report: RunReport) -> Iterator[NextStep]:
    """Yield what to do next. The commands work in the folder that `RunReport.location` is relative to."""
    header = report.record.header
    for cause in report.causes[:MOST_FAILURES]:
        when = cause.text.removeprefix("fails") if cause.is_certain and cause.literals else ""
        yield NextStep(f"see {_function_name(cause.case)} fail{when}", cause.command)
    if guesses := [cause for cause in report.causes if not cause.is_certain]:
        yield NextStep("find out which flags break it", locate_command(header, guesses[0].case, report.location.root))
    failed = [row for row in report.rows if row.outcome == "failed"]
    if failed and not report.causes:
        command = rerun_command(header, failed[0].case, report.location.root)
        yield NextStep("run the first failure again", command)
    if report.has_passed and (record := report.location.record):
        yield NextStep("see every figure with its interval", f"flag-harness report metrics {shlex.quote(record)}")
    step = verdict_step(report)
    if step is not None and (report.has_passed or step.command):
        yield step


def folder_note(report: RunReport) -> str:
    """Return where the commands of pytest must be typed, or an empty string if no reader has to find that folder."""
    folder = report.record.header.folder
    if report.location.root is None:
        files = sorted(set(test_files(report.record)))
        return f"in {folder}, a folder of the repository" if folder else f"in the folder that has {files[0]}"
    return f"in {folder}, a folder of the repository" if folder and not report.location.root else ""


def _function_name(case: str) -> str:
    return case.partition("[")[0].rpartition("::")[2]
