"""Read the settings in pytest's own file: lines of TOML under `flag_harness` in pytest.ini, tox.ini or setup.cfg."""

import configparser
import tomllib
from pathlib import Path
from typing import Any

from flag_harness.errors import ConfigError

INI_KEY = "flag_harness"
_SECTIONS = (("pytest.ini", "pytest"), (".pytest.ini", "pytest"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest"))
"""The files that pytest reads besides pyproject.toml, in its order, and their sections."""


def read_ini_table(folder: Path) -> tuple[dict[str, Any], Path] | None:
    """Return the settings and their file, or None if no file in the folder has them.

    Raise `ConfigError` that names the file if they are not TOML. A file that cannot be read is pytest's to report.
    """
    for name, section in _SECTIONS:
        path = folder / name
        text = _read_ini_value(path, section) if path.is_file() else None
        if text is None:
            continue
        try:
            return tomllib.loads(text), path
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(
                f"{path}: [{section}] {INI_KEY}: each line must be one of [tool.flag-harness], such as "
                f'recordings = "tests/recordings": {error}'
            ) from None
    return None


def _read_ini_value(path: Path, section: str) -> str | None:
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return None
    return parser.get(section, INI_KEY, fallback=None)
