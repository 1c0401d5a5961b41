"""The command `flag-harness report open`, which shows the failed tests of a run, on this machine or another one."""

import argparse
import webbrowser
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flag_harness.cli.files import escape_to_one_line
from flag_harness.errors import RecordError
from flag_harness.matrix import node_id_without_combination
from flag_harness.record import RunHeader, RunRecord, RunRow, load_record, merge_records
from flag_harness.record.conversation import Conversation, MessagePart, load_conversations
from flag_harness.record.failed_test_cassettes import failed_test_cassette_path, find_records
from flag_harness.report.commands.location import ReportLocation, locate_project, relative_folder_path
from flag_harness.report.commands.rerun import pytest_command, select_options
from flag_harness.report.failures.causes import explain_failures_of_run
from flag_harness.report.output import write_report
from flag_harness.report.overview import failure_text
from flag_harness.wording import count_with_noun

_MAX_LINES, _MAX_CHARACTERS = 20, 2_000
"""The most lines, and the most characters, of a text that are printed."""
_COMMIT_HASH_LENGTH = 10
_LABEL_WIDTH = 12
_OPTIONS_REPEATED_IN_RERUN = tuple(f"--harness-{name}" for name in ("flags", "baseline", "matrix", "fault", "repeat"))
"""The options that decide under which combinations and faults a test runs, and how often."""


@dataclass(frozen=True, slots=True)
class OpenedRun:
    """A run loaded from its files: the merged record of all its shards, and its conversations."""

    path: Path
    record_by_shard: Mapping[Path, RunRecord]
    record: RunRecord
    conversations: Mapping[str, Conversation]

    @classmethod
    def load(cls, path: Path) -> "OpenedRun":
        """Load one record, or all records in a folder. Raise `RecordError` if the folder has none or one cannot be
        read.
        """
        shards = {file: load_record(file) for file in find_records(path)}
        return cls(path, shards, merge_records([*shards.values()]), load_conversations(*shards))

    def rows_of_failed_tests(self, node_id: str | None) -> Sequence[RunRow]:
        """Return the rows (one for each test and combination) of all failed tests, or only of `node_id`.

        Of each test, rows with the fewest flags come first. Raise `RecordError` if `node_id` did not fail.
        """
        rows = [row for row in self.record.rows if row.outcome == "failed"]
        chosen = sorted((row for row in rows if node_id in (None, row.case)), key=_sort_key_by_changed_flags)
        if node_id is not None and not chosen:
            failed = ", ".join(dict.fromkeys(row.case for row in rows)) or "none"
            raise RecordError(f"{self.path}: {node_id} did not fail in this run; failed: {failed}")
        return chosen

    def has_cassette(self, node_id: str) -> bool:
        """Return whether the run kept a cassette with the answers that a test received."""
        return any(failed_test_cassette_path(file, node_id).exists() for file in self.record_by_shard)

    @property
    def location(self) -> ReportLocation:
        """The folders of the project and of the record, as seen from the current folder."""
        record = str(next(iter(self.record_by_shard))) if len(self.record_by_shard) == 1 else ""
        return ReportLocation(locate_project(self.record, self.record_by_shard), record)

    def rerun_commands(self, node_id: str | None) -> Sequence[str]:
        """Return the commands that run the failed tests, or only `node_id`, again with the kept cassettes.

        One command is enough for all shards, unless they ran with different flags or faults.
        """
        failed = {
            file: tuple(select_options(shard.header.options, _OPTIONS_REPEATED_IN_RERUN))
            for file, shard in self.record_by_shard.items()
            if any(row.outcome == "failed" and node_id in (None, row.case) for row in shard.rows)
        }
        runs = failed if len(set(failed.values())) > 1 else {self.path: next(iter(failed.values()), ())}
        tests, root = [node_id] if node_id else [], self.location.root_folder
        paths = {run: _path_from_root(root, run) for run in runs}
        return [
            pytest_command(self.record.header, [*tests, f"--harness-rerun={paths[run]}", *options], root)
            for run, options in runs.items()
        ]


