"""`flag-harness demo`: the table, the pair that broke it, and a project that works on."""

import html
import io
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flag_harness.cli import main
from flag_harness.cli.demo import (
    BUGGY_LINE,
    FIXED_LINE,
    PROJECT_FILES,
    RECORD_FILE,
    _api_error_message,
    _console_command,
    _outcome_grid_lines,
)
from flag_harness.config import read_config
from flag_harness.record import RunRow, load_record

ROOT = Path(__file__).parents[2]
HOSTILE = {
    "PYTEST_ADDOPTS": "--no-such-option",
    "PYTEST_PLUGINS": "no_such_plugin",
    "PYTEST_XDIST_WORKER": "gw0",
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
    "MEMORY": "true",
}
"""What a run of pytest around the demo, or a shell, may have set."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, warm_run: Callable[..., Any]) -> tuple[Path, str]:
    """Return the project that the demo has left behind, and what it printed: in a hostile place, without a key."""
    place, project = tmp_path_factory.mktemp("place"), tmp_path_factory.mktemp("kept") / "new" / "my project"
    (place / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (place / "anthropic.py").write_text("raise SystemExit('the wrong module')\n")
    place.chmod(0o555)
    output = place.parent / "output.txt"
    with pytest.MonkeyPatch.context() as patch, output.open("w", encoding="utf-8") as stdout:
        patch.chdir(place)
        patch.delenv("ANTHROPIC_API_KEY", raising=False)
        for name, value in HOSTILE.items():
            patch.setenv(name, value)
        patch.setattr(sys, "stdout", stdout)
        patch.setattr(subprocess, "run", warm_run)
        assert 0 == main(["demo", "--keep", str(project)])
    place.chmod(0o755)
    assert ["anthropic.py", "pytest.ini"] == sorted(path.name for path in place.iterdir())
    return project, output.read_text(encoding="utf-8")


def test_the_table_has_one_red_column(demo: tuple[Path, str]) -> None:
    """All sixteen combinations are shown, and those of the pair fail."""
    head, *rows = [line.split() for line in demo[1].splitlines()[2:7]]
    assert ["off", "prompt_cache", "memory", "prompt_cache+memory"] == head
    assert ["off", "streaming", "tools", "streaming+tools"] == [row[0] for row in rows]
    assert [["passed", "passed", "passed", "failed"]] * 4 == [row[1:] for row in rows]


def test_the_pair_is_named_with_what_the_api_says(demo: tuple[Path, str]) -> None:
    """In the words of the API."""
    assert "fails when prompt_cache and memory\n" in demo[1]
    assert "400: A maximum of 4 blocks with cache_control may be provided. Found 5.\n" in demo[1]


def test_each_flag_has_an_effect(demo: tuple[Path, str]) -> None:
    """One line a flag."""
    section = demo[1].partition("What each flag changes")[2].partition("\n\n")[0].splitlines()[1:]
    assert ["streaming", "tools", "prompt_cache", "memory"] == [line.split()[0] for line in section]
    assert "stream: nothing → True" in section[0]


def test_output_in_a_file_has_no_colours_and_is_short(demo: tuple[Path, str]) -> None:
    """It fits on a screen."""
    assert "\033" not in demo[1]
    assert 30 >= len(demo[1].splitlines())


def test_the_record_of_the_run_stays(demo: tuple[Path, str]) -> None:
    """The last step reads it."""
    assert 16 == len(load_record(demo[0] / RECORD_FILE).rows)
    assert f"report metrics {RECORD_FILE}`" in demo[1].splitlines()[-2]
    assert f"report build {RECORD_FILE} -o report.html`" in demo[1].splitlines()[-1]


def test_the_smallest_failing_run_fails_as_the_demo_says(
    demo: tuple[Path, str], pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the folder that stays behind, with whatever plugins are installed."""
    command = re.search(r"pytest '(test_agent.py::.+)'\n", demo[1])
    assert command
    assert f"  cd '{demo[0]}'\n" in demo[1]
    monkeypatch.chdir(demo[0])
    pytester.runpytest_subprocess("-p", "no:cacheprovider", command[1]).assert_outcomes(failed=1)


def test_the_fix_that_the_demo_names_makes_all_combinations_pass(
    demo: tuple[Path, str], pytester: pytest.Pytester
) -> None:
    """In the line that it names."""
    number = re.search(r"line (\d+), write `(.+?)`", demo[1])
    assert number
    for name in PROJECT_FILES:
        target = pytester.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((demo[0] / name).read_bytes())
    lines = (demo[0] / "agent.py").read_text().splitlines()
    assert [BUGGY_LINE, FIXED_LINE] == [lines[int(number[1]) - 1].strip(), number[2]]
    lines[int(number[1]) - 1] = f"        {FIXED_LINE}"
    (pytester.path / "agent.py").write_text("\n".join(lines))
    run = pytester.runpytest_subprocess()
    run.assert_outcomes(passed=16)
    run.stdout.no_fnmatch_line("*which flags broke it*")


