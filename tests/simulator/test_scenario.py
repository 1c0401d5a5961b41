"""Scenario files are read as documented, and mistakes are told with file, line and key."""

from pathlib import Path
from typing import Any

import pytest

from flag_harness.errors import ScenarioError
from flag_harness.simulator import load_scenario, parse_scenario, simulate
from flag_harness.simulator.scenario import scenario
from flag_harness.simulator.scenario.scenario import AnswerTiming, ErrorAnswer, ScriptedBlock, ScriptedToolCall
from flag_harness.wire.timeline import body

TURN_KEYS = "name, when, thinking, text, call, block, error, stop_reason, stop_sequence, output_tokens, timing, weight"
WHEN_KEYS = (
    "user, user_contains, user_matches, prompt_contains, result, result_contains, result_matches, result_is_error, "
    "result_of, results, system_contains, streaming, thinking, tool, beta, model, has, lacks, nth"
)


def test_the_documented_example_is_a_scenario(tmp_path: Path) -> None:
    """What the docstring shows can be pasted into a file, and means what it says."""
    assert scenario.__doc__ is not None
    example = scenario.__doc__.partition("```toml\n")[2].partition("```")[0]
    path = tmp_path / "kernel.toml"
    path.write_text(example)
    found = load_scenario(path)
    assert ("Which kernel is this?", ("uname -s",)) == (found.title, found.commands)
    assert (("prompt-caching-2024-07-31",), ("thinking",)) == (found.refused_betas, found.refused_parameters)
    first, second, cut, likely, unlikely, blocks, silent, error = found.turns
    assert (False, 0.95, 0.05) == (found.paired, likely.weight, unlikely.weight)
    call = ScriptedToolCall(name="bash", input={"command": "uname -s"})
    assert (
        ScriptedBlock(thinking="uname tells it."),
        ScriptedBlock(text="I'll look."),
        ScriptedBlock(call=call),
    ) == first.content
    assert ["tool_use", "end_turn", "max_tokens"] == [turn.final_stop_reason for turn in (first, second, cut)]
    assert (AnswerTiming(first_token=2.0, per_event=0.1), 40) == (second.timing, second.output_tokens)
    assert '{"command": "cat <<EOF' == cut.calls[0].partial_json
    assert ["thinking", "redacted_thinking", "text", "call", "raw"] == [
        next(name for name in ScriptedBlock.__struct_fields__ if getattr(block, name) is not None)
        for block in blocks.content
    ]
    assert ((), "end_turn") == (silent.content, silent.final_stop_reason)
    expected = ErrorAnswer(status=429, type="rate_limit_error", message="Slow down.", headers={"retry-after": "2"})
    assert expected == error.error


