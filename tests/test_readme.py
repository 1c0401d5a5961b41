"""The README's example works as it is pasted."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CASES = (ROOT / "docs" / "cases.md").read_text(encoding="utf-8")


def _block(language: str, holding: str, page: str = README) -> str:
    blocks: list[str] = re.findall(rf"^```{language}\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    return next(block for block in blocks if holding in block)


def test_the_example_is_recorded_and_played(pytester: pytest.Pytester) -> None:
    """Its flags, its scenario and its tests, under the commands beneath it."""
    pytester.makepyprojecttoml(_block("toml", "new_planner"))
    pytester.makepyfile(test_refund=_block("python", "test_refund.py") + _block("python", "async def"))
    scenarios = pytester.mkdir("fixtures") / "scenarios"
    scenarios.mkdir()
    (scenarios / "refund.toml").write_text(_block("toml", "order 17"), encoding="utf-8")
    for options in (("--record-mode=once", "--harness-upstream=simulator"), ()):
        run = pytester.runpytest_subprocess("-p", "no:cacheprovider", *options)
        run.assert_outcomes(passed=4)


def test_the_line_that_logs_writes_json_lines(tmp_path: Path) -> None:
    """As it is pasted, in a program of its own."""
    happens = (
        "from flag_harness.reference.logs import log_event\n"
        "log_event(logging.getLogger('flag_harness.reference'), logging.INFO, 'retry', attempt=1)"
    )
    script = _block("python", "json_lines_handler", CASES) + happens
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
    (line,) = (tmp_path / "logs" / "agent.jsonl").read_text(encoding="utf-8").splitlines()
    assert ("retry", {"attempt": 1}) == (json.loads(line)["event"], json.loads(line)["fields"])


def test_every_file_that_is_linked_exists() -> None:
    """No link of the front door leads nowhere."""
    linked = re.findall(r"\]\(([^)#:]+)\)", README)
    assert linked
    assert [] == [path for path in linked if not (ROOT / path).exists()]


def test_ci_runs_the_last_command_of_the_readme() -> None:
    """It looks the command up, wherever it stands."""
    [search] = re.findall(r"^command=\$\((.*)\)$", (ROOT / ".ci" / "run").read_text(encoding="utf-8"), re.MULTILINE)
    found = subprocess.run(search, shell=True, cwd=ROOT, capture_output=True, text=True, check=True)
    assert _block("sh", "'.[dev]'") == found.stdout
