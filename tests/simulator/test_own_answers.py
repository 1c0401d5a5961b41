"""What the simulator says it accepts back; thinking that was moved it refuses."""

from collections.abc import Callable
from typing import Any

import pytest

from flag_harness.simulator import Simulator, parse_scenario, simulate

BUDGET = {"type": "enabled", "budget_tokens": 1024}
HELLO = {"role": "user", "content": "hello"}
BETA = {"anthropic-beta": "interleaved-thinking-2025-05-14"}
INTERLEAVED = """
[[turn]]
when = { results = 0 }
block = [
  { thinking = "First." }, { call = { name = "bash", input = { command = "a" } } },
  { redacted_thinking = "Second." }, { call = { name = "bash", input = { command = "b" } } },
  { thinking = "Third." }, { call = { name = "bash", input = { command = "c" } } },
]
[[turn]]
text = "done"
"""
Blocks = list[dict[str, Any]]


@pytest.fixture
def send(request_for: Any, read: Any) -> Callable[..., tuple[int, Any]]:
    """Send messages with thinking on; return status and body."""

    def _send(simulator: Simulator, *messages: Any, **changes: Any) -> tuple[int, Any]:
        return read(simulator(request_for(messages=list(messages), **{"thinking": BUDGET, "headers": BETA, **changes})))

    return _send


def results(blocks: Blocks) -> dict[str, Any]:
    """Return the user message that answers all calls."""
    calls = [block["id"] for block in blocks if block["type"] == "tool_use"]
    return {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call, "content": "ok"} for call in calls],
    }


def assistant(blocks: Blocks) -> dict[str, Any]:
    return {"role": "assistant", "content": blocks}


@pytest.mark.parametrize(
    "turn",
    [
        'text = "I look."\ncall = [{ name = "bash", input = {} }]',
        'call = [{ name = "bash", input = {} }]',
        'thinking = "Hm."\ncall = [{ name = "bash", input = {} }]',
        'block = [{ text = "a" }, { thinking = "b" }, { call = { name = "bash", input = {} } }]',
        'block = [{ raw = { type = "thinking", thinking = "a", signature = "own" } }, '
        '{ call = { name = "bash", input = {} } }]',
        'block = [{ raw = { type = "redacted_thinking", data = "own" } }, { call = { name = "bash", input = {} } }]',
        'block = [{ raw = { type = "tool_use", id = "toolu_own", name = "bash", input = {} } }]',
        'block = [{ raw = { type = "web_search_tool_result", tool_use_id = "srvtoolu_own", content = [] } }]',
        'block = [{ raw = { type = "of_tomorrow", depth = 3 } }, { call = { name = "bash", input = {} } }]',
        'block = [{ raw = { type = "text", text = "a", novelty = true } }, { call = { name = "bash", input = {} } }]',
        'thinking = ""\nstop_reason = "max_tokens"',
        'block = [{ text = "a" }, { raw = { type = "thinking", thinking = "a", signature = "own" } }]',
        'block = [{ redacted_thinking = "a" }]',
        'text = ""\ncall = [{ name = "bash", input = {} }]',
    ],
)
def test_an_answer_is_accepted_when_it_comes_back(turn: str, send: Any) -> None:
    """With or without thinking, in any order of blocks; by a simulator in another process, too."""
    scenario = parse_scenario(f'[[turn]]\nwhen = {{ results = 0 }}\n{turn}\n[[turn]]\ntext = "done"')
    simulator = simulate(scenario)
    _, answer = send(simulator, HELLO)
    calls = [block for block in answer["content"] if block["type"] == "tool_use"]
    sent_back = [HELLO, assistant(answer["content"]), results(calls) if calls else HELLO]
    for judge in (simulator, simulate(scenario)):
        assert 200 == send(judge, *sent_back)[0], send(judge, *sent_back)


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-sonnet-4-6"])
def test_a_paused_answer_may_be_continued(model: str, send: Any) -> None:
    """As the final message, also where a prefill is refused; and again after the next pause, as one message or two."""
    pause = '[[turn]]\nwhen = {{ nth = {nth} }}\ntext = "part {nth} "\nstop_reason = "pause_turn"\n'
    simulator = simulate(
        parse_scenario(pause.format(nth=1) + pause.format(nth=2) + '[[turn]]\nthinking = "Hm."\ntext = "done"')
    )
    _, first = send(simulator, HELLO, model=model)
    status, second = send(simulator, HELLO, assistant(first["content"]), model=model)
    assert (200, "pause_turn") == (status, second["stop_reason"])
    status, third = send(simulator, HELLO, assistant(first["content"] + second["content"]), model=model)
    assert (200, "end_turn") == (status, third["stop_reason"])
    whole = [first["content"] + second["content"] + third["content"]]
    split = [first["content"], second["content"], third["content"]]
    for parts in (whole, split):
        assert 200 == send(simulator, HELLO, *map(assistant, parts), HELLO, model=model)[0]
    assert 400 == send(simulator, HELLO, assistant([{"type": "text", "text": "part 9"}]), model=model)[0]


