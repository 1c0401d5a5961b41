"""The `flag-harness` command itself: exit codes, and an ending that nobody waits for."""

import errno
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from importlib import import_module

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


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (
            OSError(errno.ENOSPC, "No space left", "out/a\x1b.json"),
            "out/a\\x1b.json: No space left; make room on the disk",
        ),
        (PermissionError(errno.EACCES, "Permission denied", b"x"), "x: Permission denied; give yourself access to it"),
        (IsADirectoryError(errno.EISDIR, "Is a directory", "x"), "x: Is a directory; name another file or folder\n"),
        (OSError("odd"), "odd; name another file or folder\n"),
    ],
)
def test_what_the_system_refuses_is_one_line_that_names_the_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: OSError, message: str
) -> None:
    """Whichever command meets it, and nothing in the name of the file reaches a terminal raw."""

    def run(arguments: Namespace) -> int:
        raise error

    parser = ArgumentParser()
    parser.set_defaults(run=run)
    monkeypatch.setattr(import_module("flag_harness.cli.main"), "make_parser", lambda: parser)
    assert 2 == main([])
    out, err = capsys.readouterr()
    assert ("", 1) == (out, err.count("\n"))
    assert err.startswith(message)


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
