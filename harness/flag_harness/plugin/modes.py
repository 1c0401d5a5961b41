"""What the command line asks for: record mode and upstream, also where another plugin registered the option."""

from importlib.metadata import entry_points
from typing import Literal, TypeAlias, cast

import pytest

RecordMode: TypeAlias = Literal["none", "once", "new_episodes", "all", "rewrite"]
RECORD_MODES = ("none", "once", "new_episodes", "all", "rewrite")
UPSTREAMS = ("live", "simulator")
SUITE = "flag_harness.conformance"
"""The cases, as a package: `pytest --pyargs flag_harness.conformance`."""

_OWNERS = {
    "--block-network": ("recording",),
    "--disable-recording": ("recording",),
    "--feature": ("pytest-bdd",),
    "--record-mode": ("recording", "cassetter"),
}
"""Entry points (group `pytest11`) of plugins that register an option of ours: theirs is read where they are in use."""


def record_mode(config: pytest.Config) -> RecordMode:
    """The record mode asked for, `none` unless said."""
    mode = config.getoption("--record-mode", default=None) or "none"
    return cast(RecordMode, mode) if mode in RECORD_MODES else "none"


def is_recording_disabled(config: pytest.Config) -> bool:
    """Whether cassettes are left alone."""
    return bool(config.getoption("--disable-recording", default=False))


def is_registered_elsewhere(option: str, pluginmanager: pytest.PytestPluginManager) -> bool:
    """Whether another installed plugin that is not blocked registers the option."""
    installed = {entry.name for entry in entry_points(group="pytest11")}
    return any(name in installed and not pluginmanager.is_blocked(name) for name in _OWNERS[option])
