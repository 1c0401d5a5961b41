"""Command-line options and configuration. Options of another recorder that is installed are used, not added again."""

from importlib.metadata import entry_points
from typing import Literal, TypeAlias, cast

import pytest

from harness.config import read_config
from harness.errors import HarnessError
from harness.plugin import age, faults, sweep, vcr_options, verify
from harness.plugin.life import LIFE, Life
from harness.plugin.marks import CONFIG, MARKS
from harness.plugin.misses import Misses
from harness.plugin.normalisers import configured_normalisers
from harness.plugin.secrets import configured_filters
from harness.plugin.summary import Summary

RecordMode: TypeAlias = Literal["none", "once", "new_episodes", "all", "rewrite"]
RECORD_MODES = ("none", "once", "new_episodes", "all", "rewrite")
UPSTREAMS = ("live", "simulator")

_OWNERS = {
    "--block-network": ("recording",),
    "--disable-recording": ("recording",),
    "--feature": ("pytest-bdd",),
    "--record-mode": ("recording", "cassetter"),
}
"""Entry points (group `pytest11`) of plugins that register an option of ours: theirs is read where they are in use."""


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
    config.pluginmanager.register(Summary(age.max_age(config)), "harness-summary")
    if config.stash[CONFIG].vcr_marks:
        vcr_options.configure(config)
    config.pluginmanager.register(Misses(config), "harness-misses")


def record_mode(config: pytest.Config) -> RecordMode:
    """The record mode asked for, `none` unless said."""
    mode = config.getoption("--record-mode", default=None) or "none"
    return cast(RecordMode, mode) if mode in RECORD_MODES else "none"


def recording_disabled(config: pytest.Config) -> bool:
    """Whether cassettes are left alone."""
    return bool(config.getoption("--disable-recording", default=False))


def owned(option: str, pluginmanager: pytest.PytestPluginManager) -> bool:
    """Whether another installed plugin that is not blocked registers the option."""
    installed = {entry.name for entry in entry_points(group="pytest11")}
    return any(name in installed and not pluginmanager.is_blocked(name) for name in _OWNERS[option])
