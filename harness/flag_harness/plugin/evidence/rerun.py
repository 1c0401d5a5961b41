"""`--harness-rerun`: run the failed tests of a record again, answered by the cassettes that are kept beside it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flag_harness.errors import RecordError
from flag_harness.plugin.evidence.kept_cassettes import run_record_path

if TYPE_CHECKING:
    from flag_harness.record import RunHeader

_OPTIONS_THAT_CHOOSE_ANSWERS = {"record_mode": "none", "disable_recording": False, "harness_upstream": "live"}
"""The options that choose who answers requests, by the names of their attributes in pytest, with their defaults."""
_COMMIT_HASH_LENGTH = 10


@dataclass(frozen=True, slots=True)
class EvidenceCassette:
    """The cassette kept of a failed test, and whether its texts are `masked` or `full`."""

    path: Path
    content_level: str


class FailedTestRerun:
    """Selects the failed tests of one or more run records (several if the run was split into shards), and finds their
    kept cassettes.

    `path` is the option's value, relative to `folder`.
    """

    def __init__(self, path: Path, folder: Path) -> None:
        from flag_harness.record import load_record
        from flag_harness.record.failed_test_cassettes import find_records

        self._path = path
        self._records = {one: load_record(one) for one in find_records(folder / path)}
        self.cases = {row.case for record in self._records.values() for row in record.rows if row.outcome == "failed"}
        if not self.cases:
            raise RecordError(f"--harness-rerun={path}: no test failed in this run, so there is nothing to run again")

    def reads_record(self, record: Path) -> bool:
        """Return whether `record` is one of the run records from which the failed tests are taken."""
        return any(one.resolve() == record.resolve() for one in self._records)

    def find_cassette(self, case: str) -> EvidenceCassette | None:
        """Return the kept cassette of a test or fixture, or None if the run kept none."""
        from flag_harness.record.failed_test_cassettes import failed_test_cassette_path

        paths = ((failed_test_cassette_path(one, case), record.header) for one, record in self._records.items())
        return next((EvidenceCassette(path, header.content_level) for path, header in paths if path.exists()), None)

    def pytest_report_header(self) -> Iterator[str]:
        """Yield a header line: how many tests are run again, and under which commit and versions they failed."""
        count = len(self.cases)
        yield f"rerun: {self._path}: {count} failed test{'s' if count != 1 else ''} of {self._failing_code_version()}"

    def _failing_code_version(self) -> str:
        header: RunHeader = next(iter(self._records.values())).header
        changed = " with changes" if header.is_dirty else ""
        commit = f"commit {header.commit[:_COMMIT_HASH_LENGTH]}{changed}" if header.commit else "an unknown commit"
        return f"{commit}, anthropic {header.sdk or 'unknown'}, Python {header.python}"

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep only the tests that failed. Raise `pytest.UsageError` if none of them was collected."""
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in self.cases])
        items[:] = [item for item in items if item.nodeid in self.cases]
        if not items:
            example = sorted(self.cases)[0]
            raise pytest.UsageError(
                f"--harness-rerun={self._path}: none of its failed tests was collected, such as {example}; run pytest "
                "at the root of the project, with the code that failed"
            )


RERUN_KEY = pytest.StashKey[FailedTestRerun]()
"""The stash key of the `FailedTestRerun`, if the command line has `--harness-rerun`."""


def configure_rerun(config: pytest.Config) -> None:
    """Select the failed tests, and let only kept cassettes answer requests. Raise `RecordError` if there are no failed
    tests or no cassettes.
    """
    path: Path | None = config.getoption("--harness-rerun")
    if path is None:
        return
    rerun = config.stash[RERUN_KEY] = FailedTestRerun(path, config.invocation_params.dir)
    if (record := run_record_path(config)) is not None and rerun.reads_record(record):
        raise RecordError(
            f"--harness-rerun={path}: --harness-record={config.getoption('--harness-record')} would replace that run; "
            "name another file: --harness-record=again.jsonl"
        )
    for name, value in _OPTIONS_THAT_CHOOSE_ANSWERS.items():
        setattr(config.option, name, value)
    if config.args_source is not pytest.Config.ArgsSource.ARGS and not hasattr(config, "workerinput"):
        here = [case for case in sorted(rerun.cases) if (config.rootpath / case.partition("::")[0]).exists()]
        config.args[:] = [str(config.rootpath / case) for case in here]
    config.pluginmanager.register(rerun, "flag-harness-rerun")


def find_evidence_cassette(config: pytest.Config, case: str) -> EvidenceCassette | None:
    """Return the cassette that answers a test or fixture under `--harness-rerun`, or None."""
    rerun = config.stash.get(RERUN_KEY, None)
    return rerun.find_cassette(case) if rerun is not None else None
