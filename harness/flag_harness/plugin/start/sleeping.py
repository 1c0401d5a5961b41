"""Wait for the first test that uses the harness, in a project that neither configures the harness nor uses its options.

Until then, nothing else of the plugin is imported, and none of its hooks is called when a test runs.
"""

from collections.abc import Generator, Sequence
from typing import Any

import pytest

from flag_harness.plugin.mark_descriptions import HARNESS_MARKS
from flag_harness.plugin.modes import CHECKS_PLUGIN_NAME

SLEEPING_PLUGIN_NAME = "flag-harness-sleeping"
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


def wake_harness(request: pytest.FixtureRequest) -> None:
    """Configure the plugin if it sleeps, because a running test has requested a fixture by its name."""
    sleeping = request.config.pluginmanager.get_plugin(SLEEPING_PLUGIN_NAME)
    if sleeping is not None:
        sleeping.wake_in_test(request.session)


class SleepingPlugin:
    """Looks at each test when it is collected, and configures the plugin once one uses the harness."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._items: list[pytest.Item] = []
        self._reports: list[pytest.CollectReport] = []
        self._is_parent_marked: dict[pytest.Collector, bool] = {}
        self._has_woken = False
        self._other_plugins: set[Any] = set()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> Generator[None, None, None]:
        """Wake up for a test function that uses the harness, also if only the marks of its parameters say so."""
        wakes = not self._has_woken and self._uses_harness(metafunc.definition, metafunc.fixturenames)
        if wakes:
            self._wake()
        yield
        if not self._has_woken and any(map(_has_harness_mark, metafunc._calls)):
            wakes = True
            self._wake()
        if wakes:  # the new parts were not registered when this call began
            self._call_new_parts("pytest_generate_tests", metafunc=metafunc)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_pycollect_makeitem(self) -> Generator[None, Any, Any]:
        """Repeat the test function that has woken the plugin, if a mark says so."""
        was_asleep = not self._has_woken
        found = yield
        if was_asleep and self._has_woken and isinstance(found, list):
            from flag_harness.plugin.verdicts.repetitions import RepetitionMaker

            return RepetitionMaker(None).add_repetitions(found)
        return found

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Wake up for a test that is made without `pytest_generate_tests`, such as one of unittest or a doctest."""
        self._items.append(item)
        if self._uses_harness(item, getattr(item, "fixturenames", ())):
            self._wake()

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep the report of a file that failed or skipped itself, for the plugin that counts them."""
        if not report.passed:
            self._reports.append(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session: pytest.Session) -> None:
        """Wake up if the project overrides a fixture that only a configured project can use."""
        find_definitions = session._fixturemanager.getfixturedefs
        if any(len(find_definitions(SET_FLAGS_FIXTURE, one) or ()) > 1 for one in self._is_parent_marked):
            self._wake(session.items)

    def pytest_collection_finish(self) -> None:
        """Take the checks out of the run: no test uses the harness."""
        self._items.clear()
        if self._config.pluginmanager.has_plugin(CHECKS_PLUGIN_NAME):
            self._config.pluginmanager.unregister(name=CHECKS_PLUGIN_NAME)

    def wake_in_test(self, session: pytest.Session) -> None:
        """Configure the plugin while a test runs, as if it had been configured before the tests were collected."""
        self._items = [*session.items]
        self._wake(session.items)

    def _wake(self, collected: Sequence[pytest.Item] | None = None) -> None:
        """Configure the plugin, and show its new parts what has been collected so far.

        `collected` are all tests of the run if their collection has ended.
        """
        if self._has_woken:
            return
        self._has_woken = True
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
        """Call a hook of the parts that have been registered on waking, and of no other plugin."""
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
