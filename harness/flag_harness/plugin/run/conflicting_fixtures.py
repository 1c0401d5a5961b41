"""Report fixtures of other plugins or conftest files that have the name of a fixture of the harness.

Which of two plugins wins depends on the order in which they are loaded. A test that gets the wrong `cassette` would
send its requests to the live API, with the real key.
"""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flag_harness.config import Config, find_root, read_settings_table
from flag_harness.errors import ConfigError
from flag_harness.flag import SET_FLAGS_FIXTURE
from flag_harness.plugin.deferred_parts import has_harness_fixture_or_mark
from flag_harness.plugin.mark_descriptions import HARNESS_MARKS
from flag_harness.plugin.marks import CONFIG_KEY, declared_flags

UNAMBIGUOUS_FIXTURE_NAMES = {
    "cassette": "harness_cassette",
    "cassette_server": "harness_cassette_server",
    "flags": "harness_combination",
}
"""Fixtures with common names, each with a second name for the same fixture that no other plugin uses."""
_HARNESS_PACKAGE_PREFIX = "flag_harness."
_MIN_SIMILARITY_OF_MISSPELLED_MARK = 0.8
"""How similar an unknown mark must be to one of the harness to be named: `scenrio` and `scenario` have 0.93."""


class _ConflictingFixture(NamedTuple):
    """A fixture that has the name of a harness fixture.

    `location` says where it is defined; `hides_harness_fixture` is True if tests get this fixture instead of the
    harness fixture.
    """

    name: str
    location: str
    hides_harness_fixture: bool


class FixtureConflicts:
    """Reports, at collection, fixtures of the project or of other plugins that have the name of a harness fixture.

    A conflict is an error if the test has a mark of the harness, or if the project configures the harness and a request
    might reach the live API. For other tests, which may want the other fixture, a conflict is a line in the summary.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._is_configured = config.stash[CONFIG_KEY] != Config()
        self._errors: dict[_ConflictingFixture, str] = {}
        self._summary_conflicts: dict[_ConflictingFixture, str] = {}
        self._unused_setter = ""
        self._misspelled_marks: dict[str, str] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Report each conflicting fixture once, as a collection error or in the summary."""
        if not self._is_configured:
            _refuse_settings_of_package(self._config, items)
        if items and not any(flag.set == SET_FLAGS_FIXTURE for flag in declared_flags(self._config)):
            self._unused_setter = _find_harness_set_flags_fixture(items)
        self._misspelled_marks = _find_misspelled_marks(self._config, items)
        for item in items:
            for fixture in _conflicting_fixtures(item):
                has_mark = any(mark.name in HARNESS_MARKS for mark in item.iter_markers())
                is_error = has_mark or (self._is_configured and fixture.name != "flags")
                found = self._errors if is_error else self._summary_conflicts
                found.setdefault(fixture, item.nodeid)
        for fixture, nodeid in self._errors.items():
            report = pytest.CollectReport(nodeid, "failed", longrepr=_conflict_message(fixture, nodeid), result=[])
            self._config.hook.pytest_collectreport(report=report)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the conflicting fixtures that are not errors, and a project's own `harness_set_flags` that is never
        used.
        """
        if self._unused_setter:
            terminalreporter.write_line(
                f"flag harness: {self._unused_setter} is never used, because no flag is set by it; declare those that "
                f'it sets in [tool.flag-harness.flags]: planner = {{ set = "{SET_FLAGS_FIXTURE}" }}'
            )
        for name, nodeid in self._misspelled_marks.items():
            (nearest,) = get_close_matches(name, HARNESS_MARKS, n=1, cutoff=_MIN_SIMILARITY_OF_MISSPELLED_MARK)
            terminalreporter.write_line(
                f"flag harness: {nodeid} has the mark {name!r}, which does nothing; the nearest is {nearest!r}: write "
                f"@pytest.mark.{nearest}, or register {name!r} under `markers` if it is yours"
            )
        for fixture, nodeid in self._summary_conflicts.items():
            if fixture not in self._errors:
                terminalreporter.write_line(f"flag harness: {_conflict_message(fixture, nodeid)}")


def _refuse_settings_of_package(config: pytest.Config, items: Sequence[pytest.Item]) -> None:
    """Raise `pytest.UsageError` if the first test that uses the harness is in a subfolder whose pyproject.toml
    configures the harness, too.
    """
    item = next(filter(has_harness_fixture_or_mark, items), None)
    root = config.rootpath
    if item is None or root not in item.path.parents or _configures_harness(root):
        return
    folders = [folder for folder in item.path.parents if root in folder.parents]
    if (package := next(filter(_configures_harness, folders), None)) is not None:
        path = package.relative_to(root).as_posix()
        option = "" if find_root(package) == package else f"--rootdir={path} "  # the root has settings of pytest
        raise pytest.UsageError(
            f"{path}/pyproject.toml has [tool.flag-harness] and the root has none: run pytest {option}{path}"
        )


def _configures_harness(folder: Path) -> bool:
    """Return whether the pyproject.toml of a folder configures the harness; an invalid file does not."""
    try:
        found = read_settings_table(folder / "pyproject.toml")
    except ConfigError:
        return False
    return found is not None and found[1].name == "pyproject.toml"


def _find_misspelled_marks(config: pytest.Config, items: Sequence[pytest.Item]) -> dict[str, str]:
    """Return the unregistered marks that look like a misspelled mark of the harness, each with a test that has the
    mark.
    """
    marked: dict[str, pytest.Item] = {mark.name: item for item in items for mark in item.iter_markers()}
    registered = {line.partition(":")[0].partition("(")[0].strip() for line in config.getini("markers")}
    return {
        name: item.nodeid
        for name, item in marked.items()
        if name not in registered
        and get_close_matches(name, HARNESS_MARKS, cutoff=_MIN_SIMILARITY_OF_MISSPELLED_MARK)
        and has_harness_fixture_or_mark(item)
    }


def _find_harness_set_flags_fixture(items: Sequence[pytest.Item]) -> str:
    """Return the location of the project's own fixture `harness_set_flags`, or an empty string if it has none."""
    for item in {item.parent: item for item in items}.values():
        for definition in item.session._fixturemanager.getfixturedefs(SET_FLAGS_FIXTURE, item) or ():
            if not is_harness_fixture(definition):
                return f"the fixture {SET_FLAGS_FIXTURE} of {definition_location(definition)}"
    return ""


