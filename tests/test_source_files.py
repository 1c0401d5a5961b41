"""Reading the source files of a project."""

import os
from pathlib import Path
from typing import Any

import pytest

from flag_harness.source_files import source_texts


def test_what_somebody_else_owns_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that cannot be opened is left out, and a file that cannot be read has no text."""
    for name in ("agent.py", "theirs.py", "database/dump.py", "lib/tools.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"# {name}")
    real_stat, real_text = os.stat, Path.read_text

    def stat(path: Any, **options: Any) -> os.stat_result:
        if "database/" in str(path):
            raise PermissionError(13, "Permission denied")
        return real_stat(path, **options)

    def read_text(path: Path, **options: Any) -> str:
        if path.name == "theirs.py":
            raise PermissionError(13, "Permission denied")
        return real_text(path, **options)

    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(Path, "read_text", read_text)
    expected = [("agent.py", "# agent.py"), ("theirs.py", None), ("lib/tools.py", "# lib/tools.py")]
    assert expected == [(path.as_posix(), text) for path, text in source_texts(tmp_path, (".py",))]
