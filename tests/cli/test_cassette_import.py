"""`flag-harness cassette import`: exit codes, messages, what is written, and what hostile files can do."""

import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from flag_harness.cassette import Cassette
from flag_harness.cli.cassette import import_ as cassette_import
from flag_harness.cli.main import main

HEADERS = {"Content-Type": ["application/json"], "Date": ["Mon, 02 Mar 2026 10:00:00 GMT"]}
RESPONSE = {"status": {"code": 200}, "headers": HEADERS, "body": {"string": "{}"}}
ROW = {
    "request": {
        "method": "POST",
        "uri": "https://api.anthropic.com/v1/messages",
        "headers": {"content-type": ["application/json"]},
        "body": '{"model":"claude-haiku-4-5"}',
    },
    "response": RESPONSE,
}
OTHER = {**ROW, "request": {**ROW["request"], "uri": "https://x.example/other"}}
MULTIPART = {**ROW, "request": {**ROW["request"], "headers": {"Content-Type": "multipart/form-data; boundary=x"}}}
AGED = {
    **ROW,
    "request": {
        **ROW["request"],
        "headers": {"anthropic-beta": "prompt-caching-2024-07-31,x"},
        "body": '{"model":"claude-gone-1"}',
    },
    "response": {**RESPONSE, "headers": {}, "body": {"string": "event: message_start\ndata: {}\n\n"}},
}


