"""Write a report to a file, in the format for which the suffix of the file stands."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from flag_harness.errors import RecordError, require_extra
from flag_harness.files import write_atomically
from flag_harness.record import RunRecord
from flag_harness.record.conversation import Conversation
from flag_harness.report.commands.location import CURRENT_FOLDER_LOCATION, ReportLocation
from flag_harness.report.html import render_html
from flag_harness.report.markdown.document import markdown_lines
from flag_harness.report.plain import report_to_json
from flag_harness.report.run_report import build_report

REPORT_SUFFIXES = (".html", ".md", ".json")


def check_report_path(path: Path) -> None:
    """Raise `RecordError` if a report file has an unknown suffix, or `MissingExtraError` if it needs jinja2, which is
    missing.
    """
    if path.suffix not in REPORT_SUFFIXES:
        raise RecordError(
            f"{path}: a report is written as {', '.join(REPORT_SUFFIXES)}; name a file with one of these suffixes"
        )
    if path.suffix == ".html":
        with require_extra("report"):
            import jinja2  # noqa: F401 - the page is rendered later, after the tests


def write_report(
    path: Path,
    record: RunRecord,
    now: datetime,
    conversations: Mapping[str, Conversation] | None = None,
    location: ReportLocation = CURRENT_FOLDER_LOCATION,
) -> None:
    """Write the report of a run record, in the format that the suffix of `path` stands for.

    `conversations` holds what tests sent and received, by node id. `location` says in which folder the reader types the
    report's commands. Raise `RecordError` if the suffix is unknown or the file cannot be written.
    """
    check_report_path(path)
    report = build_report(record, now, conversations, location)
    if path.suffix == ".html":
        text = render_html(report, now)
    elif path.suffix == ".md":
        text = "\n".join(markdown_lines(report)) + "\n"
    else:
        text = json.dumps(report_to_json(report), ensure_ascii=False) + "\n"
    try:
        write_atomically(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise RecordError(f"{path}: cannot be written: {error.strerror or error}") from None
