"""Read settings from pytest.ini, tox.ini or setup.cfg: lines of TOML under the key `flag_harness`."""

import tomllib
from pathlib import Path
from typing import Any

from flag_harness.config.root import read_ini_file
from flag_harness.errors import ConfigError

INI_KEY = "flag_harness"
_INI_FILES_AND_SECTIONS = (
    ("pytest.ini", "pytest"),
    (".pytest.ini", "pytest"),
    ("tox.ini", "pytest"),
    ("setup.cfg", "tool:pytest"),
)
"""The ini files in which pytest looks for settings, in its order, each with the section that pytest reads."""


def read_ini_table(folder: Path) -> tuple[dict[str, Any], Path] | None:
    """Return the settings in an ini file of the folder and the file's path, or None if no ini file has settings.

    Raise `ConfigError` naming the file if the settings are not TOML. A file that cannot be read is skipped, because
    pytest itself reports it.
    """
    for name, section in _INI_FILES_AND_SECTIONS:
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
    """Return the harness's settings in a section of an ini file, or None if it has none."""
    parser = read_ini_file(path)
    return None if parser is None else parser.get(section, INI_KEY, fallback=None)
