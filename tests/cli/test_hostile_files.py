"""Scenarios, settings, run records and requests that are broken, or made to harm: refused in words, or read."""

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from flag_harness.cli import main
from flag_harness.clock import VirtualClock
from flag_harness.errors import HarnessError
from flag_harness.simulator import Simulator, parse_scenario
from flag_harness.wire.timeline import Request
from tests.cli.test_hostile_cassettes import ODD, SEEDS

SCENARIOS = [path.read_text() for path in sorted(Path(__file__).parents[2].glob("fixtures/scenarios/*.toml"))]
SCENARIO_LINES = (
    "[[turn]]",
    "when = { nth = 1 }",
    "when = { user = [] }",
    "blocks = []",
    "weight = -1",
    "error = { status = 9999 }",
    "thinking = '''",
    "[a.b]",
    "x = 1e999",
    "stop_reason = 3",
    "nan = nan",
    "d = 1979-05-27T07:32:00Z",
    "\x00",
    "usage = { input_tokens = 99999999999999999999 }",
    "raw = { type = {} }",
    "[[" * 200,
    "commands = [1]",
)
SETTINGS = """[tool.flag-harness]
recordings = "r"
hosts = ["a"]
border = "run"
[tool.flag-harness.flags]
streaming = "ENABLE_STREAMING"
model = { env = "M", values = ["a", "b"], default = "a" }
[tool.flag-harness.filters]
patterns = ["a"]
[tool.flag-harness.privacy]
mail = { pattern = "x@y", action = "mask" }
""".splitlines()
VALUES = ("1", "-1", "1.5", "true", "[]", "{}", '""', '["a"]', "[1]", "{a=1}", "[[]]", '"\\u0000"', "10" * 9, "nan")
RECORD = '{"format": 1}\n{"case": "t.py::t", "combination": "off", "outcome": "passed"}'
BODIES = [json.dumps(seed["interactions"][0]["request"]["json"]).encode() for seed in SEEDS]
PATHS = ("/v1/messages", "/v1/messages/count_tokens", "/v1/messages/batches", "/v1/files", "/v1/models", "/%zz", "//")
HEADERS = ("content-type", "anthropic-version", "anthropic-beta", "content-encoding", "content-length", "accept")
HEADER_VALUES = ("", "application/json", "a,b,,", "gzip", "-1", "é", "\x00", "multipart/form-data; boundary=")


def _damaged(text: str, lines: Sequence[str], random_: random.Random) -> str:
    """A text in which lines were put in, out of order or cut, or characters changed."""
    for _ in range(random_.choice((1, 1, 2, 3))):
        rows, position = text.split("\n"), random_.randrange(len(text) + 1)
        match random_.randrange(4):
            case 0:
                rows.insert(random_.randrange(len(rows) + 1), random_.choice(lines))
                text = "\n".join(rows)
            case 1:
                text = text[:position] + text[position + random_.randrange(20) :]
            case 2:
                text = text[:position] + random_.choice("\"'[]{}=#\n,.0-9e\\") + text[position:]
            case _:
                random_.shuffle(rows)
                text = "\n".join(rows)
    return text


def _ask_simulator(simulator: Simulator, random_: random.Random) -> None:
    names = random_.sample(HEADERS, random_.randrange(4))
    headers = tuple((name, random_.choice(HEADER_VALUES)) for name in names)
    body = _damaged(random_.choice(BODIES).decode(), ODD, random_).encode()
    method = random_.choice(("POST", "POST", "GET", "DELETE", "X"))
    assert simulator(Request(method, "http://127.0.0.1" + random_.choice(PATHS), headers, body))


def _play_scenario(random_: random.Random) -> None:
    try:
        text = _damaged(random_.choice(SCENARIOS), SCENARIO_LINES, random_)
        simulator = Simulator(parse_scenario(text, Path("s.toml")), VirtualClock(), 1)
    except HarnessError:
        return
    for body in BODIES:
        assert simulator(Request("POST", "http://127.0.0.1/v1/messages", (), body))


def _read_settings(random_: random.Random) -> None:
    rows = list(SETTINGS)
    for _ in range(random_.choice((1, 2, 3))):
        number = random_.randrange(len(rows))
        name, equals, _ = rows[number].partition("=")
        rows[number] = f"{name}= {random_.choice(VALUES)}" if equals else name.replace("]", "x]")
    Path("pyproject.toml").write_text("\n".join(rows))
    assert main(random_.choice((["matrix"], ["cassette", "check", "."], ["matrix", "--json"]))) in (0, 1, 2)


def _read_record(random_: random.Random) -> None:
    Path("r.jsonl").write_text(_damaged(RECORD, ODD, random_))
    commands = (
        ["build", "r.jsonl", "-o", "r.html"],
        ["merge", "r.jsonl", "-o", "m.jsonl"],
        ["diff", "r.jsonl", "r.jsonl"],
    )
    assert main(["report", *random_.choice(commands)]) in (0, 1, 2)


@pytest.mark.parametrize(
    "use", [_play_scenario, _read_settings, _read_record, None], ids=["scenario", "settings", "record", "request"]
)
def test_hostile_files_are_read_or_refused_in_words(
    use: Callable[[random.Random], None] | None,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    deep: bool,
) -> None:
    """No exception but the project's own leaves the reader, and no command prints a traceback."""
    monkeypatch.chdir(tmp_path)
    random_ = random.Random(20261128)
    simulator = Simulator(parse_scenario('[[turn]]\ntext = "ok"\n', Path("s.toml")), VirtualClock(), 1)
    for _ in range(5_000 if deep else 6):
        if use is None:
            _ask_simulator(simulator, random_)
        else:
            use(random_)
    assert "Traceback" not in capsys.readouterr().err
