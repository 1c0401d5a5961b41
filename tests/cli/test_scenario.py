"""`flag-harness scenario from`: a recording becomes the scenario that gives its answers."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flag_harness.cassette import Cassette
from flag_harness.cli import main
from flag_harness.cli.scenario.from_cassette import RecordedAnswer, _make_scenario_block, make_scenario
from flag_harness.cli.scenario.text import format_scenario
from flag_harness.simulator import Scenario, ScenarioTurn, ScriptedBlock, ScriptedToolCall, parse_scenario
from flag_harness.simulator.scenario.matching import make_request_view
from flag_harness.simulator.scenario.scenario import TurnConditions
from flag_harness.simulator.scenario.turn_selector import TurnSelector
from flag_harness.wire.compression import decompress_response
from flag_harness.wire.message import parse_response
from flag_harness.wire.timeline import Chunk, End, Head

ROOT = Path(__file__).parents[2]
RECORDINGS = sorted((ROOT / "recordings").rglob("*.json"))

TEST = """
import anthropic, pytest

TOOLS = [{"name": "find_order", "input_schema": {"type": "object"}}]

def run(client, messages):
    answer = client.messages.create(model="claude-haiku-4-5", max_tokens=99, tools=TOOLS, messages=messages)
    messages.append({"role": "assistant", "content": answer.content})
    calls = [block for block in answer.content if block.type == "tool_use"]
    if calls:
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": "sent"} for call in calls]
        run(client, messages + [{"role": "user", "content": results}])

@pytest.mark.scenario("orders")
def test_orders(cassette):
    client = anthropic.Anthropic(max_retries=1)
    for question in ("Where is it?", "Where is it?", "And \\"the\\nother\\" one?"):
        run(client, [{"role": "user", "content": question}])
"""

ORDERS = '''
[[turn]]
when = { user = "Where is it?", nth = 1 }
error = { status = 529, type = "overloaded_error", message = "Overloaded", headers = { retry-after = "2" } }

[[turn]]
when = { user = "Where is it?", nth = [2, 3] }
text = "I look."
call = [{ name = "find_order", input = { "a key" = [1, 2.5, true, { deep = "ü \\u007f" }] } }]

[[turn]]
when = { result = "sent", nth = 1 }
text = "It is on its way."

[[turn]]
when = { result = "sent", nth = 2 }
block = [{ text = "Two" }, { text = "blocks" }]

[[turn]]
when = { user_contains = "other" }
text = """
A list:
- "one" \\\\ two
"""
stop_reason = "max_tokens"
'''


def test_a_recording_with_the_scenario_made_from_it_is_the_same(pytester: pytest.Pytester) -> None:
    """The tests are recorded, the recording becomes their scenario, and recording again changes no byte."""
    scenario = pytester.mkdir("fixtures") / "scenarios" / "orders.toml"
    scenario.parent.mkdir()
    scenario.write_text(ORDERS, encoding="utf-8")
    pytester.makepyfile(test_orders=TEST)
    options = ("-p", "no:cacheprovider", "--harness-upstream=simulator", "--record-mode=rewrite")
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=1)
    (cassette,) = (pytester.path / "recordings").rglob("*.json")
    recorded = cassette.read_bytes()
    assert 0 == main(["scenario", "from", str(cassette), "-o", str(scenario), "--force"])
    assert ORDERS != scenario.read_text(encoding="utf-8")
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=1)
    assert recorded == cassette.read_bytes()


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_scenario_of_a_cassette_of_the_cases_gives_each_answer(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order of the recording; exit code 1 says that an answer broke off and is left out."""
    status = main(["scenario", "from", str(path)])
    printed = capsys.readouterr()
    selector = TurnSelector(parse_scenario(printed.out).turns)
    left_out = 0
    for interaction in Cassette.load(path).interactions:
        parsed = parse_response(decompress_response(interaction.response))
        if not parsed.is_complete or (parsed.error and parsed.status == 200):
            left_out += 1
            continue
        turn = selector.choose_turn(make_request_view(interaction.decoded_body))
        assert turn
        texts = [block["text"] for block in parsed.blocks if block["type"] == "text"]
        assert texts == [
            text for block in turn.content if (text := (block.raw or {}).get("text", block.text)) is not None
        ]
        assert parsed.status == (turn.error.status if turn.error else 200)
    assert (1 if left_out else 0, left_out) == (status, printed.err.count("is left out: its answer broke off"))


def _answers(*contents: Any) -> list[RecordedAnswer]:
    """Return answers `0`, `1`, ... to requests whose user turns have these contents."""
    return [
        RecordedAnswer(
            make_request_view({"model": "m", "messages": [{"role": "user", "content": content}]}),
            ScenarioTurn(text=str(number)),
        )
        for number, content in enumerate(contents)
    ]


def _results(*texts: str) -> list[dict[str, str]]:
    return [{"type": "tool_result", "tool_use_id": "t", "content": text} for text in texts]


LONG = "a" * 300
IMAGE = [{"type": "image"}]


@pytest.mark.parametrize(
    ("contents", "keys"),
    [
        (("one", "two", LONG), [{"user"}, {"user"}, {"user_contains"}]),
        (("one", "one"), [{"user", "nth"}, {"user", "nth"}]),
        ((_results("one", "two"), _results(LONG)), [{"result"}, {"result_contains"}]),
        (
            (_results("one"), _results("one", "two")),
            [{"result", "results", "streaming", "thinking", "model"}] * 2,
        ),
        ((LONG, f"b{LONG}"), [{"nth"}, {"nth"}]),
        ((IMAGE, "one"), [{"user"}, {"user"}]),
    ],
)
def test_conditions_are_the_simplest_that_tell_requests_apart(contents: tuple[Any, ...], keys: list[set[str]]) -> None:
    """Texts if they differ; else all that a request has, or its number."""
    answers = _answers(*contents)
    turns = make_scenario(answers, "title").turns
    selector = TurnSelector(turns)
    assert [str(number) for number in range(len(contents))] == [
        turn.text for answer in answers if (turn := selector.choose_turn(answer.request_view))
    ]
    written = [set(turn["when"]) for turn in tomllib.loads(format_scenario(Scenario(turns=turns)))["turn"]]
    assert all(expected <= actual for expected, actual in zip(keys, written, strict=True))
    assert len(keys[0]) == len(written[0])


