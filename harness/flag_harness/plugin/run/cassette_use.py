"""Track which tests claim (use) which cassettes, and find the cassettes that no test claims.

The process that the user started collects the claims of all workers and stores them in pytest's cache, for
`flag-harness cassette prune`.
"""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flag_harness.plugin.evidence.selected_tests import ignored_paths, option_that_leaves_out_tests
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.run.cassette_paths import default_cassette_path, fixture_cassette_paths
from flag_harness.plugin.run.names import find_duplicate_names
from flag_harness.plugin.stash import nodeid_of_first_repetition

CASSETTE_USE_CACHE_KEY = "flag-harness/claims"
"""The key in pytest's cache for the claims of the last run."""
_REPETITION_SUFFIX_PATTERN = re.compile(r"\.repeat[0-9]+\.json$")
_REPETITION_ID_PATTERN = re.compile(r"-repeat[0-9]+(?=\]$)|\[repeat[0-9]+\]$")
MAX_NAMES_SHOWN = 5
"""The most files that the summary names. It only counts the others."""


class CassetteUseTracker:
    """Tracks which tests were collected, whether these are all tests, and which cassettes they claim (use)."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._claimed_cassettes: set[str] = set()
        self._collected: frozenset[str] = frozenset()
        self._unresolved: set[str] = set()
        self._uses_cassettes = False
        self._partial_reason = _partial_run_reason(config)
        self._files: set[str] = set()
        self._orphans: list[str] = []
        self._recorded: set[str] = set()
        self._replaced: set[str] = set()
        self._every_item: list[pytest.Item] = []
        self._deselected: set[str] = set()
        self._skipped_modules: set[str] = set()

    @property
    def deselected_node_ids(self) -> tuple[str, ...]:
        """The sorted node ids of the tests that were deselected, each without its repetitions."""
        return tuple(sorted(self._deselected))

    @property
    def left_out_paths(self) -> tuple[str, ...]:
        """The sorted paths that `--ignore` left out, and the modules that skipped themselves, relative to the root."""
        return tuple(sorted({*ignored_paths(self._config), *self._skipped_modules}))

    def register_cassette(self, item: pytest.Item, path: Path) -> None:
        """Register `path` as the cassette of the test `item`."""
        self._uses_cassettes = True
        self._unresolved.discard(item.nodeid)
        self._claimed_cassettes.add(self._relative_path(path))

    def is_test_gone(self, case: str) -> bool:
        """Return True if the test with node id `case` no longer exists: its file is gone, or no longer contains it.

        A function whose name is still in the file is not gone, since it may be defined under a condition.
        """
        case = _REPETITION_ID_PATTERN.sub("", case)
        file, _, name = case.partition("::")
        path, function = self._config.rootpath / file, name.rpartition("::")[2].partition("[")[0]
        if not path.exists():
            return True
        if not self._collects_whole_files or file not in self._files or case in self._collected:
            return False
        function_id = case.partition("[")[0]
        return any(one.partition("[")[0] == function_id for one in self._collected) or not _file_mentions(
            path, function
        )

    def register_recording(self, item: pytest.Item, replaced: Path | None) -> None:
        """Register a test as recorded; `replaced` is the unreadable cassette that it overwrote, or None."""
        self._recorded.add(item.nodeid)
        if replaced is not None:
            self._replaced.add(self._relative_path(replaced))

    def has_recorded(self, case: str) -> bool:
        """Return True if this worker has recorded the test in this run."""
        return case in self._recorded

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Register the cassettes of all collected tests. Report an error if two tests would write the same file."""
        paths: list[tuple[str, str]] = []
        self._collected = frozenset(item.nodeid for item in items)
        self._files = {nodeid.partition("::")[0] for nodeid in self._collected}
        for item in items:
            if not _uses_cassette(item):
                continue
            self._uses_cassettes = True
            if _overrides_cassette_path(item):
                self._unresolved.add(item.nodeid)
            else:
                paths.append((item.nodeid, self._relative_path(default_cassette_path(item))))
            self._claimed_cassettes.update(map(self._relative_path, fixture_cassette_paths(item)))
        self._claimed_cassettes.update(path for _, path in paths)
        for first, second, path in find_duplicate_names(paths):
            message = (
                f"{first} and {second} would have the same cassette, {path}: give them different names or parameters, "
                "or override the fixture harness_cassette_path"
            )
            report = pytest.CollectReport(second, "failed", longrepr=message, result=[])
            self._config.hook.pytest_collectreport(report=report)  # reaches the user from a worker, too

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Remember the item, to notice later if it was left out."""
        self._every_item.append(item)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Note that the run is partial, because tests were deselected."""
        if items:
            self._partial_reason = self._partial_reason or "tests were deselected"
        self._deselected.update(map(nodeid_of_first_repetition, items))

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the tests that a plugin has removed without reporting that they were deselected."""
        kept, names = set(map(id, session.items)), {item.nodeid for item in session.items}
        removed = [item for item in self._every_item if id(item) not in kept and item.nodeid not in names]
        self._every_item = []
        self.pytest_deselected(removed)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """If a file could not be collected, note that the run is partial; if a module skipped itself, note its path."""
        if report.skipped:
            self._skipped_modules.add(report.nodeid)
        if report.failed:
            self._partial_reason = self._partial_reason or f"{report.nodeid or 'something'} could not be collected"

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Merge the claims of a worker of pytest-xdist: which test uses which cassette."""
        found: Mapping[str, Any] | None = getattr(node, "workeroutput", {}).get("flag_harness_claims")
        if found is None:
            self._partial_reason = self._partial_reason or "a worker died"
            return
        self._claimed_cassettes.update(found["claimed"])
        self._replaced.update(found["replaced"])
        self._deselected.update(found["deselected"])
        self._files.update(found["files"])
        self._partial_reason = self._partial_reason or found["partial_reason"]
        unresolved = set(found["unresolved"])
        self._unresolved = unresolved & self._unresolved if self._uses_cassettes else unresolved
        self._uses_cassettes = self._uses_cassettes or found["uses_cassettes"]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """In a worker, send the claims (which test uses which cassette) to the main process.

        In the main process, store the claims and find the cassettes that no test claims.
        """
        if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or session.shouldfail:
            self._partial_reason = self._partial_reason or "it was stopped before its end"
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output["flag_harness_claims"] = {
                "claimed": sorted(self._claimed_cassettes),
                "files": sorted(self._files),
                "unresolved": sorted(self._unresolved),
                "partial_reason": self._partial_reason,
                "uses_cassettes": self._uses_cassettes,
                "replaced": sorted(self._replaced),
                "deselected": sorted(self._deselected),
            }
        else:
            self._find_unclaimed_and_write_cache()

    def _find_unclaimed_and_write_cache(self) -> None:
        if self._unresolved:
            self._partial_reason = self._partial_reason or (
                f"{sorted(self._unresolved)[0]}, which has a cassette path of its own, did not run"
            )
        recordings = self._config.rootpath / self._config.stash[CONFIG_KEY].recordings
        if not recordings.is_dir() or not (self._uses_cassettes or not self._partial_reason):
            return
        self._register_repetition_cassettes(recordings)
        if self._uses_cassettes and not self._partial_reason:
            self._orphans = list(self._find_unclaimed_cassettes(recordings))
        self._write_cache(recordings)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print the unreadable cassettes that were overwritten, and the cassettes that no test claims."""
        for path in sorted(self._replaced):
            terminalreporter.write_line(
                f"{path} could not be read and was recorded anew; what other tests had recorded in it is lost"
            )
        if not self._orphans:
            return
        count = len(self._orphans)
        more = f" and {count - MAX_NAMES_SHOWN} more" if count > MAX_NAMES_SHOWN else ""
        subject = "1 cassette belongs" if count == 1 else f"{count} cassettes belong"
        terminalreporter.write_line(f"{subject} to no test: {', '.join(self._orphans[:MAX_NAMES_SHOWN])}{more}")
        if getattr(self._config, "cache", None) is not None:
            terminalreporter.write_line("To look at what would be removed: flag-harness cassette prune --dry-run")

    def _register_repetition_cassettes(self, recordings: Path) -> None:
        """Count the recordings of further repetitions of a test as used, since a run without `--harness-repeat` does
        not play them.
        """
        for path in recordings.rglob("*.repeat*.json"):
            own = self._relative_path(path)
            if _REPETITION_SUFFIX_PATTERN.sub(".json", own) in self._claimed_cassettes:
                self._claimed_cassettes.add(own)

    @property
    def _collects_whole_files(self) -> bool:
        """True if each collected file is collected whole: the command line neither names tests nor has `--lf`."""
        return not self._config.getoption("lf", default=False) and not any(
            "::" in argument for argument in self._config.args
        )

    def _find_unclaimed_cassettes(self, recordings: Path) -> Iterator[str]:
        # imported here: a run that uses no cassette does not need it
        from flag_harness.cassette.orphans import CassettesUsedByRun, find_orphan_cassettes

        claims = CassettesUsedByRun(frozenset(self._claimed_cassettes), frozenset(self._files))
        return map(self._relative_path, find_orphan_cassettes(self._config.rootpath, recordings, claims))

    def _relative_path(self, path: Path) -> str:
        return Path(os.path.relpath(path, self._config.rootpath)).as_posix()

    def _write_cache(self, recordings: Path) -> None:
        cache = getattr(self._config, "cache", None)
        if cache is not None:
            record = {
                "partial_reason": self._partial_reason,
                "finished": datetime.now(UTC).timestamp(),
                "recordings": self._relative_path(recordings),
                "claimed": sorted(self._claimed_cassettes),
                "files": sorted(self._files),
            }
            cache.set(CASSETTE_USE_CACHE_KEY, record)


CASSETTE_USE_TRACKER_KEY = pytest.StashKey[CassetteUseTracker]()
"""The stash key of the run's `CassetteUseTracker`."""


