"""The life of cassettes over a run: which tests claim which files, and which files no test claims any more.

The claims of all workers come together in the process that the user started. They are kept in pytest's cache, for
`flag-harness cassette prune`.
"""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flag_harness.plugin.marks import CONFIG
from flag_harness.plugin.run.names import cassette_name, same_names, shortened, slug, vcr_name

CACHE_KEY = "flag-harness/claims"
"""Where, in pytest's cache, the claims of the last run are kept."""
SHOWN = 5
"""Files that the summary names before it only counts."""
_NARROWING = {
    "features": "--feature",
    "lf": "--lf",
    "ignore": "--ignore",
    "ignore_glob": "--ignore-glob",
    "collectonly": "--collect-only",
    "stepwise": "--stepwise",
}
"""Options, beside those that deselect, with which not every test is run."""


def default_path(item: pytest.Item) -> Path:
    """Where a test's cassette is by default: `<recordings>/<module>/<Class>.<test>[<parameters>].json`.

    Where there is none, but one by pytest-recording's name, which `flag-harness cassette import` keeps, it is that.
    """
    config = item.config
    module = item.path.with_suffix("")
    parts = module.relative_to(config.rootpath).parts if module.is_relative_to(config.rootpath) else (module.name,)
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    callspec = getattr(item, "callspec", None)
    parameters, positions = (callspec.params, callspec.indices) if callspec else ({}, {})
    name = cassette_name(classes, getattr(item, "originalname", None) or item.name, parameters, positions)
    folder = config.rootpath.joinpath(config.stash[CONFIG].recordings, *map(slug, parts))
    own, imported = folder / f"{name}.json", folder / f"{_name_at_home(item)}.json"
    return imported if imported.exists() and not own.exists() else own


def _name_at_home(item: pytest.Item) -> str:
    return shortened(vcr_name(getattr(item, "cls", None), item.name), ".json")


