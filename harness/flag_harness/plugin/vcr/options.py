"""`[tool.flag-harness] vcr_marks = true`: what it adds to a run. Without it nothing here is called or registered."""

import pytest

from flag_harness.config import read_config
from flag_harness.errors import HarnessError, MissingExtraError, require_extra

MARKS = (
    "vcr(*cassettes, **settings): play this test's cassette of vcrpy, and those named; settings as in vcr_config",
    "default_cassette(name): the name of this test's own cassette",
    "block_network(allowed_hosts=[]): refuse connections but to these hosts, expressions for whole names",
    "allowed_hosts: known because pytest-recording knows it; it does nothing there either",
)
"""The marks of pytest-recording."""


def wanted(pluginmanager: pytest.PytestPluginManager) -> bool:
    """Whether the project asks for it; a project whose configuration has a mistake is told so later."""
    config = pluginmanager.get_plugin("pytestconfig")
    try:
        return config is not None and read_config(config.rootpath / "pyproject.toml").vcr_marks
    except HarnessError:
        return False


def add_options(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add what pytest-recording would: its options, its hook, and the fixtures that suites override."""
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


def configure(config: pytest.Config) -> None:
    """Register the marks, and the fixtures that play. They come last, so they stand in for those of the same name.

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