def test_the_picture_in_the_readme_shows_this_output(demo: tuple[Path, str]) -> None:
    """All of it up to the commands, which name a folder; `python docs/pictures.py demo.svg` draws it again."""
    picture = (ROOT / "docs" / "demo.svg").read_text(encoding="utf-8")
    drawn = html.unescape("".join(re.findall(r"<text[^>]*>(.*?)</text>", picture)))
    expected = demo[1].partition("The smallest failing run")[0]
    assert "".join(expected.split()) in "".join(drawn.split())
    assert "](docs/demo.svg)" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_a_folder_that_is_not_empty_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing in it is touched."""
    (tmp_path / "agent.py").write_text("mine")
    assert 2 == main(["demo", "--keep", str(tmp_path)])
    message = f"{tmp_path} is not empty; name a folder that is: flag-harness demo --keep {tmp_path}-demo\n"
    assert ("", message) == tuple(capsys.readouterr())
    assert "mine" == (tmp_path / "agent.py").read_text()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says which, and what to type."""
    (tmp_path / "file").write_text("")
    assert 2 == main(["demo", "--keep", str(tmp_path / "file" / "demo")])
    (line,) = capsys.readouterr().err.splitlines()
    assert f"'{tmp_path}/file/demo'" in line
    assert line.endswith("name another folder: flag-harness demo --keep DIR")


def test_without_a_temporary_folder_the_demo_says_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`tempfile` finds none that can be written."""

    def fail(prefix: str) -> str:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.mkdtemp", fail)
    assert 2 == main(["demo"])
    (line,) = capsys.readouterr().err.splitlines()
    assert "No usable temporary directory found" in line
    assert "--keep DIR" in line


def test_without_the_sdk_the_demo_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """In one line, before anything is written."""
    monkeypatch.setattr("flag_harness.cli.demo.find_spec", lambda name: None)
    assert 2 == main(["demo", "--keep", str(tmp_path / "new")])
    message = "the agent of the demo needs the SDK, which is not installed: pip install anthropic\n"
    assert ("", message) == tuple(capsys.readouterr())
    assert [] == [*tmp_path.iterdir()]


def test_a_run_that_ends_otherwise_is_an_error_with_the_output_of_pytest(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Such as a plugin that cannot be loaded."""
    monkeypatch.setattr(sys, "executable", "/bin/echo")
    assert 2 == main(["demo", "--keep", str(tmp_path / "new")])
    error = [line for line in capsys.readouterr().err.splitlines() if "so far" not in line]
    assert error[0].startswith("-m pytest -pno:")
    assert "should end with exit code 1, and ended with 0" in error[-1]
    assert f"cd {tmp_path}/new && /bin/echo -m pytest" in error[-1]


def test_a_demo_that_takes_long_says_what_it_is_doing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And again later; what the demo finds is printed after that as ever."""
    shown = io.StringIO()

    def run_slowly(*command: Any, **options: Any) -> "subprocess.CompletedProcess[str]":
        while shown.getvalue().count("running the test 16 times: ") < 2:
            time.sleep(0.001)
        return subprocess.CompletedProcess([], 0, "no tests ran", "")

    monkeypatch.setattr("flag_harness.cli.terminal.SECONDS_OF_SILENCE", 0.001)
    monkeypatch.setattr(subprocess, "run", run_slowly)
    monkeypatch.setattr(sys, "stderr", shown)
    assert 2 == main(["demo", "--keep", str(tmp_path / "new")])
    assert shown.getvalue().startswith("  running the test 16 times: 0 s so far ...\n")
    assert "no tests ran" in shown.getvalue()


def test_commands_are_named_as_the_shell_finds_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By their names if they are those of this environment, else through its Python, as under `uvx`."""
    for folder in ("this", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "pytest").write_text("#!/bin/sh\n")
        (tmp_path / folder / "pytest").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "this" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path / "this"))
    assert "pytest" == _console_command("pytest")
    monkeypatch.setenv("PATH", str(tmp_path / "other"))
    assert f"{tmp_path}/this/python -m pytest" == _console_command("pytest")
    assert f"{tmp_path}/this/python -m flag_harness.cli" == _console_command("flag-harness")


def test_another_error_is_shown_whole() -> None:
    """If the SDK words its errors in another way."""
    assert "KeyError: 'x'" == _api_error_message(
        RunRow(case="c", combination="off", outcome="failed", reason="KeyError: 'x'")
    )


def test_a_terminal_has_colours_unless_they_are_declined(
    demo: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Failed cells are red, passed ones green."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    flags, rows = read_config(demo[0] / "pyproject.toml").flags, load_record(demo[0] / RECORD_FILE).rows
    coloured = "\n".join(_outcome_grid_lines(flags, rows))
    assert [4, 12] == [coloured.count("\033[31mfailed\033[0m"), coloured.count("\033[32mpassed\033[0m")]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in "\n".join(_outcome_grid_lines(flags, rows))