def add_open_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `report open` to its parser."""
    parser.add_argument(
        "path", type=Path, metavar="RUN", help="the record of a run, or a folder with it, such as the artifact of a job"
    )
    parser.add_argument("case", nargs="?", metavar="NODEID", help="show this failed test alone")
    parser.add_argument("--browser", action="store_true", help="write the report as a page beside RUN, and open it")
    parser.set_defaults(run=_run_open)


def _run_open(arguments: argparse.Namespace) -> int:
    """Print the failed tests of a run with their conversations, and the command that runs them again."""
    path: Path = arguments.path
    opened = OpenedRun.load(path)
    print("\n".join(_failed_runs_lines(opened, arguments.case)))
    if arguments.browser:
        page = path / "report.html" if path.is_dir() else path.with_suffix(".html")
        write_report(page, opened.record, datetime.now(UTC), opened.conversations, opened.location)
        print(f"\n{page}: the report of the whole run")
        webbrowser.open(page.absolute().as_uri())
    return 1 if opened.record.problem else 0


def _failed_runs_lines(opened: OpenedRun, case: str | None) -> Iterator[str]:
    rows = opened.rows_of_failed_tests(case)
    total = len(opened.record.rows)
    failed = sum(row.outcome == "failed" for row in opened.record.rows)
    yield f"{opened.path}: {failed:,} of {count_with_noun(total, 'run')} failed, {_code_version(opened.record.header)}"
    if opened.record.problem:
        yield opened.record.problem
    if case is None:
        yield from (
            f"  {escape_to_one_line(failure_text(cause))}" for cause in explain_failures_of_run(opened.record).causes
        )
    for row in rows:
        yield ""
        yield from _failed_run_lines(opened, row)
    if rows:
        what = "it" if len(rows) == 1 else "them"
        yield ""
        where = ", at the root of the project" if opened.location.root_folder is None else ""
        yield f"To run {what} again, from what the run kept{where}:"
        yield from (f"  {command}" for command in opened.rerun_commands(case))


def _path_from_root(root: str | None, path: Path) -> str:
    """Return a path as it is typed in the project's root folder; if `root` is None, return the whole path."""
    if root is None:
        return str(path.absolute())
    return relative_folder_path(Path(root).absolute(), path.absolute()) or "." if root else str(path)


def _sort_key_by_changed_flags(row: RunRow) -> tuple[str, int]:
    return node_id_without_combination(row.case, row.combination), row.combination.count("+")


def _code_version(header: RunHeader) -> str:
    changed = " with changes" if header.is_dirty else ""
    commit = f"commit {header.commit[:_COMMIT_HASH_LENGTH]}{changed}, " if header.commit else ""
    started = f", {header.started_at}" if header.started_at else ""
    return f"{commit}anthropic {header.sdk or 'unknown'}, Python {header.python}{started}"


def _failed_run_lines(opened: OpenedRun, row: RunRow) -> Iterator[str]:
    yield f"FAILED {escape_to_one_line(row.case)}"
    yield f"  {row.phase}: {escape_to_one_line(row.reason) or 'no reason'}" + (
        f" ({escape_to_one_line(row.error_location)})" if row.error_location else ""
    )
    values = ", ".join(f"{name}={value}" for name, value in row.values.items())
    yield from [f"  flags: {escape_to_one_line(values)}"] if values else []
    yield from [f"  faults that fired: {', '.join(map(escape_to_one_line, row.faults))}"] if row.faults else []
    yield f"  {_answer_source_text(row)}"
    conversation = opened.conversations.get(row.case)
    if conversation is None:
        yield "  no conversation was kept" if row.requests else "  it sent no request"
    for number, turn in enumerate(conversation.turns if conversation else (), 1):
        yield f"  request {number}"
        yield from (line for passage in turn.request for line in _message_part_lines(passage))
        yield f"  answer {number}" + ("" if turn.ending == "end" else f" ({turn.ending})")
        yield from (line for passage in turn.answer for line in _message_part_lines(passage))
    if not opened.has_cassette(row.case):
        yield "  What answered it was not kept: it is run again with the project's own recordings."


def _answer_source_text(row: RunRow) -> str:
    if row.recorded_from:
        cassette, source = escape_to_one_line(row.cassette or "a cassette"), escape_to_one_line(row.recorded_from)
        return f"answered by: {cassette}, recorded from: {source}"
    upstream = row.answered_by and {"simulator": "the simulator", "live": "the live API"}.get(row.answered_by)
    return f"answered by: {upstream or escape_to_one_line(row.answered_by or 'nobody')}"


def _message_part_lines(part: MessagePart) -> Iterator[str]:
    label = part.role if part.kind in ("text", "tool") else part.kind
    lines = part.text[:_MAX_CHARACTERS].split("\n")[:_MAX_LINES]
    for number, line in enumerate(lines):
        yield f"    {'' if number else escape_to_one_line(label):<{_LABEL_WIDTH}}{escape_to_one_line(line)}".rstrip()
    left = part.characters - sum(map(len, lines)) - len(lines) + 1
    if left > 0:
        yield f"    {'':<{_LABEL_WIDTH}}… {left:,} more characters; --browser shows them"
