"""Suggestions of what the reader of a report can do next: run a failure again, or learn more about flags."""

import shlex
from collections.abc import Iterator
from dataclasses import replace

from flag_harness.report.commands.location import paths_of_test_files
from flag_harness.report.commands.rerun import rerun_command
from flag_harness.report.commands.step import NextStep
from flag_harness.report.commands.verdict import verdict_step
from flag_harness.report.run_report import RunReport


def next_steps(report: RunReport) -> Iterator[NextStep]:
    """Yield what the reader can do next, besides the commands that belong to single causes of failures.

    The commands must be typed in the folder to which the paths in `RunReport.location` are relative.
    """
    header = report.record.header
    failed = [row for row in report.rows if row.outcome == "failed"]
    if failed and not report.causes:
        command = rerun_command(header, failed[0].case, report.location.root_folder)
        yield NextStep("run the first failure again", command)
    if report.has_passed and (record := report.location.record_path):
        yield NextStep("see every figure with its interval", f"flag-harness report metrics {shlex.quote(record)}")
    step = verdict_step(report)
    if step is not None and (report.has_passed or step.command):
        yield replace(step, is_optional=bool(failed))


def folder_note(report: RunReport) -> str:
    """Return a sentence that names the folder in which pytest commands must be typed.

    It is empty if the commands change to this folder themselves, or if the record has no tests.
    """
    files, folder = sorted(set(paths_of_test_files(report.record))), report.record.header.folder_in_repository
    if report.location.root_folder or not files:
        return ""
    if folder:
        return f"in {folder}, a folder of the repository"
    top, inner, _ = files[0].partition("/")
    return f"in the folder above {top}/" if inner else f"in the folder that has {files[0]}"