def test_equal_requests_with_equal_answers_are_one_turn() -> None:
    """Others of them are told apart by all their numbers."""
    first, second, third = _answers("one", "one", "one")
    assert 1 == len(make_scenario([first, first], "").turns)
    turns = make_scenario([first, second, replace(third, turn=first.turn)], "").turns
    assert [("0", (1, 3)), ("1", 2)] == [(turn.text, turn.when.nth) for turn in turns]


def test_a_cassette_without_a_whole_answer_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what is left out, and why."""
    cassette = Cassette.load(ROOT / "recordings" / "errors" / "stream_cut.json")
    first, *_ = cassette.interactions
    model_list = replace(first, request=replace(first.request, method="GET", url="/v1/models?limit=2", body=b""))
    page = (Head(0.0, 502, ()), Chunk(0.0, b"<html>"), End(0.0))
    path = tmp_path / "cut.json"
    replace(cassette, interactions=(first, model_list, replace(first, response=page))).save(path)
    assert 2 == main(["scenario", "from", str(path)])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{path}: no answer of /v1/messages in it that a scenario can give")
    assert "interaction 0 is left out: its answer broke off; use a fault for it" in line
    assert "interaction 1 is left out: GET /v1/models is no request that turns answer" in line
    assert "interaction 2 is left out: its body of status 502 is no error of the API" in line


def test_a_request_that_the_api_would_refuse_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of many such requests the first three are listed."""
    cassette = Cassette.load(RECORDINGS[0])
    first = cassette.interactions[0]
    broken = replace(first, request=replace(first.request, body=b'{"messages": [{}]}'))
    path = tmp_path / "broken.json"
    replace(cassette, interactions=(broken,) * 5).save(path)
    assert 2 == main(["scenario", "from", str(path)])
    (line,) = capsys.readouterr().err.splitlines()
    assert "interaction 2 is left out: its request or its answer is no valid message; and 2 more)" in line


def test_each_of_very_many_answers_has_the_number_of_its_request() -> None:
    """Conditions that tell the requests apart would take too long to find."""
    answers = _answers(*(f"text {number}" for number in range(1001)))
    assert (1, 1001) == tuple(make_scenario(answers, "").turns[index].when.nth for index in (0, -1))


def test_a_scenario_is_read_as_it_was_written() -> None:
    """Strings of every kind, nested values, and null, which TOML has not."""
    text = 'a "quoted" \\ line\n\ttab \x00 \x7f """ end\\n'
    call = ScriptedToolCall(name="t", input={"x y": [1, 2.5, {"z": text}], "null": None, "": False})
    blocks = (ScriptedBlock(raw={"type": "new", "value": text}), ScriptedBlock(redacted_thinking="r"))
    turns = (
        ScenarioTurn(when=TurnConditions(user=text, nth=(1, 3), streaming=False), text=text, calls=(call,)),
        ScenarioTurn(blocks=blocks),
        ScenarioTurn(blocks=()),
    )
    scenario = Scenario(title="T", commands=("ls",), turns=turns)
    assert call.input
    expected = msgspec.structs.replace(call, input={key: value for key, value in call.input.items() if key != "null"})
    read = parse_scenario(format_scenario(scenario))
    assert msgspec.structs.replace(turns[0], calls=(expected,)) == read.turns[0]
    assert turns[1:] == read.turns[1:]
    assert ("T", ("ls",)) == (read.title, read.commands)
    assert {"a": "\ufffd"} == tomllib.loads(format_scenario(Scenario(title="\ud800")).replace("title", "a"))


def test_a_file_that_exists_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless `--force` says so; then the last line says how to use it."""
    target = tmp_path / "mine.toml"
    target.write_text("mine")
    command = ["scenario", "from", str(RECORDINGS[0]), "-o", str(target)]
    assert 2 == main(command)
    assert f"{target} exists; use --force to overwrite it\n" == capsys.readouterr().err
    assert "mine" == target.read_text()
    assert 0 == main([*command, "--force"])
    assert capsys.readouterr().out.endswith("to use it: @pytest.mark.scenario('mine')\n")


def test_a_target_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line."""
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "x.toml"
    assert 2 == main(["scenario", "from", str(RECORDINGS[0]), "-o", str(target)])
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{target}: cannot be written: ")


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "redacted_thinking", "data": "c2VjcmV0"}, ScriptedBlock(redacted_thinking="c2VjcmV0")),
        (
            {"type": "tool_use", "id": "toolu_1", "name": "note", "input": '{"text": "half'},
            ScriptedBlock(call=ScriptedToolCall(name="note", partial_json='{"text": "half')),
        ),
        (
            {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
            ScriptedBlock(raw={"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}),
        ),
        (
            {"type": "text", "text": "cited", "citations": [{"type": "char_location"}]},
            ScriptedBlock(raw={"type": "text", "text": "cited", "citations": [{"type": "char_location"}]}),
        ),
    ],
)
def test_a_block_is_said_as_a_scenario_says_it(block: dict[str, Any], expected: ScriptedBlock) -> None:
    """Redacted thinking, input that was cut, and any other block as it is."""
    assert expected == _make_scenario_block(block)
