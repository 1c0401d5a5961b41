"""The other process of the context cases, in an interpreter of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from flag_harness.conformance.successor import session
from flag_harness.reference import save_context


@pytest.mark.deep
def test_the_next_request_does_not_depend_on_the_interpreter(tmp_path: Path) -> None:
    """Restored twice under other hash seeds, a session sends the same bytes: a fork alone would not show that."""
    path = tmp_path / "context.json"
    save_context(session("short", 1), path)
    command = [sys.executable, "-m", "flag_harness.conformance.successor", str(path), "Go on."]
    bodies = [
        subprocess.run(command, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True).stdout
        for seed in ("1", "2")
    ]
    assert "Go on." == json.loads(bodies[0])["messages"][-1]["content"][-1]["text"]
    assert bodies[0] == bodies[1]
