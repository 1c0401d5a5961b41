"""The `flag-harness` command itself: exit codes, and an ending that nobody waits for."""

import subprocess
import sys

import pytest

from flag_harness.cli import main


def test_a_mistake_is_one_line_and_exit_code_two(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback."""
    monkeypatch.setenv("MAX_TOKENS", "abc")
    assert 2 == main(["matrix"])
    message = "MAX_TOKENS='abc' is not a whole number; set it to one, or unset it for 16384\n"
    assert ("", message) == tuple(capsys.readouterr())


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    """`flag-harness matrix | head -0` ends quietly, where each line is written at once."""
    command = [sys.executable, "-u", "-c", "from flag_harness.cli import main; raise SystemExit(main(['matrix']))"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
    assert (0, b"") == (process.returncode, said)


@pytest.mark.parametrize(
    ("arguments", "command"),
    [([], "matrix"), (["report"], "metrics"), (["cassette"], "show")],
    ids=["flag-harness", "report", "cassette"],
)
def test_without_a_command_the_commands_are_shown(
    capsys: pytest.CaptureFixture[str], arguments: list[str], command: str
) -> None:
    """On standard error, with the exit code of wrong usage."""
    assert 2 == main(arguments)
    output = capsys.readouterr()
    assert "" == output.out
    assert [command] == [line.split()[0] for line in output.err.splitlines() if line.startswith(f"    {command} ")]


MISSPELT = pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["dmo"], "did you mean 'demo'?"),
        (["cassette", "chek"], "did you mean 'check'?"),
        (["matrix", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["xyzzy"], "'completion')"),
    ],
)


def test_an_unknown_option_prints_the_usage_of_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Not that of the whole program."""
    with pytest.raises(SystemExit):
        main(["cassette", "check", "--nonsense"])
    assert capsys.readouterr().err.startswith("usage: flag-harness cassette check ")


@MISSPELT
def test_a_misspelt_command_gets_the_nearest_one(
    capsys: pytest.CaptureFixture[str], arguments: list[str], hint: str
) -> None:
    """If one is similar."""
    with pytest.raises(SystemExit) as exited:
        main(arguments)
    assert 2 == exited.value.code
    assert capsys.readouterr().err.rstrip().endswith(hint)
