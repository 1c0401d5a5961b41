"""Read the options that the harness shares with other plugins, such as `--record-mode`."""

import os
import shlex
from importlib.util import find_spec
from typing import Literal, TypeAlias, cast

import pytest

RecordMode: TypeAlias = Literal["none", "once", "new_episodes", "all", "rewrite"]
RECORD_MODES = ("none", "once", "new_episodes", "all", "rewrite")
UPSTREAM_NAMES = ("live", "simulator")
CASES_PACKAGE = "flag_harness.conformance"
"""The name of the package with the 25 cases: `pytest --pyargs flag_harness.conformance` runs them."""
CHECKS_PLUGIN_NAME = "flag-harness-checks"
"""The name under which the module with the checks of each test is registered."""
FEATURES_PLUGIN = "flag_harness.plugin.features"
"""The plugin of the 25 cases, which read the shipped flags. Their conftest files load it."""

_OTHER_PLUGINS_BY_OPTION = {
    "--block-network": ("recording",),
    "--disable-recording": ("recording",),
    "--disable-vcr": ("vcr",),
    "--feature": ("pytest-bdd",),
    "--record-mode": ("recording", "cassetter"),
}
"""For each shared option, the plugins that may register it instead (names of `pytest11` entry points)."""
_PACKAGES = {"pytest-bdd": "pytest_bdd", "recording": "pytest_recording", "vcr": "pytest_vcr"}
"""The packages of these plugins, if they have other names. Looking for them is faster than reading the entry points of
all that is installed.
"""


def record_mode_of_run(config: pytest.Config) -> RecordMode:
    """Return the record mode of the command line, by default `none`."""
    mode = config.getoption("--record-mode", default=None) or "none"
    return cast(RecordMode, mode) if mode in RECORD_MODES else "none"


def is_recording_disabled(config: pytest.Config) -> bool:
    """Return True if the command line has `--disable-recording`."""
    return bool(config.getoption("--disable-recording", default=False))


def is_main_process_of_xdist(config: pytest.Config) -> bool:
    """Return True in the process that starts the workers of pytest-xdist: it runs no test itself."""
    return config.getoption("dist", "no") != "no" and not hasattr(config, "workerinput")


def command_to_reproduce(config: pytest.Config, *nodeids: str) -> str:
    """Return the pytest command that runs tests again with the same record mode and upstream."""
    options = []
    if is_recording_disabled(config):
        options.append("--disable-recording")
    if (mode := record_mode_of_run(config)) != "none":
        options.append(f"--record-mode={mode}")
    if options and config.getoption("--harness-upstream") == "simulator":
        options.append("--harness-upstream=simulator")
    return " ".join(["pytest", *(quoted_nodeid(config, one) for one in nodeids), *options])


def quoted_nodeid(config: pytest.Config, nodeid: str) -> str:
    """Return a node id, quoted for the shell, as it is typed in the folder in which pytest was started."""
    path, separator, name = nodeid.partition("::")
    return shlex.quote(os.path.relpath(config.rootpath / path, config.invocation_params.dir) + separator + name)


def is_option_of_other_plugin(option: str, pluginmanager: pytest.PytestPluginManager) -> bool:
    """Return True if another plugin registers the option: a plugin that is installed, and not blocked with `-p no:`."""
    return any(
        _is_installed(_PACKAGES.get(name, name)) and not pluginmanager.is_blocked(name)
        for name in _OTHER_PLUGINS_BY_OPTION[option]
    )


def _is_installed(package: str) -> bool:
    """Return whether a package can be imported. A mere folder of that name in the project does not count."""
    spec = find_spec(package)
    return spec is not None and spec.origin is not None
