"""`flag-harness matrix`: the combinations, and the one that the environment selects."""

import json
from pathlib import Path

import pytest

from flag_harness.cli import main


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without configuration, and an environment without flags."""
    monkeypatch.chdir(tmp_path)
    for variable in ("ENABLE_STREAMING", "ENABLE_PROMPT_CACHE", "ENABLE_EXTENDED_OUTPUT", "MAX_TOKENS"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def test_the_eight_combinations_are_listed_with_their_variables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A star marks the one that the environment selects."""
    monkeypatch.setenv("ENABLE_STREAMING", "Yes")
    assert 0 == main(["matrix"])
    lines = capsys.readouterr().out.splitlines()
    assert 8 == len(lines)
    assert ["* streaming" + " " * 34 + "ENABLE_STREAMING=true"] == [line for line in lines if line.startswith("*")]


def test_a_script_reads_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One object."""
    assert 0 == main(["matrix", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert "off" == document["selected"]
    assert {"ENABLE_STREAMING": "true"} == document["combinations"]["streaming"]


def test_the_flags_of_the_project_take_the_place_of_those_that_ship(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Their requirements are held, and numbers beside the shipped ones are nobody's business."""
    (elsewhere / "pyproject.toml").write_text(
        '[tool.flag-harness.flags]\nfirst = "FIRST"\nsecond = { env = "SECOND", requires = ["first"] }\n'
    )
    assert 0 == main(["matrix"])
    names = [line[2:].split()[0] for line in capsys.readouterr().out.splitlines()]
    assert ["off", "first", "first+second"] == names
