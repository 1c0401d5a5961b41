"""`flag-harness cassette export`: what is written, and what is not."""

from pathlib import Path

import pytest

from flag_harness.cassette import Cassette, CassetteMetadata, Interaction
from flag_harness.cassette.importers import import_cassette
from flag_harness.cli.main import main
from flag_harness.wire.timeline import Cut, End, Head, Piece, Request


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _save(path: str, end: Piece) -> None:
    one = Interaction(Request("POST", "/v1/messages", (), b"{}"), (Head(0.0, 200, ()), end))
    Cassette(CassetteMetadata("live", ""), (one,)).save(path)


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["cassette", "export", *arguments, "--format", "vcrpy", "--to", "out"])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_directory_is_mirrored(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each cassette becomes a file that can be imported again."""
    _save("in/a/one.json", End(0.0))
    _save("in/two.json", End(0.0))
    assert (0, "2 of 2 cassettes exported to out\n", "") == _run(capsys, "in", "--base-url", "https://proxy.example")
    assert b"https://proxy.example/v1/messages" in Path("out/a/one.yaml").read_bytes()
    assert 1 == len(import_cassette(Path("out/two.yaml").read_bytes()).cassette.interactions)


def test_what_cannot_be_exported_is_named_and_the_rest_is(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and no file for the one that failed."""
    _save("in/broken.json", Cut(0.0, "reset"))
    _save("in/fine.json", End(0.0))
    why = "interaction 0: its connection broke, which vcrpy cannot represent; export a cassette without it"
    expected = (1, "1 of 2 cassettes exported to out\n", f"in/broken.json: {why}\n")
    assert expected == _run(capsys, "in")
    assert ["fine.yaml"] == [path.name for path in Path("out").iterdir()]


def test_nothing_is_written_over_unless_forced(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second export says what to type."""
    _save("x.json", End(0.0))
    assert 0 == _run(capsys, "x.json")[0]
    assert (2, "", "x.json: out/x.yaml exists; use --force to overwrite it\n") == _run(capsys, "x.json")
    assert 0 == _run(capsys, "x.json", "--force")[0]


def test_a_directory_without_cassettes_is_an_error(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As is a target that is no directory."""
    Path("empty").mkdir()
    assert (2, "", "empty: no cassette in it (none ends in .json)\n") == _run(capsys, "empty")
    _save("x.json", End(0.0))
    Path("out").write_text("")
    assert (2, "", "out/x.yaml: File exists\n") == _run(capsys, "x.json")


def test_two_cassettes_of_one_target_are_not_mixed_up(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even by force: the second is named."""
    _save("a/x.json", End(0.0))
    _save("b/x.json", End(0.0))
    code, out, err = _run(capsys, "a/x.json", "b/x.json", "--force")
    assert (1, "1 of 2 cassettes exported to out\n") == (code, out)
    assert "b/x.json: out/x.yaml would be written from a/x.json too; write one of them elsewhere\n" == err


def test_nothing_is_written_where_an_argument_is_wrong(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty directory is found before the first file is written."""
    _save("x.json", End(0.0))
    Path("empty").mkdir()
    assert (2, "", "empty: no cassette in it (none ends in .json)\n") == _run(capsys, "x.json", "empty")
    assert not Path("out").exists()
