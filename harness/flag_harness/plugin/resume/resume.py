"""`--harness-resume`: go on with an interrupted run, and take the results of finished tests from its record."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import pytest

from flag_harness.errors import HarnessError
from flag_harness.plugin.limits.cost_limit import COST_LIMIT_KEY, count_cost_shares
from flag_harness.plugin.options.run_options import FAIL_ON_INERT_FLAG
from flag_harness.plugin.resume.paid_answers import PAID_ANSWERS_KEY
from flag_harness.plugin.stash import nodeid_of_first_repetition, repetition_index
from flag_harness.plugin.test.rows import attach_row
from flag_harness.plugin.verdicts.skipping import skip_without_running
from flag_harness.wording import join_names

if TYPE_CHECKING:
    from flag_harness.record import RunHeader, RunRow

RESUMED_ROWS_KEY = pytest.StashKey["tuple[RunRow, ...]"]()
"""The stash key of the run record's rows (one for each test and combination) that are taken over from the interrupted
run.
"""
_RESUMER_PLUGIN_NAME = "flag-harness-resume"
_RESUMED_ATTRIBUTE = "flag_harness_resumed"
"""The attribute of a report that was made from a row of the interrupted run's record."""
_OPTIONS_THAT_MAY_DIFFER = (
    "--harness-resume",
    "--harness-record",
    "--harness-report",
    "--harness-max-cost",
    "--harness-repeat",
)
"""The options that may differ between an interrupted run and the run that resumes it."""
_HEADER_FIELDS_THAT_MUST_MATCH = ("package", "sdk", "commit", "flags")
_PytestTestStatus: TypeAlias = tuple[str, str, tuple[str, dict[str, bool]]]
"""What `pytest_report_teststatus` returns: a category, a letter for the progress, and a word with its markup."""


def configure_resume(config: pytest.Config) -> None:
    """Read the record of the interrupted run. Raise `HarnessError` if it cannot be resumed."""
    path: Path | None = config.getoption("--harness-resume")
    if path is None:
        return
    record = config.getoption("--harness-record")
    if record not in (None, path):
        raise HarnessError(f"--harness-resume={path} goes on with that record; leave out --harness-record={record}")
    if config.getoption("--harness-repeat") is None:
        raise HarnessError(
            f"--harness-resume={path} needs the options of the interrupted run, --harness-repeat among them"
        )
    if FAIL_ON_INERT_FLAG in config.getoption("--harness-fail-on"):
        raise HarnessError(
            f"--harness-fail-on={FAIL_ON_INERT_FLAG} needs all tests in one run; remove it or --harness-resume"
        )
    if not (config.invocation_params.dir / path).exists():
        raise HarnessError(f"--harness-resume={path}: there is no such record; to begin a run: --harness-record={path}")
    config.option.harness_record = path


def register_resumer(config: pytest.Config) -> None:
    """Register the resumer, and count what the interrupted run has spent, if the command line resumes a run."""
    path: Path | None = config.getoption("--harness-resume")
    if path is None:
        return
    from flag_harness.record import load_record

    record = load_record(config.invocation_params.dir / path)
    rows = tuple(row for row in record.rows if is_test_finished(row))
    config.stash[RESUMED_ROWS_KEY] = rows
    if (limit := config.stash[COST_LIMIT_KEY]) is not None:
        spent = sum(row.cost or 0.0 for row in rows if row.answered_by == "live")
        limit.add_spending(spent / count_cost_shares(config))
    if (answers := config.stash[PAID_ANSWERS_KEY]) is not None:
        answers.load_answers(drops_incomplete_lines=not hasattr(config, "workerinput"))
    config.pluginmanager.register(RunResumer(config, path, record.header, rows), _RESUMER_PLUGIN_NAME)


def is_test_finished(row: "RunRow") -> bool:
    """Return True if the test in this row need not run again.

    That is so if its function ended, no request was refused, and the provider did not break the run.
    """
    from flag_harness.analysis.verdict.evidence import is_refused_or_broken

    is_ended = row.phase == "call" and row.outcome != "inconclusive"
    return is_ended and not is_refused_or_broken(row)


def check_can_resume(config: pytest.Config, header: "RunHeader") -> None:
    """Raise `pytest.UsageError` if this run differs from the one that it resumes.

    `header` is the header of this run's record. xdist workers write no record, so they do not call this.
    """
    resumer: RunResumer | None = config.pluginmanager.getplugin(_RESUMER_PLUGIN_NAME)
    if resumer is None:
        return
    inputs = {path: digest for row in resumer.rows for path, digest in row.digest_by_input.items()}
    if why := reason_not_to_resume(resumer.header, header, config.rootpath, inputs):
        raise pytest.UsageError(
            f"--harness-resume={resumer.path}: this is not the run that was interrupted: {why}. To begin a new one: "
            "--harness-record=FILE"
        )


