"""What `[tool.flag-harness] vcr_marks = true` adds to a run. Without it, nothing here is registered."""

import pytest

from flag_harness.config import read_config
from flag_harness.errors import HarnessError, MissingExtraError, require_extra

MARKS = (
    "vcr(*cassettes, **settings): play this test's cassette of vcrpy, and the named ones; settings as in vcr_config",
    "default_cassette(name): the name of this test's own cassette",
    "block_network(allowed_hosts=[]): refuse connections except to these hosts (regular expressions of whole names)",
    "allowed_hosts: registered because pytest-recording does so; it has no effect there either",
)
"""The marks of pytest-recording."""


def is_vcr_enabled(pluginmanager: pytest.PytestPluginManager) -> bool:
    """Return True if the project enables it. A mistake in the configuration is reported later."""
    config = pluginmanager.get_plugin("pytestconfig")
    try:
        return config is not None and read_config(config.rootpath / "pyproject.toml").vcr_marks
    except HarnessError:
        return False


def add_vcr_options(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the options, the hook and the fixtures of pytest-recording."""
    from flag_harness.plugin.vcr import fixtures as vcr_fixtures
    from flag_harness.plugin.vcr import hooks as vcr_hooks

    pluginmanager.add_hookspecs(vcr_hooks)
    pluginmanager.register(vcr_fixtures, "flag-harness-vcr-fixtures")
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


def configure_vcr(config: pytest.Config) -> None:
    """Register the marks, and the fixtures that play. They come last, so they replace those of the same name.

    Raises `pytest.UsageError` if the library that reads the cassettes is not installed.
    """
    try:
        with require_extra("vcr"):
            import yaml  # noqa: F401
    except MissingExtraError as error:
        raise pytest.UsageError(f"[tool.flag-harness] vcr_marks: {error}") from None
    from flag_harness.plugin.vcr import marks as vcr_marks

    for mark in MARKS:
        config.addinivalue_line("markers", mark)
    config.pluginmanager.register(vcr_marks, "flag-harness-vcr-marks")
    config.pluginmanager.register(vcr_marks.VcrSummary(), "flag-harness-vcr-summary")
