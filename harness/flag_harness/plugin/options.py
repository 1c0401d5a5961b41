"""Command-line options and configuration. Options of another recorder that is installed are used, not added again."""

import pytest

from flag_harness.config import read_config
from flag_harness.errors import HarnessError
from flag_harness.plugin.instead import sweep, verify
from flag_harness.plugin.marks import CONFIG, MARKS
from flag_harness.plugin.modes import RECORD_MODES, SUITE, UPSTREAMS, owned
from flag_harness.plugin.redact.normalisers import configured_normalisers
from flag_harness.plugin.redact.secrets import HIDDEN, Hidden, configured_filters
from flag_harness.plugin.run import age
from flag_harness.plugin.run.claims import LIFE, Life
from flag_harness.plugin.run.misses import Misses
from flag_harness.plugin.run.summary import Summary
from flag_harness.plugin.test import faults
from flag_harness.plugin.vcr import options as vcr_options


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
    """Add `--feature` where the installed cases are named: `pytest --pyargs flag_harness.conformance --feature=all`."""
    if any(argument.startswith(SUITE) for argument in args):
        early_config.pluginmanager.import_plugin("flag_harness.plugin.features")


def pytest_configure(config: pytest.Config) -> None:
    """Read `[tool.flag-harness]` and register the marks."""
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
    config.pluginmanager.register(config.stash[LIFE], "flag-harness-life")
    config.stash[HIDDEN] = Hidden()
    config.pluginmanager.register(config.stash[HIDDEN], "flag-harness-secrets")
    config.pluginmanager.register(Summary(age.max_age(config)), "flag-harness-summary")
    if config.stash[CONFIG].vcr_marks:
        vcr_options.configure(config)
    config.pluginmanager.register(Misses(config), "flag-harness-misses")
