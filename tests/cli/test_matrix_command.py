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


def test_flags_that_no_variable_holds_are_listed_by_their_source(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scripts get the values of all flags."""
    (elsewhere / "pyproject.toml").write_text(
        '[tool.flag-harness.flags]\nranker = { openfeature = "ranker", values = ["a", "b"] }\n'
        'stop = { set = "shop.settings:override" }\nsafe = { set = "harness_set_flags" }\n'
    )
    assert 0 == main(["matrix"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert "openfeature:ranker=b set:shop.settings:override=true set:safe=true" == last.split(maxsplit=1)[1]
    assert 0 == main(["matrix", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert {"ranker": "b", "stop": False, "safe": False} == document["values"]["ranker=b"]


FLAGS = """[tool.flag-harness.flags]
streaming = "STREAM"
planner = { env = "PLANNER", requires = ["streaming"] }
model = { env = "MODEL", values = ["haiku", "sonnet", "opus"] }
"""


def test_a_covering_array_is_listed_with_what_each_row_adds(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line says how much is covered; a pair that no combination has does not count."""
    (elsewhere / "pyproject.toml").write_text(FLAGS)
    assert 0 == main(["matrix", "--strength", "2"])
    *rows, last = capsys.readouterr().out.splitlines()
    assert ["*", "off", "+3", "pairs", "MODEL=haiku"] == rows[0].split()
    assert f"{len(rows)} combinations: 15 of 15 pairs of values" == last
    assert 0 == main(["matrix", "--strength", "single"])
    assert "5 combinations: 11 of 15 pairs of values" == capsys.readouterr().out.splitlines()[-1]


def test_what_a_covering_array_covers_is_one_json_object(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each triple stands at the first combination that has it."""
    (elsewhere / "pyproject.toml").write_text(FLAGS)
    assert 0 == main(["matrix", "--strength", "3", "--json"])
    document = json.loads(capsys.readouterr().out)
    assert [["streaming=false", "planner=false", "model=haiku"]] == document["first_covered"]["off"]
    assert 9 == sum(map(len, document["first_covered"].values()))
    assert [3, []] == [document["strength"], document["missing"]]


def test_check_says_how_to_declare_a_flag_if_none_is(capsys: pytest.CaptureFixture[str]) -> None:
    """The flags of the reference agent are not the project's."""
    assert 1 == main(["matrix", "--check"])
    shown = capsys.readouterr().out
    assert "pyproject.toml declares no flags" in shown
    assert "flag-harness init" in shown
    assert "prompt_cache" not in shown


def test_check_names_variables_that_no_code_reads(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt one is an error, with the name that is meant; one that a library may read is not."""
    (elsewhere / "agent.py").write_text("import os\n\ndef ask():\n    return os.environ.get('SUPPORT_STREAMING')\n")
    declaration = '[tool.flag-harness.flags]\nstreaming = "SUPORT_STREAMING"\n'
    (elsewhere / "pyproject.toml").write_text(declaration)
    assert 1 == main(["matrix", "--check"])
    assert "did you mean SUPPORT_STREAMING (agent.py:4)?" in capsys.readouterr().out
    (elsewhere / "pyproject.toml").write_text(declaration.replace("SUPORT_STREAMING", "TELEMETRY"))
    assert 0 == main(["matrix", "--check"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert "streaming: no code of this project reads TELEMETRY: it is gone, misspelt, or read by a library." == last


def test_check_prints_one_line(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The flags and the number of combinations that their constraints leave."""
    (elsewhere / "pyproject.toml").write_text(FLAGS)
    assert 0 == main(["matrix", "--check"])
    expected = "pyproject.toml: valid: 3 flags (streaming, planner, model), 9 combinations\n"
    assert expected == capsys.readouterr().out


def test_check_names_a_value_that_no_combination_has(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would never be tested."""
    dead = FLAGS.replace('"STREAM"', '{ env = "STREAM", excludes = ["planner"] }')
    (elsewhere / "pyproject.toml").write_text(dead)
    assert 1 == main(["matrix", "--check"])
    assert (
        "pyproject.toml: no combination has planner=true: the constraints of the flags forbid it\n"
    ) == capsys.readouterr().out


def test_check_names_the_line_and_the_nearest_key(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 2."""
    (elsewhere / "pyproject.toml").write_text(FLAGS.replace("requires", "require"))
    assert 2 == main(["matrix", "--check"])
    assert capsys.readouterr().err.startswith(
        "pyproject.toml:3: [tool.flag-harness.flags] planner has no key 'require'; the nearest is 'requires' "
    )


def test_too_many_combinations_to_list_are_an_error(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says the number, also if constraints connect forty flags."""
    flags = "".join(f'f{index} = {{ env = "F{index}", requires = ["streaming"] }}\n' for index in range(40))
    (elsewhere / "pyproject.toml").write_text(f'[tool.flag-harness.flags]\nstreaming = "STREAM"\n{flags}')
    assert 2 == main(["matrix"])
    assert f"41 flags have {2**40 + 1:,} combinations, more than 64; choose" in capsys.readouterr().err
