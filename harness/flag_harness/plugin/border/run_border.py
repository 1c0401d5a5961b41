"""Keep a whole run offline: from `pytest_configure` on, no API key exists and no other host can be reached."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import ExitStack

import pytest

from flag_harness.errors import NetworkRefused, Refusal
from flag_harness.plugin.border.offline import is_offline, offline_environment
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.modes import is_option_of_other_plugin
from flag_harness.plugin.refusals import NetworkFailure
from flag_harness.plugin.stash import REFUSALS_KEY, TRAFFIC_KEY

_NETWORK_ERROR_PARTS = "runs offline", 'leave out --record-mode=none, or border = "run" in [tool.flag-harness]'
"""Two parts of the message about a refused connection: what the run does, and what to do if it needs the network."""


def register_run_network_border(config: pytest.Config) -> None:
    """Keep the whole run offline if the project sets `border = "run"`, or if the command line has `--record-mode=none`.

    A run that may reach the live API is not kept offline. `--record-mode` is ignored if it is the option of another
    plugin.
    """
    is_explicit = config.getoption("--record-mode", default=None) == "none"
    is_ours = is_explicit and not is_option_of_other_plugin("--record-mode", config.pluginmanager)
    if is_offline(config) and (is_ours or config.stash[CONFIG_KEY].border == "run"):
        border = RunNetworkBorder(config)
        config.add_cleanup(border.close)
        config.pluginmanager.register(border, "flag-harness-run-border")


class RunNetworkBorder:
    """Refuses the connections of a whole run. The test or module that attempts one fails, even if it catches the error.

    While a test with a cassette runs, this class refuses nothing, because the cassette itself refuses connections.
    """

    def __init__(self, config: pytest.Config) -> None:
        # imported here: most runs have no such border
        from flag_harness.plugin.test.plan import api_hosts_in_configuration
        from flag_harness.transports.network import refuse_network

        self._item: pytest.Item | None = None
        self._is_collecting = False
        self._outside: list[NetworkRefused] = []
        """The refusals to code outside of tests and imports, such as other plugins."""
        self._patches = ExitStack()
        scope = api_hosts_in_configuration(config)
        self._patches.enter_context(offline_environment(applies=True))
        guard = refuse_network(_NETWORK_ERROR_PARTS, self._make_network_failure, scope, self._allows_network)
        self._refused: Sequence[NetworkRefused] = self._patches.enter_context(guard)

    def close(self) -> None:
        """Stop refusing connections."""
        self._patches.close()

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Fail the collection of a module that tried to reach another host while it was imported."""
        start, self._is_collecting = len(self._refused), True
        try:
            report = yield
        finally:
            self._is_collecting = False
        if report.passed and (refused := self._refused[start:]):
            report.outcome, report.longrepr, report.result = (
                "failed",
                "\n\n".join(_distinct_refusal_messages(refused)),
                [],
            )
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Attribute attempts to reach the network to this test."""
        self._item = item
        try:
            return (yield)
        finally:
            self._item = None

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None, None, None]:
        """Let a test fail even if it catches a refusal. The checks of a test with a cassette do so already."""
        start = len(self._refused)

        def refusals_of_test() -> list[Refusal]:
            return list(self._refused[start:])

        item.stash[REFUSALS_KEY] = refusals_of_test
        yield

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the run if code outside of tests and of imports of modules tried to reach another host."""
        if self._outside and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: "pytest.TerminalReporter") -> None:
        """Print the attempts to reach another host that were made outside of tests and of imports of modules."""
        for message in _distinct_refusal_messages(self._outside):
            terminalreporter.write_line(f"outside of the tests: {message}", red=True)

    def _make_network_failure(self, message: str) -> NetworkFailure:
        error = NetworkFailure(message)
        if self._item is None and not self._is_collecting:
            self._outside.append(error)
        return error

    def _allows_network(self, host: str) -> bool:
        item = self._item
        return item is not None and (
            TRAFFIC_KEY in item.stash or item.get_closest_marker("harness_network") is not None
        )


def _distinct_refusal_messages(refused: Iterable[NetworkRefused]) -> list[str]:
    return list(dict.fromkeys(map(str, refused)))
