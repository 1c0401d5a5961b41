"""Cassettes that are broken, or made to harm, in every command that reads one: one line each, or a proper reading."""

import contextlib
import copy
import json
import random
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from flag_harness.cli import main
from flag_harness.cli.serve import command as serve
from flag_harness.errors import CassetteMiss
from flag_harness.faults import Fault
from flag_harness.wire.timeline import Request, Upstream

BLOB_FOLDER = Path(__file__).parents[2] / "recordings" / "matrix"
SEEDS = [json.loads((BLOB_FOLDER / name).read_bytes()) for name in ("off.json", "streaming.json")]
GOOD = str(BLOB_FOLDER / "off.json")
_DEEP = "[" * 600 + "]" * 600
_DEEP_TOO = json.loads("[" * 300 + "]" * 300)
_ODD: list[Any] = [
    *(None, True, -1, 0, 1.5, 1e308, 10**30, "", "x", "é\n", [], {}, [1], [None], {"a": 1}, {"type": ["x"]}),
    *([{"type": {}}], "9999-12-31T23:59:59-14:00", [["a", "b"]], [["content-type", "text/event-stream"]], 10**14),
    *(_DEEP, _DEEP_TOO, '{"messages":' + _DEEP + "}", "\x1b[31m", "../../../etc/passwd", "\ud7ff\U0010ffff"),
    *({"$blob": "0" * 64}, {"base64": "!"}, [0.0, "data: " + _DEEP + "\n\n"], "event: error\ndata: {}\n\n"),
]
ODD = [json.dumps(value) for value in _ODD]
COMMANDS: tuple[tuple[str, ...], ...] = (
    ("cassette", "show", "FILE"),
    ("cassette", "show", "--json", "FILE"),
    ("cassette", "stat", "FILE"),
    ("cassette", "check", "FILE"),
    ("cassette", "diff", GOOD, "FILE"),
    ("cassette", "effects", GOOD, "FILE"),
    ("cassette", "import", "FILE", "--to", "out"),
    ("cassette", "export", "FILE", "--format", "vcrpy", "--to", "out"),
    ("scenario", "from", "FILE"),
    ("serve", "replay", "FILE"),
)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield (*path, key)
        yield from _places(member, (*path, key))


def _mutated(random_: random.Random) -> bytes:
    """A cassette in which members were taken out, or replaced; or the bytes of one that were cut or changed."""
    document = copy.deepcopy(random_.choice(SEEDS))
    for _ in range(random_.choice((1, 1, 1, 2, 3))):
        *path, key = random_.choice(list(_places(document)))
        target = document
        for step in path:
            target = target[step]
        if random_.random() < 0.2:
            del target[key]
        else:
            target[key] = json.loads(random_.choice(ODD))
    data = json.dumps(document).encode()
    if random_.random() < 0.1:
        place = random_.randrange(len(data))
        return data[:place] + random_.randbytes(random_.randrange(4)) + data[place + random_.randrange(40) :]
    return data


def _asked(upstream: Upstream, faults: Sequence[Fault], arguments: Namespace, what: str, *origin: object) -> Any:
    """In place of serving: the upstream is asked once for each recorded request, and once for something else."""
    for seed in SEEDS:
        body = json.dumps(seed["interactions"][0]["request"]["json"]).encode()
        for sent in (body, b"{}", _DEEP.encode()):
            with contextlib.suppress(CassetteMiss):
                upstream(Request("POST", "http://127.0.0.1/v1/messages", (), sent))
    return Namespace(refusals=())


def test_hostile_cassettes_end_in_one_line_or_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, deep: bool
) -> None:
    """Nothing is written but what an export makes of a file that can be read, and no byte reaches a terminal raw."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(serve, "_serve_until_stopped", _asked)
    random_ = random.Random(20261126)
    codes = dict.fromkeys((0, 1, 2), 0)
    files = 20_000 if deep else 90
    for number in range(files):
        data = _mutated(random_)
        Path("x.json").write_bytes(data)
        command = COMMANDS[number % len(COMMANDS)]
        code = main(["x.json" if word == "FILE" else word for word in command])
        out, err = capsys.readouterr()
        codes[code] += 1
        if code == 2:
            assert ("", 1) == (out, err.count("\n")), (command, data)
            assert err.removesuffix("\n").isprintable(), (command, err)
        assert "\x1b" not in out + err
        written = {path.name for path in tmp_path.iterdir()} - {"x.json"}
        assert written == ({"out"} if "export" in command and code == 0 else set())
        if written:
            Path("out/x.yaml").unlink()
            Path("out").rmdir()
    assert min(codes.values()) > files / 20, codes
