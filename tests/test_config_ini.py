"""Settings in pytest's own file, for projects without a pyproject.toml."""

from pathlib import Path

import pytest

from flag_harness.config import Config, find_root, read_config
from flag_harness.errors import ConfigError
from flag_harness.flag import Flag

FILES = [("pytest.ini", "pytest"), (".pytest.ini", "pytest"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")]
LINES = """
    # where they are
    recordings = "tests/recordings"
    vcr_marks = true
    filters.patterns = ["[0-9]%s"]
    flags.streaming = "ENABLE_STREAMING"
"""


@pytest.mark.parametrize(("name", "section"), FILES)
def test_pytests_own_file_holds_the_settings(tmp_path: Path, name: str, section: str) -> None:
    """Each line is one of the table in pyproject.toml; tables are written with dots."""
    (tmp_path / name).write_text(f"[{section}]\naddopts = -q\nflag_harness ={LINES}\ntestpaths = tests\n")
    expected = Config(
        recordings="tests/recordings",
        vcr_marks="pytest-recording",
        filters={"patterns": ("[0-9]%s",)},
        flags=(Flag("streaming", "ENABLE_STREAMING"),),
    )
    assert expected == read_config(tmp_path / "pyproject.toml")


@pytest.mark.parametrize("text", ["", "[pytest]\naddopts = -q", "[other]\nflag_harness = x", "no section", "\xff"])
def test_a_file_without_settings_changes_nothing(tmp_path: Path, text: str) -> None:
    """Nor does one that pytest cannot read: it says so itself."""
    (tmp_path / "pytest.ini").write_text(text, encoding="latin-1")
    assert Config() == read_config(tmp_path / "pyproject.toml")


def test_the_first_file_that_has_them_counts(tmp_path: Path) -> None:
    """In pytest's own order."""
    (tmp_path / "setup.cfg").write_text('[tool:pytest]\nflag_harness = model = "two"\n')
    (tmp_path / "tox.ini").write_text('[pytest]\nflag_harness = model = "one"\n')
    assert "one" == read_config(tmp_path / "pyproject.toml").model


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            "vcr_marks: yes",
            "[pytest] flag_harness: each line must be one of [tool.flag-harness], such as recordings = "
            '"tests/recordings": ',
        ),
        ('recording = "x"', "[tool.flag-harness] has no key 'recording'; the nearest is 'recordings'"),
    ],
)
def test_a_mistake_is_named_with_its_file(tmp_path: Path, value: str, message: str) -> None:
    """And with the nearest key, or what a line must look like."""
    path = tmp_path / "tox.ini"
    path.write_text(f"[pytest]\nflag_harness = {value}\n")
    with pytest.raises(ConfigError) as raised:
        read_config(tmp_path / "pyproject.toml")
    assert str(raised.value).startswith(f"{path}: {message}")


def test_an_ini_file_that_python_cannot_parse_is_left_to_pytest(tmp_path: Path) -> None:
    """A key without a value that goes on in the next line stops Python's own parser."""
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths\n    tests\n")
    (tmp_path / "pyproject.toml").write_text('[tool.flag-harness]\nrecordings = "r"\n')
    assert "r" == read_config(tmp_path / "pyproject.toml").recordings
    assert tmp_path == find_root(tmp_path)


def test_settings_in_both_files_are_refused(tmp_path: Path) -> None:
    """Nobody could say which counts."""
    (tmp_path / "pyproject.toml").write_text("[tool.flag-harness]\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nflag_harness = vcr_marks = true\n")
    with pytest.raises(ConfigError) as raised:
        read_config(tmp_path / "pyproject.toml")
    assert (
        f"{tmp_path}/pytest.ini: flag_harness is set, and {tmp_path}/pyproject.toml has [tool.flag-harness]; keep one "
        "of them"
    ) == str(raised.value)


@pytest.mark.parametrize(("name", "section"), [FILES[0], FILES[3]])
def test_a_project_with_setup_py_alone_plays_its_marks(pytester: pytest.Pytester, name: str, section: str) -> None:
    """pytest knows the key, so that strict configurations accept it."""
    (pytester.path / name).write_text(f"[{section}]\naddopts = --strict-config\nflag_harness =\n    vcr_marks = true\n")
    pytester.makepyfile("def test_it(vcr_cassette_dir): assert vcr_cassette_dir.endswith('cassettes/' + __name__)")
    pytester.runpytest_subprocess("-p", "no:recording", "-p", "no:xdist").assert_outcomes(passed=1)