def _conflicting_fixtures(item: pytest.Item) -> Iterator[_ConflictingFixture]:
    """Yield the fixtures of a test that have the name of a harness fixture.

    A fixture of the project that requests the harness fixture of the same name is no conflict.
    """
    info = getattr(item, "_fixtureinfo", None)
    definitions = info.name2fixturedefs if info else {}
    for name, replacement in UNAMBIGUOUS_FIXTURE_NAMES.items():
        found: Sequence[Any] = definitions.get(name) or ()
        if len(found) < 2 or not any(map(is_harness_fixture, found)):
            continue
        if not is_harness_fixture(found[-1]) and replacement in found[-1].argnames:
            continue
        for definition in found:
            if not is_harness_fixture(definition) and {name, replacement}.isdisjoint(definition.argnames):
                yield _ConflictingFixture(
                    name, definition_location(definition), hides_harness_fixture=definition is found[-1]
                )


def is_harness_fixture(definition: Any) -> bool:
    """Return whether the harness defines this fixture, rather than the project or another plugin."""
    return str(definition.func.__module__).startswith(_HARNESS_PACKAGE_PREFIX)


def definition_location(definition: Any) -> str:
    """Return where a fixture is defined: module, file and line."""
    code = getattr(definition.func, "__code__", None)
    line = f", {code.co_filename}:{code.co_firstlineno}" if code else ""
    return f"{definition.func.__module__}{line}"


def _conflict_message(conflict: _ConflictingFixture, nodeid: str) -> str:
    winner, loser = (
        (conflict.location, "flag_harness") if conflict.hides_harness_fixture else ("flag_harness", conflict.location)
    )
    return (
        f"{nodeid} gets the fixture {conflict.name!r} of {winner}, which hides the one of {loser}: the order in which "
        "plugins are loaded decides.\n"
        f"To use the harness, write {UNAMBIGUOUS_FIXTURE_NAMES[conflict.name]} instead of {conflict.name}; "
        "to use the other plugin, run pytest with -p no:flag_harness"
    )
