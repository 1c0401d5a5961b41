"""Command-line options and configuration. Options of another recorder that is installed are used, not added again."""

import pytest

from harness.config import read_config
from harness.errors import HarnessError
from harness.plugin import age, faults, sweep, vcr_options, verify
from harness.plugin.life import LIFE, Life
from harness.plugin.marks import CONFIG, MARKS
from harness.plugin.misses import Misses
from harness.plugin.modes import RECORD_MODES, SUITE, UPSTREAMS, owned
from harness.plugin.normalisers import configured_normalisers
from harness.plugin.secrets import HIDDEN, Hidden, configured_filters
from harness.plugin.summary import Summary


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the harness's options."""
    group = parser.getgroup("harness", "flag harness")
    if not owned("--record-mode", pluginmanager):
        group.addoption(
            "--record-mode",
            choices=RECORD_MODES,
            default=None,
            help="none: play cassettes only (default); once: record where there is none; new_episodes: record what is "
            "not in it; all: record everything, beside what is there; rewrite: record everything anew",
        )
    if not owned("--disable-recording", pluginmanager):
        group.addoption(
            "--disable-recording",
            action="store_true",
            default=False,
            help="go straight to the upstream; read and write no cassette",
        )
    group.addoption(
        "--harness-upstream",
        choices=UPSTREAMS,
        default="live",
        help="who answers what is not played from a cassette: the live API (default) or the simulator",
    )
    age.add_option(group)
    if vcr_options.wanted(pluginmanager) and not owned("--block-network", pluginmanager):
        vcr_options.add_options(parser, pluginmanager)
    faults.add_options(group)
    sweep.add_options(group)
    verify.add_options(group)


def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> None:
    """Add `--feature` where the installed cases are named: `pytest --pyargs harness.conformance --feature=all`."""
    if any(argument.startswith(SUITE) for argument in args):
        early_config.pluginmanager.import_plugin("harness.plugin.features")


def pytest_configure(config: pytest.Config) -> None:
    """Read `[tool.harness]` and register the marks."""
    try:
        config.stash[CONFIG] = read_config(config.rootpath / "pyproject.toml")
        if config.stash[CONFIG].filters:
            configured_filters(config)
        if config.stash[CONFIG].normalise:
            configured_normalisers(config)
        faults.configure(config)
        sweep.configure(config)
        verify.configure(config)
    except HarnessError as error:
        raise pytest.UsageError(str(error)) from None
    for mark in MARKS:
        config.addinivalue_line("markers", mark)
    config.stash[LIFE] = Life(config)
    config.pluginmanager.register(config.stash[LIFE], "harness-life")
    config.stash[HIDDEN] = Hidden()
    config.pluginmanager.register(config.stash[HIDDEN], "harness-secrets")
    config.pluginmanager.register(Summary(age.max_age(config)), "harness-summary")
    if config.stash[CONFIG].vcr_marks:
        vcr_options.configure(config)
    config.pluginmanager.register(Misses(config), "harness-misses")
