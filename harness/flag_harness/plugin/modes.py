"""Reads the options that other plugins may register instead: the record mode, and whether recording is disabled."""

import shlex
from importlib.metadata import entry_points
from typing import Literal, TypeAlias, cast

import pytest

RecordMode: TypeAlias = Literal["none", "once", "new_episodes", "all", "rewrite"]
RECORD_MODES = ("none", "once", "new_episodes", "all", "rewrite")
UPSTREAMS = ("live", "simulator")
SUITE = "flag_harness.conformance"
"""The cases, as a package: `pytest --pyargs flag_harness.conformance`."""

_OTHER_PLUGINS_BY_OPTION = {
    "--block-network": ("recording",),
    "--disable-recording": ("recording",),
    "--disable-vcr": ("vcr",),
    "--feature": ("pytest-bdd",),
    "--record-mode": ("recording", "cassetter"),
}
"""Plugins (entry points of the group `pytest11`) that register these options. Theirs are read if they are loaded."""


def selected_record_mode(config: pytest.Config) -> RecordMode:
    """Return the record mode of the command line, by default `none`."""
    mode = config.getoption("--record-mode", default=None) or "none"
    return cast(RecordMode, mode) if mode in RECORD_MODES else "none"


def is_recording_disabled(config: pytest.Config) -> bool:
    """Return True under `--disable-recording`."""
    return bool(config.getoption("--disable-recording", default=False))


def reproduce_command(config: pytest.Config, nodeid: str) -> str:
    """Return the command that runs a test again, with the options of this run that say who answers it."""
    options = []
    if is_recording_disabled(config):
        options.append("--disable-recording")
    if (mode := selected_record_mode(config)) != "none":
        options.append(f"--record-mode={mode}")
    if options and config.getoption("--harness-upstream") == "simulator":
        options.append("--harness-upstream=simulator")
    return " ".join(["pytest", shlex.quote(nodeid), *options])


def is_registered_elsewhere(option: str, pluginmanager: pytest.PytestPluginManager) -> bool:
    """Return True if another installed plugin, which is not blocked, registers the option."""
    installed = {entry.name for entry in entry_points(group="pytest11")}
    return any(name in installed and not pluginmanager.is_blocked(name) for name in _OTHER_PLUGINS_BY_OPTION[option])
