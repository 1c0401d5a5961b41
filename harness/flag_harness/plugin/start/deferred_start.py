"""Wait for the first test that uses the harness, in a project that neither configures the harness nor uses its options.

Until then, nothing else of the plugin is imported, and none of its hooks is called when a test runs.
"""

from collections.abc import Generator, Sequence
from typing import Any

import pytest

from flag_harness.plugin.mark_descriptions import HARNESS_MARKS
from flag_harness.plugin.modes import CHECKS_PLUGIN_NAME

DEFERRED_START_NAME = "flag-harness-deferred-start"
SET_FLAGS_FIXTURE = "harness_set_flags"
FIXTURE_NAMES = frozenset(
    {
        "cassette",
        "cassette_server",
        "flags",
        "harness_cassette",
        "harness_cassette_path",
        "harness_cassette_server",
        "harness_combination",
        "harness_filters",
        "harness_normalisers",
        "harness_respx",
        "harness_scenarios",
        "harness_score",
        SET_FLAGS_FIXTURE,
    }
)
"""The names of all fixtures of the harness."""


def configure_harness_now(request: pytest.FixtureRequest) -> None:
    """Configure the plugin if it is not yet, because a running test has requested a fixture by its name."""
    deferred_start = request.config.pluginmanager.get_plugin(DEFERRED_START_NAME)
    if deferred_start is not None:
        deferred_start.configure_in_test(request.session)


class DeferredStart:
    """Looks at each test when it is collected, and configures the plugin once one uses the harness."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._items: list[pytest.Item] = []
        self._reports: list[pytest.CollectReport] = []
        self._is_parent_marked: dict[pytest.Collector, bool] = {}
        self._has_configured = False
        self._other_plugins: set[Any] = set()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> Generator[None, None, None]:
        """Configure the plugin for a test function that uses the harness, or whose parameters have its marks."""
        is_used = not self._has_configured and self._uses_harness(metafunc.definition, metafunc.fixturenames)
        if is_used:
            self._configure()
        yield
        if not self._has_configured and any(map(_has_harness_mark, metafunc._calls)):
            is_used = True
            self._configure()
        if is_used:  # the new parts were not registered when this call began
            self._call_new_parts("pytest_generate_tests", metafunc=metafunc)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pycollect_makeitem(self) -> Generator[None, Any, Any]:
        """Repeat the test function for which the plugin was configured, if a mark says so."""
        was_unconfigured = not self._has_configured
        found = yield
        if was_unconfigured and self._has_configured and isinstance(found, list):
            from flag_harness.plugin.verdicts.repetitions import RepetitionMaker

            return RepetitionMaker(None).add_repetitions(found)
        return found

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Configure the plugin for a test that is made without `pytest_generate_tests`, such as a doctest."""
        self._items.append(item)
        if self._uses_harness(item, getattr(item, "fixturenames", ())):
            self._configure()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep the report of a file that failed or skipped itself, for the plugin that counts them."""
        if not report.passed:
            self._reports.append(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session) -> None:
        """Configure the plugin if the project overrides a fixture that only a configured project can use."""
        find_definitions = session._fixturemanager.getfixturedefs
        if any(len(find_definitions(SET_FLAGS_FIXTURE, one) or ()) > 1 for one in self._is_parent_marked):
            self._configure(session.items)

    def pytest_collection_finish(self) -> None:
        """Take the checks out of the run: no test uses the harness."""
        self._items.clear()
        if self._config.pluginmanager.has_plugin(CHECKS_PLUGIN_NAME):
            self._config.pluginmanager.unregister(name=CHECKS_PLUGIN_NAME)

    def configure_in_test(self, session: pytest.Session) -> None:
        """Configure the plugin while a test runs, as if it had been configured before the tests were collected."""
        self._items = [*session.items]
        self._configure(session.items)

    def _configure(self, collected: Sequence[pytest.Item] | None = None) -> None:
        """Configure the plugin, and show its new parts what has been collected so far.

        `collected` are all tests of the run if their collection has ended.
        """
        if self._has_configured:
            return
        self._has_configured = True
        from flag_harness.plugin.start.configure import configure_harness

        self._other_plugins = self._config.pluginmanager.get_plugins()
        configure_harness(self._config)
        self._config.pluginmanager.unregister(self)
        for report in self._reports:
            self._call_new_parts("pytest_collectreport", report=report)
        for item in self._items:
            self._call_new_parts("pytest_itemcollected", item=item)
        if collected is not None:
            arguments = {"session": collected[0].session, "config": self._config, "items": [*collected]}
            self._call_new_parts("pytest_collection_modifyitems", **arguments)

    def _call_new_parts(self, hook: str, **arguments: object) -> None:
        """Call a hook of the parts that were registered by `_configure`, and of no other plugin."""
        self._config.pluginmanager.subset_hook_caller(hook, self._other_plugins)(**arguments)

    def _uses_harness(self, node: pytest.Item, fixtures: Sequence[str]) -> bool:
        if not FIXTURE_NAMES.isdisjoint(fixtures) or _has_harness_mark(node):
            return True
        parent = node.parent
        assert parent is not None  # each test is in a module or another file
        if parent not in self._is_parent_marked:
            self._is_parent_marked[parent] = any(mark.name in HARNESS_MARKS for mark in parent.iter_markers())
        return self._is_parent_marked[parent]


def _has_harness_mark(node: Any) -> bool:
    marks = node.own_markers if isinstance(node, pytest.Item) else node.marks
    return any(mark.name in HARNESS_MARKS for mark in marks)
