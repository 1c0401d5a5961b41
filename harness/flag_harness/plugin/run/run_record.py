"""`--harness-record` and `--harness-report`: write a run's record and report. pytest's cache keeps the last record."""

import hashlib
import os
import platform
import sys
import time
from collections.abc import Generator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.plugin.evidence.content import evidence_content_level, is_evidence_wanted
from flag_harness.plugin.evidence.conversations import ConversationStore, attached_conversation
from flag_harness.plugin.evidence.git_state import git_commit_and_dirtiness
from flag_harness.plugin.evidence.kept_cassettes import run_record_path
from flag_harness.plugin.evidence.selected_tests import command_line_header_fields
from flag_harness.plugin.limits.cache_use import remove_text_around_prefix_changes
from flag_harness.plugin.marks import all_flags
from flag_harness.plugin.resume.paid_answers import PAID_ANSWERS_KEY
from flag_harness.plugin.resume.resume import (
    RESUMED_ROWS_KEY,
    check_can_resume,
    is_resumed,
    is_test_finished,
    start_time_of_interrupted_run,
)
from flag_harness.plugin.run.cassette_use import CASSETTE_USE_TRACKER_KEY
from flag_harness.plugin.special_runs.shard import SHARD_KEY
from flag_harness.plugin.stash import VERDICTS_KEY
from flag_harness.plugin.test.rows import attached_row

if TYPE_CHECKING:
    from flag_harness.gate.declared.tested_files import DeclaredFiles
    from flag_harness.plugin.run.summary import RunSummary
    from flag_harness.record import RunHeader, RunRecord, RunRow

_EXIT_CODES_OF_ENDED_RUNS = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
"""The exit codes of a run that was not interrupted."""
_INSTALLED_PACKAGE_FOLDERS = frozenset({"site-packages", "dist-packages"})


