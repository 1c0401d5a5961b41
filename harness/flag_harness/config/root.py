"""Find the root directory of a project, which is where pytest looks for its settings too."""

import configparser
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

PYPROJECT = "pyproject.toml"


def find_root(folder: Path = Path()) -> Path:
    """Return the root directory that pytest takes if it is run in `folder`: an absolute path, or `folder` itself.

    `folder` and its parents are searched: first for settings of pytest, then for a pyproject.toml, then for a setup.py.
    If nothing is found, the root is `folder`.
    """
    start = folder.absolute()
    folders = (start, *start.parents)
    for has_settings in (_has_pytest_settings, _make_file_exists_check(PYPROJECT), _make_file_exists_check("setup.py")):
        found = next((one for one in folders if has_settings(one)), None)
        if found is not None:
            return folder if found == start else found
    return folder


def _has_pytest_settings(folder: Path) -> bool:
    return any((folder / name).is_file() and is_settings(folder / name) for name, is_settings in _SETTINGS_FILES)


def _make_file_exists_check(name: str) -> Callable[[Path], bool]:
    """Return a function that gets a folder, and returns whether the folder has a file called `name`."""
    return lambda folder: (folder / name).is_file()


def _has_pytest_table(path: Path) -> bool:
    try:
        table: Any = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(table, Mapping) and bool(table.get("pytest"))


def _make_section_check(section: str) -> Callable[[Path], bool]:
    """Return a function that gets the path of an ini file, and returns whether the file has a section called
    `section`.
    """

    def has_ini_section(path: Path) -> bool:
        parser = read_ini_file(path)
        return parser is not None and parser.has_section(section)

    return has_ini_section


def read_ini_file(path: Path) -> configparser.RawConfigParser | None:
    """Return the sections of an ini file, or None if it cannot be read or is invalid."""
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error, AttributeError):
        return None  # the parser raises AttributeError if a key without a value is continued on the next line
    return parser


def _accept_any_file(path: Path) -> bool:
    return True


_SETTINGS_FILES: tuple[tuple[str, Callable[[Path], bool]], ...] = (
    ("pytest.toml", _accept_any_file),
    (".pytest.toml", _accept_any_file),
    ("pytest.ini", _accept_any_file),
    (".pytest.ini", _accept_any_file),
    (PYPROJECT, _has_pytest_table),
    ("tox.ini", _make_section_check("pytest")),
    ("setup.cfg", _make_section_check("tool:pytest")),
)
"""The names of the files in which pytest looks for settings, in its order.

Each name comes with a function that gets the path of such a file, and returns whether the file has settings of pytest.
"""