MISTAKES = {
    "not TOML": (
        "[[turn]\n",
        "s.toml: not TOML: Expected ']]' at the end of an array declaration (at line 1, column 7)",
    ),
    "an unknown key": (
        'titel = "x"\n[[turn]]\ntext = "a"',
        "s.toml:1: a scenario has no key 'titel'; the nearest is 'title' (all: turn, title, commands, refused_betas, "
        "refused_parameters, keys, profile, paired, timing, limits)",
    ),
    "an unknown key of a turn": (
        '[[turn]]\ntext = "a"\n[[turn]]\ntxt = "b"',
        f"s.toml:4: turn[1] has no key 'txt'; the nearest is 'text' (all: {TURN_KEYS})",
    ),
    "an unknown condition": (
        '[[turn]]\nwhen = { usr_contains = "x" }\ntext = "b"',
        f"s.toml:2: turn[0].when has no key 'usr_contains'; the nearest is 'user_contains' (all: {WHEN_KEYS})",
    ),
    "an unknown key of a call": (
        '[[turn]]\n[[turn.call]]\nnmae = "bash"',
        "s.toml:3: turn[0].call[0] has no key 'nmae'; the nearest is 'name' (all: name, input, partial_json)",
    ),
    "a value of another type": (
        "[[turn]]\ntext = 3",
        "s.toml:2: turn[0].text: expected `str | null`, got `int`",
    ),
    "a stop reason in another language's spelling": (
        '[[turn]]\ntext = "a"\nstop_reason = "endTurn"',
        "s.toml:3: turn[0]: stop_reason = 'endTurn' is none of the API's; write 'end_turn'",
    ),
    "no turns": (
        'title = "x"',
        's.toml: a scenario needs at least one turn, such as:\n\n[[turn]]\nwhen = { user_contains = "hello" }\n'
        'text = "Hello!"',
    ),
    "a turn without an answer": (
        '[[turn]]\nname = "a"',
        "s.toml:1: turn[0]: it has no answer; add text, thinking, call, block, error or stop_reason",
    ),
    "an error beside an answer": (
        '[[turn]]\ntext = "a"\nerror = { status = 500, type = "api_error", message = "x" }',
        "s.toml:3: turn[0]: it has both an error and 'text'; split it into two turns",
    ),
    "blocks beside a text": (
        '[[turn]]\ntext = "a"\nblock = [{ text = "b" }]',
        "s.toml:3: turn[0]: it has both 'block' and 'text'; move 'text' into the blocks",
    ),
    "a block of two kinds": (
        '[[turn]]\nblock = [{ text = "b", thinking = "c" }]',
        "s.toml:2: turn[0]: block[0] must have exactly one of the keys thinking, redacted_thinking, text, call, raw",
    ),
    "a call without input": (
        '[[turn]]\ncall = [{ name = "bash" }]',
        "s.toml:2: turn[0]: the call of 'bash' needs either input = {...} or partial_json = '...'",
    ),
    "a cut call that is not cut": (
        '[[turn]]\ncall = [{ name = "bash", partial_json = "{" }]',
        "s.toml:2: turn[0]: the call of 'bash' has partial_json, for a call that is cut off; add "
        'stop_reason = "max_tokens"',
    ),
    "a broken pattern": (
        '[[turn]]\nwhen = { user_matches = "(" }\ntext = "a"',
        "s.toml:2: turn[0]: when.user_matches = '(' is not a regular expression: missing ), unterminated subpattern at "
        "position 0",
    ),
    "a key of a turn after a string that looks like one": (
        '[[turn]]\ntext = """\n[[turn]]\ntext = 1\n"""\n# \'\'\' "\n[[turn]]\ntext = "a # b"\nname = 3',
        "s.toml:9: turn[1].name: expected `str`, got `int`",
    ),
    "a raw block of no type": (
        "[[turn]]\nblock = [{ raw = {} }]",
        's.toml:2: turn[0]: block[0].raw is sent unchanged and needs type = "..."',
    ),
    "a raw call without a name": (
        '[[turn]]\nblock = [{ raw = { type = "server_tool_use", id = "srvtoolu_1", input = {} } }]',
        "s.toml:2: turn[0]: block[0].raw of type 'server_tool_use' needs name = \"...\"",
    ),
    "a raw call without an input": (
        '[[turn]]\nblock = [{ raw = { type = "tool_use", id = "toolu_1", name = "bash", input = 3 } }]',
        "s.toml:2: turn[0]: block[0].raw of type 'tool_use' needs input = {...}",
    ),
    "a raw compaction of nothing": (
        '[[turn]]\nblock = [{ raw = { type = "compaction" } }]',
        "s.toml:2: turn[0]: block[0].raw of type 'compaction' needs content = ...",
    ),
    "a profile that is no month": (
        'profile = "banana"\n[[turn]]\ntext = "a"',
        's.toml:1: profile = \'banana\' is not a month or day such as "2025-11" or "2026-02-06"',
    ),
    "a limit below nought": (
        '[limits]\nrequests = 3\ninput_tokens = -1\n[[turn]]\ntext = "a"',
        "s.toml:3: limits.input_tokens = -1 must be at least 0",
    ),
    "a rhythm that is no number": (
        '[timing]\nfirst_token = nan\n[[turn]]\ntext = "a"',
        "s.toml:2: timing.first_token = nan must be a number of seconds, 0 or more",
    ),
    "a turn's rhythm that goes back": (
        '[[turn]]\ntext = "a"\ntiming = { per_event = -0.5 }',
        "s.toml:3: turn[0]: timing.per_event = -0.5 must be a number of seconds, 0 or more",
    ),
    "fewer tokens than none": (
        '[[turn]]\ntext = "a"\noutput_tokens = -3',
        "s.toml:3: turn[0]: output_tokens = -3 must be at least 0",
    ),
    "a weight of nothing": (
        '[[turn]]\ntext = "a"\nweight = 0.0',
        "s.toml:3: turn[0]: weight = 0.0 must be a number above 0, such as 0.95",
    ),
    "an error that is none": (
        '[[turn]]\nerror = { status = 200, type = "api_error", message = "x" }',
        "s.toml:2: turn[0]: error.status = 200 is not an error; use one from 400 to 599",
    ),
    "a call that is none": (
        '[[turn]]\ntext = "a"\nstop_reason = "tool_use"',
        's.toml:3: turn[0]: stop_reason = "tool_use", but the turn has no call; add one or remove stop_reason',
    ),
    "an end that is none": (
        '[[turn]]\ncall = [{ name = "bash", input = {} }]\nstop_reason = "end_turn"',
        's.toml:3: turn[0]: stop_reason = "end_turn", but the turn has a call; remove one of them',
    ),
    "a stop sequence that does not stop": (
        '[[turn]]\ntext = "a"\nstop_sequence = "b"',
        "s.toml:3: turn[0]: stop_sequence = 'b' needs stop_reason = \"stop_sequence\"",
    ),
    "counting from nought": (
        '[[turn]]\nwhen = { nth = 0 }\ntext = "a"',
        "s.toml:2: turn[0]: when.nth = 0 must be at least 1",
    ),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=list(MISTAKES))
