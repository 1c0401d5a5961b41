"""Look at the files and the command line for any use of the harness, before the rest of the plugin is imported."""

from pathlib import Path

import pytest

from flag_harness.plugin.modes import FEATURES_PLUGIN, is_main_process_of_xdist

_INI_FILES = ("pytest.ini", ".pytest.ini", "tox.ini", "setup.cfg")
OPTIONS_WITHOUT_PREFIX = ("record_mode", "disable_recording", "features", "block_network", "vcr_record", "disable_vcr")
"""The options of the harness whose names lack the prefix `harness_`."""
_DEFAULT_BY_OPTION = {"harness_upstream": "live", "harness_runs": 20, "harness_verify_budget": 0.5, "harness_seed": 0}
"""The options that have a default other than None, False or empty, with this default."""

_MENTIONS_HARNESS_KEY = pytest.StashKey[bool]()
IS_CONFIGURED_KEY = pytest.StashKey[bool]()
"""The stash key of True, which a run has once the whole plugin is configured."""


def mentions_harness(config: pytest.Config) -> bool:
    """Return True if a file with settings of the project mentions the harness, so that it must be read as TOML."""
    found = config.stash.get(_MENTIONS_HARNESS_KEY, None)
    if found is None:
        found = config.stash[_MENTIONS_HARNESS_KEY] = _is_mentioned_in_files(config.rootpath)
    return found


def _is_mentioned_in_files(folder: Path) -> bool:
    # a table may be called flag_harness by mistake, or be encoded in UTF-16: reading the settings reports that
    text = _read_bytes(folder / "pyproject.toml").lower().translate(None, b"-_ \0")
    if b"flagharness" in text or b"tool.harness" in text:
        return True
    return any(b"flag_harness" in _read_bytes(folder / name) for name in _INI_FILES)


def _read_bytes(path: Path) -> bytes:
    """Return the content of a file, or nothing if there is no file. A file that cannot be read counts as settings."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return b""
    except OSError:
        return b"flag_harness"


def may_use_harness(config: pytest.Config) -> bool:
    """Return True if the project has settings of the harness, or the command line has one of its options.

    Also return True in the main process of pytest-xdist, which collects no tests and gets the reports of its workers.
    """
    if mentions_harness(config) or config.pluginmanager.has_plugin(FEATURES_PLUGIN):
        return True
    if is_main_process_of_xdist(config):
        return True
    return "=" in config.getoption("keyword") or any(map(_is_option_given, vars(config.option).items()))


def _is_option_given(option: tuple[str, object]) -> bool:
    """Return True if an option (name, value) is an option of the harness, and its value is not the default."""
    name, value = option
    if not name.startswith("harness_") and name not in OPTIONS_WITHOUT_PREFIX:
        return False
    if name in _DEFAULT_BY_OPTION:
        return value != _DEFAULT_BY_OPTION[name]
    return value is not None and value is not False and value not in ("", [])