def test_a_paused_answer_is_continued_only_where_it_paused(send: Any) -> None:
    """The same bytes are refused by a simulator with the same seed that has paused nothing, before and after."""
    paused, other = (
        simulate(parse_scenario(f'[[turn]]\ntext = "Part 1 "\nstop_reason = "{reason}"'))
        for reason in ("pause_turn", "end_turn")
    )
    model = "claude-sonnet-4-6"
    continuation = (HELLO, assistant([{"type": "text", "text": "Part 1 "}]))
    before = send(other, *continuation, model=model)[0]
    send(paused, HELLO, model=model)
    statuses = [send(one, *continuation, model=model)[0] for one in (paused, other)]
    assert [400, 200, 400] == [before, *statuses]


def test_thinking_that_max_tokens_cut_off_may_be_sent_back(send: Any) -> None:
    """It was the last block already when it was said."""
    simulator = simulate(parse_scenario(f'[[turn]]\nthinking = "{"Hm. " * 2000}"\ntext = "done"'))
    _, answer = send(simulator, HELLO, max_tokens=1100)
    assert (["thinking"], "max_tokens") == ([block["type"] for block in answer["content"]], answer["stop_reason"])
    assert 200 == send(simulator, HELLO, assistant(answer["content"]), HELLO)[0]


def thinking_first(blocks: Blocks) -> list[Blocks]:
    return [sorted(blocks, key=lambda block: "thinking" not in block["type"])]


def without_the_second(blocks: Blocks) -> list[Blocks]:
    return [[block for block in blocks if block["type"] != "redacted_thinking"]]


def swapped(blocks: Blocks) -> list[Blocks]:
    return [[blocks[4], *blocks[1:4], blocks[0], blocks[5]]]


def in_one_message_per_call(blocks: Blocks) -> list[Blocks]:
    return [blocks[:2], blocks[2:4], blocks[4:]]


def with_words_between(blocks: Blocks) -> list[Blocks]:
    return [[part for block in blocks for part in (block, {"type": "text", "text": "so"})][:-1]]


@pytest.mark.parametrize("change", [thinking_first, without_the_second, swapped])
def test_interleaved_thinking_that_was_regrouped_is_refused(change: Any, send: Any) -> None:
    """The API's words name the message and the block."""
    simulator = simulate(parse_scenario(INTERLEAVED))
    _, answer = send(simulator, HELLO)
    blocks = answer["content"]
    assert 200 == send(simulator, HELLO, assistant(blocks), results(blocks))[0]
    status, error = send(simulator, HELLO, *map(assistant, change(blocks)), results(blocks))
    assert 400 == status
    assert "blocks in the latest assistant message cannot be modified" in error["error"]["message"]
    assert error["error"]["message"].startswith("messages.1.content.")


def test_steps_of_a_tool_loop_that_were_merged_are_refused(send: Any) -> None:
    """The thinking of the second step stood first in its answer."""
    turn = '[[turn]]\nwhen = { nth = [1, 2] }\nthinking = "Hm."\ncall = [{ name = "bash", input = {} }]\n'
    simulator = simulate(parse_scenario(f'{turn}[[turn]]\ntext = "done"'))
    _, first = send(simulator, HELLO)
    loop = [HELLO, assistant(first["content"]), results(first["content"])]
    _, second = send(simulator, *loop)
    blocks = first["content"] + second["content"]
    assert 200 == send(simulator, *loop, assistant(second["content"]), results(second["content"]))[0]
    assert 400 == send(simulator, HELLO, assistant(blocks), results(blocks))[0]


@pytest.mark.parametrize("change", [in_one_message_per_call, with_words_between])
def test_an_answer_may_be_split_and_have_words_added(change: Any, send: Any) -> None:
    """Its thinking stands where it stood, if consecutive messages are read as one turn."""
    simulator = simulate(parse_scenario(INTERLEAVED))
    _, answer = send(simulator, HELLO)
    parts = change(answer["content"])
    last = [part for blocks in parts for part in blocks]
    sent = send(simulator, HELLO, *map(assistant, parts), results(last))
    assert 200 == sent[0], sent


def test_an_earlier_turn_may_be_regrouped(send: Any) -> None:
    """Only the signatures count once the user has spoken again."""
    simulator = simulate(parse_scenario(INTERLEAVED))
    _, answer = send(simulator, HELLO)
    (moved,) = thinking_first(answer["content"])
    done = {"role": "assistant", "content": "done"}
    assert 200 == send(simulator, HELLO, assistant(moved), results(moved), done, HELLO)[0]
