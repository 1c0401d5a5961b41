"""Report undeclared keys that tests read through OpenFeature, and declared flags that no test reads."""

from collections.abc import Generator, Iterator
from typing import Any

import pytest

from flag_harness.flag import nearest_name_hint
from flag_harness.matrix import node_id_without_combination
from flag_harness.plugin.stash import FLAG_SCOPE_KEY
from flag_harness.wording import join_names

MAX_TESTS_SHOWN = 3
_REPORT_ATTRIBUTE = "flag_harness_reads"
"""The attribute of a report that holds the flags that a test read, as plain values that a worker can send."""


class FlagReadReporter:
    """Collects the flags that each test read under any combination, and warns if they differ from the declared
    flags.
    """

    def __init__(self) -> None:
        self._undeclared: dict[str, tuple[str, set[str]]] = {}
        self._read: dict[str, set[str]] = {}
        self._tests: dict[str, set[str]] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the flags that the test read to the report of its call."""
        report = yield
        scope = item.stash.get(FLAG_SCOPE_KEY, None)
        if scope is None or report.when != "call" or not (scope.openfeature_keys or scope.flag_reads):
            return report
        unread = scope.unread_flags
        names = [flag.name for flag in scope.combination.flags if flag.openfeature]
        found = {
            "test": node_id_without_combination(item.nodeid, _combination_id(item)),
            "undeclared": {key: nearest_name_hint(key, scope.openfeature_keys) for key in scope.undeclared_keys},
            "flags": names,
            "read": [name for name in names if name not in unread],
        }
        setattr(report, _REPORT_ATTRIBUTE, found)
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the flags that a test read from its report."""
        found: dict[str, Any] | None = getattr(report, _REPORT_ATTRIBUTE, None)
        if found is None:
            return
        for key, hint in found["undeclared"].items():
            self._undeclared.setdefault(key, (hint, set()))[1].add(found["test"])
        for name in found["flags"]:
            self._tests.setdefault(name, set()).add(found["test"])
        for name in found["read"]:
            self._read.setdefault(name, set()).add(found["test"])

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print a warning for each undeclared or unread flag, if there are any."""
        if lines := [*self.warning_lines()]:
            terminalreporter.section("flags read through OpenFeature")
            for line in lines:
                terminalreporter.write_line(line)

    def warning_lines(self) -> Iterator[str]:
        """Yield a line for each key that is not declared, and for each flag that some test did not read."""
        for key, (hint, tests) in sorted(self._undeclared.items()):
            yield f"{key!r} was read but is not declared; {hint}: {join_names(sorted(tests), MAX_TESTS_SHOWN)}"
        for name, tests in self._tests.items():
            unread = tests - self._read.get(name, set())
            if unread == tests:
                yield f"{name} was never read: {join_names(sorted(unread), MAX_TESTS_SHOWN)}"
            elif unread:
                names = join_names(sorted(unread), MAX_TESTS_SHOWN)
                yield f"{name} was not read in {len(unread)} of {len(tests)} tests: {names}"


def _combination_id(item: pytest.Item) -> str:
    """Return the id of the combination that a matrix test runs under, or an empty string."""
    scope = item.stash[FLAG_SCOPE_KEY]
    return scope.combination.id if item.get_closest_marker("flag_matrix") is not None else ""
