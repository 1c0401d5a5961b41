"""Rename the settings of a project's pyproject.toml that had another name in older releases."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flag_harness.config.command_tables import RENAMED_SWEEP_KEYS
from flag_harness.errors import ConfigError

OLD_TABLE_NAME, NEW_TABLE_NAME = "harness", "flag-harness"

_OLD_TABLE_HEADER_PATTERN = re.compile(rf"^(\s*\[+\s*tool\s*\.\s*){OLD_TABLE_NAME}(?=\s*[.\]])")
_TABLE_HEADER_PATTERN = re.compile(r"^\s*\[")
_SWEEP_TABLE_HEADER_PATTERN = re.compile(rf"^\s*\[\s*tool\s*\.\s*{NEW_TABLE_NAME}\s*\.\s*sweep\s*\]")
_SETTING_KEY_PATTERN = re.compile(r"^(\s*)([\w-]+)(?=\s*=)")


def upgrade_settings(text: str, source: Path) -> tuple[str, tuple[str, ...]]:
    """Return the text of a pyproject.toml with today's names of settings, and a description of each renamed setting.

    Nothing else in the text changes. Raise `ConfigError` naming the file `source` if the text is not TOML, or if
    something must be renamed by hand.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{source}: {error}") from None
    renamed = tuple(_rename_settings_in_document(document))
    if not renamed:
        return text, ()
    result = "".join(_rename_settings_in_lines(text))
    if not _parses_to_document(result, document):
        raise ConfigError(
            f"{source}: rename this by hand: {'; '.join(renamed)}. The old name and the new one are both there, or the "
            "line has an unusual form; then run flag-harness upgrade again"
        )
    return result, renamed


def _rename_settings_in_document(document: Any) -> Iterator[str]:
    """Rename keys in a parsed pyproject.toml, in place, and yield a description of each renamed key."""
    tool = document.get("tool")
    if not isinstance(tool, dict):
        return
    if OLD_TABLE_NAME in tool:
        tool[NEW_TABLE_NAME] = tool.pop(OLD_TABLE_NAME)
        yield f"[tool.{OLD_TABLE_NAME}] to [tool.{NEW_TABLE_NAME}]"
    table = tool.get(NEW_TABLE_NAME)
    sweep = table.get("sweep") if isinstance(table, dict) else None
    for old, new in RENAMED_SWEEP_KEYS.items():
        if isinstance(sweep, dict) and old in sweep:
            sweep[new] = sweep.pop(old)
            yield f"sweep.{old} to sweep.{new}"


def _rename_settings_in_lines(text: str) -> Iterator[str]:
    is_sweep = False
    for line in text.splitlines(keepends=True):
        new = _OLD_TABLE_HEADER_PATTERN.sub(rf"\g<1>{NEW_TABLE_NAME}", line)
        if _TABLE_HEADER_PATTERN.match(new):
            is_sweep = _SWEEP_TABLE_HEADER_PATTERN.match(new) is not None
        yield (
            _SETTING_KEY_PATTERN.sub(lambda key: key[1] + RENAMED_SWEEP_KEYS.get(key[2], key[2]), new)
            if is_sweep
            else new
        )


def _parses_to_document(text: str, document: Any) -> bool:
    try:
        return bool(tomllib.loads(text) == document)
    except tomllib.TOMLDecodeError:
        return False