def test_a_mistake_is_told_with_file_line_and_key(text: str, message: str) -> None:
    """The whole message."""
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "s.toml")
    assert message == str(caught.value)


def test_what_lies_near_a_mistake_is_a_scenario() -> None:
    """Nought where it means none, a raw call that ends with a call, dates, and errors at the ends of their range."""
    text = """
        profile = "2026-02-06"
        [timing]
        first_token = 0
        [limits]
        requests = 0
        [[turn]]
        block = [{ raw = { type = "tool_use", id = "toolu_1", name = "bash", input = {} } }, { raw = { type = "x" } }]
        stop_reason = "tool_use"
        output_tokens = 0
        [[turn]]
        text = "a"
        stop_reason = "stop_sequence"
        stop_sequence = "b"
        [[turn]]
        error = { status = 400, type = "t", message = "m" }
        [[turn]]
        error = { status = 599, type = "t", message = "m" }
        [[turn]]
        block = [{ raw = { type = "x", on = 2026-02-06 } }]
    """
    assert 5 == len(parse_scenario(text).turns)


def test_a_missing_file_is_told_with_the_nearest(tmp_path: Path) -> None:
    """The nearest name in the folder, or that there is none."""
    (tmp_path / "kernel.toml").write_text("")
    with pytest.raises(ScenarioError) as near:
        load_scenario(tmp_path / "kernle.toml")
    assert f"{tmp_path}/kernle.toml: no such file; the nearest is 'kernel.toml'" == str(near.value)
    with pytest.raises(ScenarioError) as none:
        load_scenario(tmp_path / "no" / "x.toml")
    assert f"{tmp_path}/no/x.toml: no such file; there are no scenarios in {tmp_path}/no" == str(none.value)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """Not UTF-8."""
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff")
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert f"{path}: not UTF-8 text: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte" == str(
        caught.value
    )


@pytest.mark.parametrize("reason", ["refusal", "compaction", "quota_exceeded_2027"])
def test_any_stop_reason_is_sent(reason: str, request_for: Any, read: Any) -> None:
    """Those that the SDK knows and those of tomorrow, streamed or not."""
    simulator = simulate(parse_scenario(f'[[turn]]\ntext = "a"\nstop_reason = "{reason}"'))
    assert reason == read(simulator(request_for()))[1]["stop_reason"]
    assert f'"stop_reason":"{reason}"'.encode() in body(simulator(request_for(stream=True)))


@pytest.mark.parametrize("turn", ["block = []", 'text = ""', 'block = [{ text = "" }]'])
def test_an_answer_may_have_no_blocks(turn: str, request_for: Any, read: Any) -> None:
    """It ends the turn; a stream of it has no block either."""
    simulator = simulate(parse_scenario(f"[[turn]]\n{turn}\n"))
    _, answer = read(simulator(request_for()))
    assert ([], "end_turn") == (answer["content"], answer["stop_reason"])
    assert b"content_block" not in body(simulator(request_for(stream=True)))


def test_the_documentation_is_what_the_module_says() -> None:
    """docs/scenarios.md holds the module's own words."""
    documented = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
    assert scenario.__doc__ is not None
    assert f"# Scenarios\n\n{scenario.__doc__.strip()}\n" == documented


def test_a_scenario_that_is_nested_too_deeply_is_named() -> None:
    """No traceback of the TOML parser is shown."""
    with pytest.raises(ScenarioError, match=r"deep\.toml: its values are nested too deeply"):
        parse_scenario(f"x = {'[' * 9999}", "deep.toml")