def _write(path: Path, *rows: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump({"version": 1, "interactions": list(rows)}))
    return path


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(["cassette", "import", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_directory_is_mirrored(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Paths below the target are those below the source; other files are not looked at."""
    _write(room / "old" / "a" / "one.yaml", ROW)
    _write(room / "old" / "two.yml", ROW, OTHER)
    (room / "old" / "notes.txt").write_text("x")
    code, out, err = _run(capsys, "old", "--to", "new")
    assert (0, "") == (code, err)
    assert [
        "old/two.yml: left out POST https://x.example/other",
        "2 of 2 files imported to new: 2 interactions, 1 to other services left out",
        "     2 timing-invented",
        "     2 response-headers-dropped",
        "     1 interactions-left-out",
    ] == out.splitlines()
    assert {"a/one.json", "two.json"} == {str(path.relative_to("new")) for path in Path("new").rglob("*.json")}
    assert "imported" == Cassette.load("new/two.json").metadata.upstream


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_imported(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1: some were not read."""
    _write(room / "old" / "good.yaml", ROW)
    (room / "old" / "bad.yaml").write_text("a: [")
    code, out, err = _run(capsys, "old", "--to", "new")
    assert 1 == code
    assert "old/bad.yaml: not YAML: did not find expected node content in line 2\n" == err
    assert out.startswith("1 of 2 files imported to new: 1 interactions\n")
    assert ["new/good.json"] == [str(path) for path in Path("new").iterdir()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x.yaml"], "import: give a folder with --to DIR, or --check to write nothing"),
        (["x.yaml", "--to", "new"], "x.yaml: No such file or directory"),
        (["empty", "--to", "new"], "empty: no file in it ends in .yaml, .yml, .json"),
        (["pipe", "--to", "new"], "pipe: is not a regular file"),
        (
            ["good.yaml", "--to", "new", "--match-on", "host"],
            "--match-on: match_on names no part that a cassette keeps: add method or path",
        ),
        (["key.yaml", "--to", "good.yaml"], "key.yaml: good.yaml/key.json cannot be written: File exists"),
        (["huge.yaml", "--to", "new"], "huge.yaml: has 67,108,865 bytes, and at most 67,108,864 are read"),
        (["a\x07\n.yaml", "--to", "new"], "a\\x07 .yaml: neither vcrpy nor go-vcr: it has no list of interactions"),
    ],
)
def test_wrong_usage_ends_in_one_line(
    arguments: list[str], message: str, room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line on stderr, and nothing is written."""
    _write(room / "good.yaml", ROW)
    _write(room / "key.yaml", ROW)
    (room / "empty").mkdir()
    os.mkfifo(room / "pipe")
    (room / "a\x07\n.yaml").write_text("a: b")
    with (room / "huge.yaml").open("wb") as file:
        file.truncate((64 << 20) + 1)
    assert (2, "", f"{message}\n") == _run(capsys, *arguments)
    assert not Path("new").exists()


def test_an_error_that_nobody_thought_of_is_one_line_too(
    room: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It names the file, and the others are imported."""
    real = cassette_import.import_cassette

    def broken(data: bytes, **options: Any) -> Any:
        if data == b"odd":
            raise ZeroDivisionError("a\nb")
        return real(data, **options)

    monkeypatch.setattr(cassette_import, "import_cassette", broken)
    _write(room / "old" / "good.yaml", ROW)
    (room / "old" / "odd.yaml").write_text("odd")
    code, out, err = _run(capsys, "old", "--to", "new")
    why = "cannot be read, for a reason that nobody thought of; please report it with the file (ZeroDivisionError: a b)"
    assert (1, f"old/odd.yaml: {why}\n") == (code, err)
    assert out.startswith("1 of 2 files imported to new: 1 interactions\n")


def test_a_cassette_that_exists_is_not_written_over(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless --force says so."""
    _write(room / "x.yaml", ROW)
    Path("new").mkdir()
    Path("new/x.json").write_text("mine")
    assert (2, "", "x.yaml: new/x.json exists; use --force to overwrite it\n") == _run(capsys, "x.yaml", "--to", "new")
    assert "mine" == Path("new/x.json").read_text()
    assert 0 == _run(capsys, "x.yaml", "--to", "new", "--force")[0]
    assert 1 == len(Cassette.load("new/x.json").interactions)


def test_two_sources_of_one_target_are_not_mixed_up(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The second is named, whichever order a directory is read in."""
    _write(room / "x.yaml", ROW)
    _write(room / "x.yml", ROW)
    code, _, err = _run(capsys, "x.yaml", "x.yml", "--to", "new")
    assert (1, "x.yml: new/x.json would be written from x.yaml too; write one of them elsewhere\n") == (code, err)


def test_a_check_reports_and_writes_nothing(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which would match strictly, which are stale, and why."""
    _write(room / "aged.yaml", AGED)
    _write(room / "fresh.yaml", ROW)
    _write(room / "loose.yaml", MULTIPART, {**ROW, "request": {**ROW["request"], "body": "no JSON", "headers": {}}})
    code, out, err = _run(capsys, ".", "--check")
    assert (0, "") == (code, err)
    assert [
        "aged.yaml: vcrpy, 1 interaction; strict; stale: model claude-gone-1 is not in the table of models, beta "
        "prompt-caching-2024-07-31 is legacy, a stream ends before message_stop",
        "fresh.yaml: vcrpy, 1 interaction; strict",
        "loose.yaml: vcrpy, 2 interactions; not strict: headers of requests were not kept, so betas are not known, "
        "a multipart body has another boundary each time, a request's body is not JSON",
        "3 of 3 files read: 4 interactions",
    ] == out.splitlines()[:4]
    assert "2 would match strictly, 1 are stale" == out.splitlines()[-1]
    assert not list(room.rglob("*.json"))


def test_scripts_read_json(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same, with the errors among the files."""
    _write(room / "in" / "a.yaml", ROW)
    (room / "in" / "b.yaml").write_text("")
    code, out, err = _run(capsys, "in", "--check", "--json", "--match-on", "method, uri")
    good = {
        "source": "in/a.yaml",
        "target": None,
        "format": "vcrpy",
        "interactions": 1,
        "left_out": [],
        "fidelity": ["timing-invented", "response-headers-dropped"],
        "strict": True,
        "loose_because": [],
        "stale": [],
    }
    assert (1, "") == (code, err)
    assert {"files": [good, {"source": "in/b.yaml", "error": "in/b.yaml: empty"}]} == json.loads(out)
    out = _run(capsys, "in/a.yaml", "--to", "new", "--json", "--match-on", "method, uri")[1]
    assert "new/a.json" == json.loads(out)["files"][0]["target"]
    assert ("method", "uri") == Cassette.load("new/a.json").metadata.match_on


SEEDS = (
    yaml.safe_dump({"version": 1, "interactions": [ROW, MULTIPART]}).encode(),
    json.dumps({"version": 1, "interactions": [ROW]}).encode(),
    b"interactions:\n- request: {method: POST, url: https://a/v1/x, headers: {}, body: ''}\n"
    b"  response: {code: 200, status: 200 OK, headers: {}, body: '{}'}\n",
    yaml.safe_dump({"interactions": [{**ROW, "response": {**RESPONSE, "body": {"string": b"\x1f\x8b\x08"}}}]}).encode(),
)


def _hostile(marker: Path) -> tuple[bytes, ...]:
    """Pieces that a file made to harm would hold."""
    touch = f"touch {marker}"
    return (
        f"!!python/object/apply:os.system ['{touch}']".encode(),
        f"!!python/object/apply:subprocess.check_output {{args: [[touch, {marker}]]}}".encode(),
        f"!!python/object/new:os.system ['{touch}']".encode(),
        f"!!python/object/apply:eval [\"__import__('os').system('{touch}')\"]".encode(),
        b"!!python/name:os.system ''",
        b"!!python/module:os ''",
        b"&a [*a, *a]",
        b"[[[[[[[[" * 40,
        b"{? {? {? ",
        b"!!binary '\xff'",
        b"!!int 1" + b"0" * 5000,
        b"!!float .nan",
        b"<<: *x",
        b"\x00",
        b"\xff\xfe",
        b"\\ud800",
        b"../../../../etc/passwd",
        b"%YAML 9.9\n---\n",
        b"\x1b[2J\x07",
        b"Fri, 31 Dec 9999 23:59:59 -1400",
        b"Mon, 01 Jan 0001 00:00:00 +2359",
        b"[" * 500 + b"]" * 500,
    )


def _mutated(random_: random.Random, pieces: tuple[bytes, ...]) -> bytes:
    """A seed that was cut, had bytes changed, or pieces put in or in place of others."""
    data = bytearray(random_.choice(SEEDS))
    for _ in range(random_.randint(1, 4)):
        start = random_.randrange(len(data) + 1)
        stop = min(len(data), start + random_.randint(0, 40))
        match random_.randrange(5):
            case 0:
                data[start:stop] = b""
            case 1:
                data[start:start] = random_.choice(pieces)
            case 2:
                data[start:stop] = random_.choice(pieces)
            case 3:
                data[start:stop] = random_.randbytes(stop - start)
            case 4:
                data = data[:start]
    return bytes(data)


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


def test_hostile_files_end_in_one_line_each(
    room: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, deep: bool
) -> None:
    """Nothing is executed, and nothing is written but a whole cassette where the file can still be read."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # thousands of them take longer than all the rest
    marker, source, target = room / "executed", room / "x.yaml", room / "new" / "x.json"
    random_, pieces = random.Random(20261122), _hostile(marker)
    refused = 0
    files = 8_000 if deep else 80
    for _ in range(files):
        source.write_bytes(_mutated(random_, pieces))
        code, out, err = _run(capsys, "x.yaml", "--to", "new")
        assert not marker.exists()
        if code == 0:
            assert "" == err
            Cassette.load(target)
            target.unlink()
            continue
        refused += 1
        assert (2, "", 1) == (code, out, err.count("\n"))
        assert err.startswith("x.yaml: ")
        assert cassette_import._UNEXPECTED_ERROR_TEXT not in err
        assert err.removesuffix("\n").isprintable()
        assert ["x.yaml"] == [name for name, _ in _files(room)]
    assert files / 2 < refused < files


def test_files_that_would_take_forever_end_at_once(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Deep nesting, which kills PyYAML's own loader; aliases of aliases; a bomb of gzip members."""
    bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
    bomb += "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 30))
    for text in ("[" * 1_000_000, "- " * 1_000_000, "{a: " * 1_000_000, bomb, "? " * 1_000_000):
        (room / "x.yaml").write_text(text)
        code, out, err = _run(capsys, "x.yaml", "--to", "new")
        assert (2, "", 1) == (code, out, err.count("\n"))


def test_nothing_is_written_where_an_argument_is_wrong(room: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty directory is found before the first file is read."""
    _write(room / "x.yaml", ROW)
    (room / "empty").mkdir()
    expected = (2, "", "empty: no file in it ends in .yaml, .yml, .json\n")
    assert expected == _run(capsys, "x.yaml", "empty", "--to", "new")
    assert not Path("new").exists()


KEYS = {**ROW, "request": {**ROW["request"], "body": '{"a":"sk-ant-api03-Zm9vYmFyMTIzNDU2Nzg5","b":"customer-7"}'}}


def test_a_check_finds_the_key_for_which_the_file_would_be_refused(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is checked is what would be written: filters of the project are applied."""
    why = "interaction 0, request a: an Anthropic key (sk-ant…)"
    mend = "name it in [tool.flag-harness.filters] to import the rest"
    _write(room / "one.yaml", KEYS)
    assert (2, "", f"one.yaml: {why}; {mend}\n") == _run(capsys, "one.yaml", "--check")
    _write(room / "two.yaml", KEYS, KEYS)
    assert (2, "", f"two.yaml: {why} and 1 more; {mend}\n") == _run(capsys, "two.yaml", "--check")
    patterns = "patterns = ['sk-ant-[a-zA-Z0-9-]+', 'customer-[0-9]+']"
    (room / "pyproject.toml").write_text(f"[tool.flag-harness.filters]\n{patterns}\n")
    assert 0 == _run(capsys, "one.yaml", "--check")[0]
    assert 0 == _run(capsys, "one.yaml", "--to", "new")[0]
    assert {"a": "REDACTED", "b": "REDACTED"} == Cassette.load("new/one.json").interactions[0].decoded_body


def test_cassettes_of_pytest_recording_go_where_their_tests_look(
    room: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named as a file or by any directory above; others mirror their source, as does what lies elsewhere."""
    for name in ("test_x/TestK.test_c[claude-3.5].yaml", "test_y/test_a.yaml"):
        _write(room / "tests" / "unit" / "cassettes" / name, ROW)
    (room / "tests" / "unit" / "test_x.py").touch()
    found = {"tests/unit/test_x/TestK.test_c[claude-3.5].json"}

    def imported(*sources: str) -> set[str]:
        assert 0 == _run(capsys, *sources, "--to", "new", "--force")[0]
        files = {path.relative_to("new").as_posix() for path in Path("new").rglob("*.json")}
        shutil.rmtree("new")
        return files

    assert {*found, "test_y/test_a.json"} == imported("tests/unit/cassettes")
    assert {*found, "unit/cassettes/test_y/test_a.json"} == imported("tests")
    assert found == imported("tests/unit/cassettes/test_x/TestK.test_c[claude-3.5].yaml")
    (room / "elsewhere").mkdir()
    os.chdir("elsewhere")
    assert {"test_x/TestK.test_c[claude-3.5].json", "test_y/test_a.json"} == imported("../tests/unit/cassettes")