class RunRecorder:
    """Writes a row of the record when a test ends, and the whole record at the end, in the main process only."""

    def __init__(self, config: pytest.Config, summary: "RunSummary") -> None:
        self._config, self._summary = config, summary
        self._is_worker = hasattr(config, "workerinput")
        self._path: Path | None = None
        self._started_at = start_time_of_interrupted_run(config) or datetime.now(UTC).isoformat(timespec="seconds")
        self._started = time.monotonic()
        self._files: dict[str, str] = {}
        self._declared: DeclaredFiles | None = None
        self._used: set[tuple[str, str]] = set()
        self._exit_status = -1
        self._report_error = ""
        self._conversations = ConversationStore()
        self._unfinished: dict[str, RunRow] = {}
        """By node id, the rows of tests whose teardown has not ended."""
        self._resumed = config.stash.get(RESUMED_ROWS_KEY, ())

    def pytest_sessionstart(self) -> None:
        """Create the record's file. Raise `pytest.UsageError` if it cannot be written."""
        if self._config.getoption("--harness-record") is not None:
            self._declared = _load_declared_files(self._config.rootpath)
        if self._is_worker:
            return
        if (report := self._config.getoption("--harness-report")) is not None:
            _check_report_path(report)
        if (path := run_record_path(self._config)) is None:
            return
        from flag_harness.record import start_record_file

        header = self._make_header(is_evidence=True)
        check_can_resume(self._config, header)
        try:
            self._remove_or_load_kept_files(path)
            start_record_file(path, header, self._resumed)
        except OSError as error:
            name = self._config.getoption("--harness-record")
            raise pytest.UsageError(f"--harness-record={name}: cannot be written: {error.strerror or error}") from None
        self._path = path

    def _remove_or_load_kept_files(self, path: Path) -> None:
        """Remove what an earlier run kept beside the record, or load its conversations if this run resumes it."""
        from flag_harness.record.conversation import load_conversations
        from flag_harness.record.failed_test_cassettes import remove_failed_test_cassettes

        if self._config.getoption("--harness-resume") is not None:
            for conversation in load_conversations(path).values():
                self._conversations.add_conversation(conversation)
            return
        remove_failed_test_cassettes(path)
        if (answers := self._config.stash[PAID_ANSWERS_KEY]) is not None:
            answers.delete_file()

    def pytest_collection_finish(self) -> None:
        """If the run can be resumed, write the header again, which now has the hashes of the test modules, too."""
        if self._path is not None and self._config.getoption("--harness-repeat") is not None:
            from flag_harness.record import start_record_file

            record = self._make_record(is_evidence=True)
            start_record_file(self._path, record.header, record.rows)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """If xdist workers collect the tests, write the header again, which now has the hashes of the test modules,
        too.
        """
        hashes = self._hash_files(ids)
        if not hashes.keys() <= self._files.keys():
            self._files.update(hashes)
            self.pytest_collection_finish()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Append a test's row to the record after its teardown, which saves its recording. Collect its conversation."""
        if (conversation := attached_conversation(report)) is not None:
            self._conversations.add_conversation(conversation)
        if self._path is None or is_resumed(report):
            return
        if (row := attached_row(report)) is not None:
            self._unfinished[report.nodeid] = row
        is_last = report.when == "teardown" or (row is not None and row.sweep is not None)
        if is_last and (row := self._unfinished.pop(report.nodeid, None)) is not None:
            from flag_harness.record import append_row_to_file

            append_row_to_file(self._path, self._remove_forbidden_content(row))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Merge the hashes of the files that a worker imported."""
        output = getattr(node, "workeroutput", {})
        self._files.update(output.get("flag_harness_files", {}))
        self._used.update(map(tuple, output.get("flag_harness_used", ())))

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None, object, object]:
        """Write the record, sorted and with its final header, after every plugin could change the exit status."""
        result = yield
        self._write_final_record(session)
        return result

    def _write_final_record(self, session: pytest.Session) -> None:
        self._exit_status = int(session.exitstatus)
        if self._declared is not None:
            self._used |= self._declared.find_uses()
        wanted = is_evidence_wanted(self._config)
        if self._is_worker:
            if wanted:
                output: dict[str, Any] = self._config.workeroutput  # type: ignore[attr-defined]
                output["flag_harness_files"] = self._hash_files()
                output["flag_harness_used"] = sorted(self._used)
            return
        if wanted:
            self._write_record_and_report()
            self._remove_paid_answers(session)
        if self._report_error and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        cache = getattr(self._config, "cache", None)
        if cache is not None and self._summary.rows:
            from flag_harness.record import LAST_RUN_FILE, PYTEST_CACHE_FOLDER

            self._write_record(cache.mkdir(PYTEST_CACHE_FOLDER) / LAST_RUN_FILE, self._make_record(is_evidence=False))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print why the report could not be written, and the command that shows the failures from the record."""
        if self._report_error:
            terminalreporter.write_line(f"ERROR: {self._report_error}", red=True)
        if self._path is not None and self._conversations.has_failed_run(self._summary.rows):
            path = os.path.relpath(self._path, self._config.invocation_params.dir)
            terminalreporter.write_line(f"To see what failed, and run it again: flag-harness report open {path}")

    def _remove_paid_answers(self, session: pytest.Session) -> None:
        """Remove the answers of the live API that were kept for a resumed run, if no test would have to run again.

        Skipped tests do not count, since they would only be skipped again.
        """
        answers = self._config.stash[PAID_ANSWERS_KEY]
        done = (is_test_finished(row) or row.outcome == "skipped" for row in self._summary.rows)
        if answers is not None and session.exitstatus in _EXIT_CODES_OF_ENDED_RUNS and all(done):
            answers.delete_file()

    def _write_record_and_report(self) -> None:
        """Write the record and the report that the command line names."""
        record = self._make_record(is_evidence=True)
        if self._path is not None:
            from flag_harness.record.conversation import save_conversations

            self._write_record(self._path, record)
            save_conversations(self._path, self._conversations.conversations_to_keep(self._summary.rows))
        if (report := self._config.getoption("--harness-report")) is not None:
            self._write_report(report, record)

    def _make_record(self, *, is_evidence: bool) -> "RunRecord":
        from flag_harness.record import make_record

        keys = {row.key for row in self._summary.rows}
        not_collected = [row for row in self._resumed if row.key not in keys]
        rows = map(self._remove_forbidden_content, (*not_collected, *self._summary.rows))
        return make_record(self._make_header(is_evidence=is_evidence), rows)

    def _remove_forbidden_content(self, row: "RunRow") -> "RunRow":
        return row if evidence_content_level(self._config) == "full" else remove_text_around_prefix_changes(row)

    def _write_record(self, path: Path, record: "RunRecord") -> None:
        from flag_harness.files import write_atomically
        from flag_harness.record import encode_record

        write_atomically(path, encode_record(record.header, record.rows))

    def _write_report(self, path: Path, record: "RunRecord") -> None:
        """Write the report of the run. If that fails, keep the reason for the summary."""
        from flag_harness.errors import HarnessError
        from flag_harness.report.commands.location import location_of_run
        from flag_harness.report.output import write_report

        location = location_of_run(self._config.rootpath, self._path, self._config.invocation_params.dir)
        try:
            write_report(path, record, datetime.now(UTC), self._conversations.by_case, location)
        except HarnessError as error:
            self._report_error = f"--harness-report: {error}"

    def _make_header(self, *, is_evidence: bool) -> "RunHeader":
        """Return the record's header. `is_evidence` adds the git commit and the hashes of files, which take time."""
        from flag_harness.record import RunHeader, flag_declaration

        commit, is_dirty = git_commit_and_dirtiness(self._config.rootpath) if is_evidence else ("", False)
        files = {**self._hash_files(), **self._files} if is_evidence else {}
        return RunHeader(
            package=version("flag-harness"),
            sdk=version("anthropic"),
            python=platform.python_version(),
            started_at=self._started_at,
            seconds=round(time.monotonic() - self._started, 3),
            commit=commit,
            is_dirty=is_dirty,
            **command_line_header_fields(self._config),
            ignored_paths=self._config.stash[CASSETTE_USE_TRACKER_KEY].left_out_paths,
            deselected=self._config.stash[CASSETTE_USE_TRACKER_KEY].deselected_node_ids,
            flags={flag.name: flag_declaration(flag) for flag in all_flags(self._config)},
            flag_order=tuple(flag.name for flag in all_flags(self._config)),
            content_level=evidence_content_level(self._config) if is_evidence else "none",
            digest_by_file=dict(sorted(files.items())),
            shard=str(self._config.stash[SHARD_KEY] or ""),
            exit_status=self._exit_status,
            verdicts=self._config.stash.get(VERDICTS_KEY, ()),
            gate_files=self._declared.make_gate_files(self._used) if self._declared and is_evidence else None,
        )

    def _hash_files(self, nodeids: Sequence[str] = ()) -> dict[str, str]:
        """Return the SHA-256 of pyproject.toml and of each module of the project, by path relative to the root.

        The modules are those that this process has imported, and those of the tests in `nodeids`, which only other
        processes have imported.
        """
        root, start = self._config.rootpath, os.path.normcase(self._config.rootpath)
        files = {getattr(module, "__file__", None) for module in [*sys.modules.values()]} - {None}
        modules = (Path(file) for file in map(os.path.abspath, files) if os.path.normcase(file).startswith(start))
        tests = {root / nodeid.partition("::")[0] for nodeid in nodeids}
        paths = {root / "pyproject.toml", *tests, *modules}
        return {
            path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in paths
            if _is_project_file(path, root)
        }


def _load_declared_files(root: Path) -> "DeclaredFiles":
    from flag_harness.errors import HarnessError
    from flag_harness.gate.declared.tested_files import DeclaredFiles

    try:
        return DeclaredFiles(root)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None


def _check_report_path(path: Path) -> None:
    """Before the tests run, raise `pytest.UsageError` if the report cannot be written to its path."""
    from flag_harness.errors import HarnessError
    from flag_harness.report.output import check_report_path

    try:
        check_report_path(path)
    except HarnessError as error:
        raise pytest.UsageError(f"--harness-report: {error}") from None


def _is_project_file(path: Path, root: Path) -> bool:
    """Return whether a file belongs to the project: below its root, but in no virtual environment or cache."""
    if not path.is_relative_to(root) or not path.is_file():
        return False
    parts = path.relative_to(root).parts
    return _INSTALLED_PACKAGE_FOLDERS.isdisjoint(parts) and not any(part.startswith(".") for part in parts)
