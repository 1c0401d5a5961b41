"""Register the options, marks and fixtures that `[tool.flag-harness] vcr_marks` turns on."""

from importlib.metadata import entry_points

import pytest

from flag_harness.config import read_config
from flag_harness.errors import HarnessError, MissingExtraError, require_extra
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.modes import is_option_of_other_plugin

VCR_MARK_DESCRIPTIONS = (
    "vcr(*cassettes, **settings): play this test's cassette of vcrpy, and the named ones; settings as in vcr_config",
    "default_cassette(name): the name of this test's own cassette",
    "block_network(allowed_hosts=[]): refuse connections except to these hosts (regular expressions of whole names)",
    "allowed_hosts: registered because pytest-recording does so; it has no effect there either",
)
"""The descriptions of the marks of pytest-recording. pytest-vcr has only the first mark."""

VCR_PLUGINS = {"recording": "pytest-recording", "vcr": "pytest-vcr"}
"""The packages that define the mark `vcr`, by the names under which pytest registers them."""


def plugin_to_emulate(pluginmanager: pytest.PytestPluginManager) -> str:
    """Return the plugin that `vcr_marks` tells the harness to stand in for, or an empty string.

    An invalid configuration is reported later.
    """
    config = pluginmanager.get_plugin("pytestconfig")
    try:
        return "" if config is None else read_config(config.rootpath / "pyproject.toml").vcr_marks
    except HarnessError:
        return ""


def add_vcr_options(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options, the hook and the fixtures of the plugin that the harness stands in for."""
    owner = plugin_to_emulate(pluginmanager)
    if owner == "pytest-recording" and not is_option_of_other_plugin("--block-network", pluginmanager):
        _add_recording_options(parser, pluginmanager)
    if owner == "pytest-vcr" and not is_option_of_other_plugin("--disable-vcr", pluginmanager):
        _add_pytest_vcr_options(parser, pluginmanager)


def unregister_other_plugin(pluginmanager: pytest.PytestPluginManager) -> None:
    """If the harness stands in for pytest-recording or pytest-vcr, unregister the other plugin of these two."""
    owner = plugin_to_emulate(pluginmanager)
    for name, distribution in VCR_PLUGINS.items():
        if owner and distribution != owner and pluginmanager.has_plugin(name):
            pluginmanager.unregister(name=name)


def configure_vcr(config: pytest.Config) -> None:
    """Register the marks, and the fixtures that play cassettes. These replace fixtures of the same name.

    Raise `pytest.UsageError` if the library that reads the cassettes is not installed.
    """
    try:
        with require_extra("vcr"):
            import yaml  # noqa: F401
    except MissingExtraError as error:
        raise pytest.UsageError(f"[tool.flag-harness] vcr_marks: {error}") from None
    from flag_harness.plugin.vcr import marks, playing, pytest_vcr

    is_pytest_vcr = config.stash[CONFIG_KEY].vcr_marks == "pytest-vcr"
    for mark in VCR_MARK_DESCRIPTIONS[:1] if is_pytest_vcr else VCR_MARK_DESCRIPTIONS:
        config.addinivalue_line("markers", mark)
    config.pluginmanager.register(pytest_vcr if is_pytest_vcr else marks, "flag-harness-vcr-marks")
    config.pluginmanager.register(playing, "flag-harness-vcr-playing")
    config.pluginmanager.register(playing.VcrSummary(), "flag-harness-vcr-summary")
    config.pluginmanager.register(VcrHeader(), "flag-harness-vcr-header")


class VcrHeader:
    """Says in pytest's header who handles the mark `vcr`, if another plugin that handles it is installed."""

    def pytest_report_header(self, config: pytest.Config) -> str | None:
        """Return the header line, or None if no other plugin has the mark `vcr`."""
        installed = {entry.name for entry in entry_points(group="pytest11")}
        others = [
            distribution
            for name, distribution in VCR_PLUGINS.items()
            if name in installed and not config.pluginmanager.is_blocked(name)
        ]
        if not others:
            return None
        owner = config.stash[CONFIG_KEY].vcr_marks
        return (
            f"vcr_marks: flag-harness plays @pytest.mark.vcr, in the manner of {owner}, and not "
            f"{' or '.join(others)}; -p no:flag_harness gives it back"
        )


def _add_recording_options(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    from flag_harness.plugin.vcr import fixtures, hooks

    pluginmanager.add_hookspecs(hooks)
    pluginmanager.register(fixtures, "flag-harness-vcr-fixtures")
    group = parser.getgroup("harness", "flag harness")
    group.addoption(
        "--block-network",
        action="store_true",
        default=False,
        help="refuse connections in every test, but to the hosts that are allowed",
    )
    group.addoption(
        "--allowed-hosts",
        default=None,
        help="expressions for whole hosts, separated by commas, that may be reached under --block-network",
    )


def _add_pytest_vcr_options(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    from flag_harness.plugin.vcr import pytest_vcr_fixtures

    pluginmanager.register(pytest_vcr_fixtures, "flag-harness-vcr-fixtures")
    group = parser.getgroup("harness", "flag harness")
    modes = ("once", "new_episodes", "none", "all")
    group.addoption("--vcr-record", choices=modes, default=None, help="the record mode of cassettes of vcrpy")
    group.addoption("--vcr-record-mode", choices=modes, default=None, help="the old name of --vcr-record")
    group.addoption(
        "--disable-vcr", action="store_true", default=False, help="neither play nor record cassettes of vcrpy"
    )