class Life:
    """Follows a run: what was collected, what was claimed, and whether that was all there is."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._claimed: set[str] = set()
        self._collected: frozenset[str] = frozenset()
        self._unknown: set[str] = set()
        self._uses = False
        self._narrowed = _narrowed(config)
        self._files: set[str] = set()
        self._orphans: list[str] = []
        self._recorded: set[str] = set()
        self._replaced: set[str] = set()

    def claim(self, item: pytest.Item, path: Path) -> None:
        """Note that a test's cassette is at `path`."""
        self._uses = True
        self._unknown.discard(item.nodeid)
        self._claimed.add(self._relative(path))

    def is_gone(self, case: str) -> bool:
        """Whether a test does not exist any more: its file does not, or is collected whole, without it.

        A function that the file still speaks of may be defined, or asked for, under other conditions than today's.
        """
        file, _, name = case.partition("::")
        path, function = self._config.rootpath / file, name.rpartition("::")[2].partition("[")[0]
        if not path.exists():
            return True
        if not self._files_are_whole or file not in self._files or case in self._collected:
            return False
        others = case.partition("[")[0]
        return any(one.partition("[")[0] == others for one in self._collected) or not _speaks_of(path, function)

    def note_recorded(self, item: pytest.Item, replaced: Path | None) -> None:
        """Note that a test has been recorded, and the cassette that could not be read in whose place it was."""
        self._recorded.add(item.nodeid)
        if replaced is not None:
            self._replaced.add(self._relative(replaced))

    def is_recorded(self, case: str) -> bool:
        """Whether a test has been recorded in this run, by this worker."""
        return case in self._recorded

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Claim the cassettes of all that was collected; stop where two tests would write the same file."""
        paths: list[tuple[str, str]] = []
        self._collected = frozenset(item.nodeid for item in items)
        self._files = {nodeid.partition("::")[0] for nodeid in self._collected}
        for item in items:
            if "harness_cassette" not in getattr(item, "fixturenames", ()):
                continue
            self._uses = True
            if _overrides(item):
                self._unknown.add(item.nodeid)
            else:
                paths.append((item.nodeid, self._relative(default_path(item))))
        self._claimed.update(path for _, path in paths)
        for first, second, path in same_names(paths):
            message = (
                f"{first} and {second} would have the same cassette, {path}: give them different names or parameters, "
                "or override the fixture harness_cassette_path"
            )
            report = pytest.CollectReport(second, "failed", longrepr=message, result=[])
            self._config.hook.pytest_collectreport(report=report)  # an error that reaches the user from a worker, too

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        """Note that not every test runs."""
        if items:
            self._narrowed = self._narrowed or "tests were deselected"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note that not every test could be collected."""
        if report.failed:
            self._narrowed = self._narrowed or f"{report.nodeid or 'something'} could not be collected"

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker has claimed."""
        found: Mapping[str, Any] | None = getattr(node, "workeroutput", {}).get("harness_life")
        if found is None:
            self._narrowed = self._narrowed or "a worker died"
            return
        self._claimed.update(found["claimed"])
        self._replaced.update(found["replaced"])
        self._files.update(found["files"])
        self._narrowed = self._narrowed or found["narrowed"]
        self._unknown = set(found["unknown"]) & self._unknown if self._uses else set(found["unknown"])
        self._uses = self._uses or found["uses"]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Hand over what this worker has claimed; or keep what all have, and find what nobody has."""
        if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) or session.shouldfail:
            self._narrowed = self._narrowed or "it was stopped before its end"
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output["harness_life"] = {
                "claimed": sorted(self._claimed),
                "files": sorted(self._files),
                "unknown": sorted(self._unknown),
                "narrowed": self._narrowed,
                "uses": self._uses,
                "replaced": sorted(self._replaced),
            }
        else:
            self._finish()

    def _finish(self) -> None:
        if self._unknown:
            self._narrowed = self._narrowed or (
                f"{sorted(self._unknown)[0]}, which has a cassette path of its own, did not run"
            )
        recordings = self._config.rootpath / self._config.stash[CONFIG].recordings
        if not recordings.is_dir() or not (self._uses or not self._narrowed):
            return
        if self._uses and not self._narrowed:
            self._orphans = list(self._found(recordings))
        self._keep(recordings)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Name the cassettes that were replaced unread, and those that no test claims."""
        for path in sorted(self._replaced):
            terminalreporter.write_line(
                f"{path} could not be read and was recorded anew; what other tests had recorded in it is lost"
            )
        if not self._orphans:
            return
        count = len(self._orphans)
        more = f" and {count - SHOWN} more" if count > SHOWN else ""
        subject = "1 cassette belongs" if count == 1 else f"{count} cassettes belong"
        terminalreporter.write_line(f"{subject} to no test: {', '.join(self._orphans[:SHOWN])}{more}")
        if getattr(self._config, "cache", None) is not None:
            terminalreporter.write_line("To look at what would be removed: flag-harness cassette prune --dry-run")

    @property
    def _files_are_whole(self) -> bool:
        """Whether of each collected file every test was collected."""
        return not self._config.getoption("lf", default=False) and not any(
            "::" in argument for argument in self._config.args
        )

    def _found(self, recordings: Path) -> Iterator[str]:
        from flag_harness.cassette.orphans import (  # a run that uses no cassette does not pay for its import
            Claims,
            orphans,
        )

        claims = Claims(frozenset(self._claimed), frozenset(self._files))
        return map(self._relative, orphans(self._config.rootpath, recordings, claims))

    def _relative(self, path: Path) -> str:
        return Path(os.path.relpath(path, self._config.rootpath)).as_posix()

    def _keep(self, recordings: Path) -> None:
        cache = getattr(self._config, "cache", None)
        if cache is not None:
            record = {
                "narrowed": self._narrowed,
                "finished": datetime.now(UTC).timestamp(),
                "recordings": self._relative(recordings),
                "claimed": sorted(self._claimed),
                "files": sorted(self._files),
            }
            cache.set(CACHE_KEY, record)


LIFE = pytest.StashKey[Life]()
"""What follows the run."""


def _narrowed(config: pytest.Config) -> str:
    """Why not every test runs, as far as the command line says so; empty where it does not.

    A worker does not judge: it is given the arguments of the process that the user started as if they had been typed.
    """
    if hasattr(config, "workerinput"):
        return ""
    for option, shown in _NARROWING.items():
        if config.getoption(option, default=None):
            return f"it ran with {shown}"
    testpaths = config.args_source is pytest.Config.ArgsSource.TESTPATHS
    here = config.invocation_params.dir
    if not testpaths and any(Path(here, argument) != config.rootpath for argument in config.args):
        return "it did not run all of the root directory"
    return ""


def _speaks_of(path: Path, name: str) -> bool:
    """Whether the name stands in a file of source."""
    return re.search(rf"\b{re.escape(name)}\b", path.read_text(encoding="utf-8", errors="replace")) is not None


def _overrides(item: pytest.Item) -> bool:
    """Whether the test's cassette is somewhere else than by default, which is known when it runs."""
    fixtures = getattr(item, "_fixtureinfo", None)
    definitions = list(fixtures.name2fixturedefs.get("harness_cassette_path", [])) if fixtures else []
    return bool(definitions) and definitions[-1].func.__module__ != "flag_harness.plugin.test.fixtures"
