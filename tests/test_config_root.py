"""The root directory of a project, which commands find as pytest does."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from flag_harness.cli import main
from flag_harness.config import find_root

FLAGS = '[tool.flag-harness.flags]\nplanner = "PLANNER"\n'
TREES: Mapping[str, Mapping[str, str]] = {
    "a pyproject.toml of any kind": {"pyproject.toml": FLAGS},
    "the nearest pyproject.toml": {"pyproject.toml": FLAGS, "app/pyproject.toml": ""},
    "settings of pytest before a nearer pyproject.toml": {
        "pyproject.toml": "[tool.pytest.ini_options]\n",
        "app/pyproject.toml": FLAGS,
    },
    "an empty pytest.ini": {"pyproject.toml": FLAGS, "app/pytest.ini": ""},
    "sections of other files": {
        "tox.ini": "[pytest]\n",
        "app/setup.cfg": "[metadata]\n",
        "app/tests/tox.ini": "[tox]\n",
    },
    "setup.cfg": {"setup.cfg": "[tool:pytest]\n", "app/pyproject.toml": "[tool]\nother = 1\n"},
    "setup.py": {"setup.py": ""},
}


@pytest.mark.parametrize("files", [pytest.param(files, id=name) for name, files in TREES.items()])
def test_the_root_is_the_one_that_pytest_takes(pytester: pytest.Pytester, files: Mapping[str, str]) -> None:
    """Whatever marks it, from a directory two levels below."""
    tests = pytester.mkdir("app") / "tests"
    tests.mkdir()
    for name, text in files.items():
        (pytester.path / name).write_text(text)
    assert find_root(tests) == pytester.parseconfig(str(tests)).rootpath


def test_a_directory_that_is_its_own_root_stays_as_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So messages name short paths. Without any file of a project, the root is that directory too."""
    monkeypatch.chdir(tmp_path)
    assert Path() == find_root()
    (tmp_path / "pyproject.toml").write_text(FLAGS)
    assert Path() == find_root()


@pytest.mark.parametrize("broken", ["pyproject.toml", "tox.ini", "setup.cfg"])
def test_a_file_that_cannot_be_read_has_no_settings_of_pytest(tmp_path: Path, broken: str) -> None:
    """Pytest itself reports it."""
    (tmp_path / "pytest.ini").write_text("")
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / broken).write_bytes(b"\xff [")
    assert tmp_path == find_root(tmp_path / "app")


def test_commands_read_the_settings_of_the_project_in_a_directory_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They name the file that they have read, and `init` says where the project is."""
    (tmp_path / "pyproject.toml").write_text(FLAGS)
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "broken.json").write_text("{")
    (tmp_path / "app").mkdir()
    monkeypatch.chdir(tmp_path / "app")
    assert 0 == main(["matrix", "--check"])
    assert f"{tmp_path / 'pyproject.toml'}: valid: 1 flag (planner), 2 combinations\n" == capsys.readouterr().out
    for command in (["cassette", "check"], ["cassette", "effects"], ["cassette", "stat"]):
        assert 0 != main(command)
        assert str(tmp_path / "recordings" / "broken.json") in "".join(capsys.readouterr())
    assert 2 == main(["report", "metrics"])
    assert str(tmp_path / ".pytest_cache") in capsys.readouterr().err
    assert 2 == main(["cassette", "rebase"])
    assert str(tmp_path / ".pytest_cache") in capsys.readouterr().err
    assert 0 == main(["init"])
    assert capsys.readouterr().out.startswith(f"The project is {tmp_path}, where pytest looks for its settings")


def test_a_project_whose_settings_are_in_pytest_ini_is_configured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`matrix` names that file, and `init` writes no second table, which would be an error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pytest.ini").write_text('[pytest]\nflag_harness =\n    flags.planner = "PLANNER"\n')
    assert 0 == main(["matrix", "--check"])
    assert capsys.readouterr().out.startswith("pytest.ini: valid: 1 flag (planner)")
    assert 0 == main(["init"])
    assert "pytest.ini has settings of the harness already, so nothing was written." in capsys.readouterr().out
    assert not (tmp_path / "pyproject.toml").exists()


def test_the_flags_of_the_reference_agent_are_labelled_if_no_flag_is_declared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Or a reader takes them for flags that were found in the project."""
    monkeypatch.chdir(tmp_path)
    assert 0 == main(["matrix"])
    assert "pyproject.toml declares no flags: these are those of the reference agent\n" == capsys.readouterr().err