def start_time_of_interrupted_run(config: pytest.Config) -> str:
    """Return when the interrupted run that this run resumes began, or an empty string if this run resumes none."""
    resumer: RunResumer | None = config.pluginmanager.getplugin(_RESUMER_PLUGIN_NAME)
    return resumer.header.started_at if resumer is not None else ""


def reason_not_to_resume(
    old_header: "RunHeader",
    new_header: "RunHeader",
    root: Path,
    digest_by_input: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """Return why the run of `new_header` cannot resume the run of `old_header`, or an empty string.

    `root` is pytest's root directory. `digest_by_input` has the hashes of the scenarios and cassettes that answered the
    old run, by path.
    """
    for name in _HEADER_FIELDS_THAT_MUST_MATCH:
        before, now = getattr(old_header, name), getattr(new_header, name)
        if before != now:
            return f"{name} was {before!r} and is {now!r}"
    before, now = _options_that_must_match(old_header.options), _options_that_must_match(new_header.options)
    if before != now:
        return f"its options were {' '.join(before) or 'none'}, and now they are {' '.join(now) or 'none'}"
    changed = sorted(
        path
        for path, digest in (old_header.digest_by_file | dict(digest_by_input)).items()
        if _hash_file(root / path) != digest
    )
    if not changed and old_header.gate_files and new_header.gate_files:
        found = old_header.gate_files.digest_by_path, new_header.gate_files.digest_by_path
        changed = sorted({path for path, _ in found[0].items() ^ found[1].items()})
    return f"{join_names(changed)} changed since then" if changed else ""


def _hash_file(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _options_that_must_match(options: Sequence[str]) -> list[str]:
    """Return the sorted options that must be the same in the interrupted run and in the run that resumes it."""
    kept, follows = [], False
    for option in options:
        is_free = option.partition("=")[0] in _OPTIONS_THAT_MAY_DIFFER
        if not is_free and not follows:
            kept.append(option)
        follows = is_free and "=" not in option
    return sorted(kept)


class RunResumer:
    """Reports the tests that finished in the interrupted run from the rows of its record, without running them
    again.
    """

    def __init__(self, config: pytest.Config, path: Path, header: "RunHeader", rows: "Sequence[RunRow]") -> None:
        self.path, self.header, self.rows = path, header, rows
        self._rows = {(row.case, row.repetition): row for row in rows}
        self._is_verdict = bool(config.getoption("--harness-verdict"))

    def pytest_report_header(self) -> str:
        """Return a header line that says how many results are taken from the record of the interrupted run."""
        return f"resumed: {len(self._rows)} runs of {self.path}, begun {self.header.started_at}"

    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        """Report a test that finished in the interrupted run from its row, without running it, and return True.

        Return None for any other test, so that pytest runs it.
        """
        row = self._rows.get((nodeid_of_first_repetition(item), repetition_index(item)))
        if row is None:
            return None
        skip_without_running(item, nextitem)
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for phase in ("setup", "call", "teardown"):
            report = pytest.TestReport(item.nodeid, item.location, {}, "passed", None, phase)
            setattr(report, _RESUMED_ATTRIBUTE, True)
            if phase == "call":
                self._set_report_outcome(report, row)
                attach_row(report, row)
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def _set_report_outcome(self, report: pytest.TestReport, row: "RunRow") -> None:
        """Give a report the outcome of a row, as pytest stores it."""
        if row.outcome == "failed" and not self._is_verdict:
            report.outcome, report.longrepr = "failed", f"{row.error_location}: {row.reason}\nTaken from {self.path}."
        elif row.outcome in ("failed", "xfailed"):
            report.outcome, report.wasxfail = "skipped", row.reason
        elif row.outcome == "skipped":
            report.outcome, report.longrepr = "skipped", (row.case, 0, row.reason)

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> "_PytestTestStatus | None":
        """Count tests that passed in the interrupted run as `resumed`. Failures are counted as failures of this run."""
        if not is_resumed(report) or report.when != "call" or report.failed:
            return None
        return "resumed", "r", ("RESUMED", {"cyan": True})


def is_resumed(report: pytest.TestReport) -> bool:
    """Return True if a report was made from a row of an interrupted run."""
    return hasattr(report, _RESUMED_ATTRIBUTE)
