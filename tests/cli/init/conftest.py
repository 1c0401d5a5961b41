"""The tests of `flag-harness init` run in an empty folder, and pytest in forks of the warm Python."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, warm_run: Callable[..., Any]) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(subprocess, "run", warm_run)
    for name in ("BOT_THINKING", "BOT_STREAMING", "LONG_ANSWERS", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
