"""The `flag-harness` command itself: exit codes, and an ending that nobody waits for."""

import errno
import io
import json
import os
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from importlib import import_module
from pathlib import Path

import pytest

from flag_harness.cli import main
from flag_harness.cli.terminal import print_json


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


@pytest.mark.parametrize("environment", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}])
def test_a_terminal_without_a_character_gets_its_escape(environment: dict[str, str], tmp_path: Path) -> None:
    """The command prints everything else as usual, and JSON can still be read."""
    code = "import sys; from flag_harness.cli import main; code = main(sys.argv[1:]); "
    code += r"print('\u2192 \U0001f600'); raise SystemExit(code)"
    environment = {**os.environ, "PYTHONCOERCECLOCALE": "0", **environment}
    done = subprocess.run(
        [sys.executable, "-c", code, "matrix"], env=environment, cwd=tmp_path, capture_output=True, check=False
    )
    assert (0, rb"\u2192 \U0001f600") == (done.returncode, done.stdout.splitlines()[-1])


def test_json_on_a_terminal_without_a_character_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has the escapes of JSON, not those of Python; an output in UTF-8 has the characters themselves."""
    for encoding, expected in (("ascii", rb"\ud83d\ude00"), ("utf-8", "\N{GRINNING FACE}".encode())):
        raw = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding, write_through=True))
        print_json({"text": "\N{GRINNING FACE}"})
        assert expected in raw.getvalue()
        assert {"text": "\N{GRINNING FACE}"} == json.loads(raw.getvalue())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a device that is always full")
def test_an_output_that_cannot_be_written_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code tells of it, and nothing is left that fails once more when Python exits."""
    parser = ArgumentParser()
    parser.set_defaults(run=lambda arguments: print("text") or 0)
    monkeypatch.setattr(import_module("flag_harness.cli.main"), "make_parser", lambda: parser)
    with open("/dev/full", "w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        assert 2 == main([])
    said = "the output: No space left on device; make room on the disk, then run the command again\n"
    assert said == capsys.readouterr().err
