"""Rename what older releases called otherwise in the settings of a project's pyproject.toml."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flag_harness.config.command_tables import RENAMED_SWEEP_KEYS
from flag_harness.errors import ConfigError

OLD_TABLE, NEW_TABLE = "harness", "flag-harness"

_OLD_TABLE_HEADER = re.compile(rf"^(\s*\[+\s*tool\s*\.\s*){OLD_TABLE}(?=\s*[.\]])")
_TABLE_HEADER = re.compile(r"^\s*\[")
_SWEEP_HEADER = re.compile(rf"^\s*\[\s*tool\s*\.\s*{NEW_TABLE}\s*\.\s*sweep\s*\]")
_KEY_PATTERN = re.compile(r"^(\s*)([\w-]+)(?=\s*=)")


def upgrade_settings(text: str, source: Path) -> tuple[str, tuple[str, ...]]:
    """Return the text of a pyproject.toml with today's names of settings, and a description of each renamed setting.

    Nothing else in the text changes. Raise `ConfigError` naming the file `source` if the text is not TOML, or if
    something must be renamed by hand.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{source}: {error}") from None
    renamed = tuple(_rename_in_document(document))
    if not renamed:
        return text, ()
    result = "".join(_rename_in_lines(text))
    if not _is_same_document(result, document):
        raise ConfigError(
            f"{source}: rename this by hand: {'; '.join(renamed)}. The old name and the new one are both there, or the "
            "line has an unusual form; then run flag-harness upgrade again"
        )
    return result, renamed


def _rename_in_document(document: Any) -> Iterator[str]:
    """Rename keys of settings in a parsed pyproject.toml, and yield a description of each renamed key."""
    tool = document.get("tool")
    if not isinstance(tool, dict):
        return
    if OLD_TABLE in tool:
        tool[NEW_TABLE] = tool.pop(OLD_TABLE)
        yield f"[tool.{OLD_TABLE}] to [tool.{NEW_TABLE}]"
    table = tool.get(NEW_TABLE)
    sweep = table.get("sweep") if isinstance(table, dict) else None
    for old, new in RENAMED_SWEEP_KEYS.items():
        if isinstance(sweep, dict) and old in sweep:
            sweep[new] = sweep.pop(old)
            yield f"sweep.{old} to sweep.{new}"


def _rename_in_lines(text: str) -> Iterator[str]:
    is_sweep = False
    for line in text.splitlines(keepends=True):
        new = _OLD_TABLE_HEADER.sub(rf"\g<1>{NEW_TABLE}", line)
        if _TABLE_HEADER.match(new):
            is_sweep = _SWEEP_HEADER.match(new) is not None
        yield _KEY_PATTERN.sub(lambda key: key[1] + RENAMED_SWEEP_KEYS.get(key[2], key[2]), new) if is_sweep else new


def _is_same_document(text: str, document: Any) -> bool:
    try:
        return bool(tomllib.loads(text) == document)
    except tomllib.TOMLDecodeError:
        return False