_OPTIONS_THAT_CHOOSE_COMBINATIONS = ("--harness-flags", "--harness-baseline", "--harness-matrix", "--harness-verdict")
"""Options under which a test may leave out combinations that have cassettes."""


def _partial_run_reason(config: pytest.Config) -> str:
    """Return why the command line selects only some of the tests, or an empty string.

    In a worker the reason is always empty, because only the main process knows what was typed.
    """
    if hasattr(config, "workerinput"):
        return ""
    if option := option_that_leaves_out_tests(config) or ("--ignore" if config.getoption("ignore") else ""):
        return f"it ran with {option}"
    for option in _OPTIONS_THAT_CHOOSE_COMBINATIONS:
        if config.getoption(option):
            return f"it ran with {option}"
    testpaths = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    here = config.invocation_params.dir
    if not testpaths and any(Path(here, argument) != config.rootpath for argument in config.args):
        return "it did not run all of the root directory"
    return ""


def _file_mentions(path: Path, name: str) -> bool:
    """Return True if the name occurs in a source file."""
    return re.search(rf"\b{re.escape(name)}\b", path.read_text(encoding="utf-8", errors="replace")) is not None


def _uses_cassette(item: pytest.Item) -> bool:
    """Return whether a test uses the fixture `cassette`, directly or through another one."""
    return "harness_cassette" in getattr(item, "fixturenames", ())


def _overrides_cassette_path(item: pytest.Item) -> bool:
    """Return True if the test overrides `harness_cassette_path`. Its cassette is unknown until it runs."""
    fixtures = getattr(item, "_fixtureinfo", None)
    definitions = list(fixtures.name2fixturedefs.get("harness_cassette_path", [])) if fixtures else []
    return bool(definitions) and definitions[-1].func.__module__ != "flag_harness.plugin.test.fixtures"
