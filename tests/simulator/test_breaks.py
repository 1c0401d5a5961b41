"""A broken cache prefix is told: which block, which byte, what it costs."""

import logging
from typing import Any

import pytest

from flag_harness.clock import VirtualClock
from flag_harness.errors import ScenarioError
from flag_harness.simulator import simulate
from flag_harness.simulator.count.broken_prefixes import MAX_REMEMBERED_PREFIXES

MARK = {"cache_control": {"type": "ephemeral"}}
PROMPT = "You are careful. " * 400
SONNET = "claude-sonnet-4-5"
TOOL = {"name": "bash", "input_schema": {"type": "object"}}


def system(text: str) -> list[dict[str, Any]]:
    """A marked system prompt."""
    return [{"type": "text", "text": text, **MARK}]


def turns(*texts: str) -> list[dict[str, Any]]:
    """Messages in turns, the last one marked."""
    roles = ("user", "assistant")
    made: list[dict[str, Any]] = [{"role": roles[at % 2], "content": text} for at, text in enumerate(texts)]
    made[-1]["content"] = [{"type": "text", "text": texts[-1], **MARK}]
    return made


def broken(request_for: Any, *bodies: dict[str, Any], pause: float = 0.0, **settings: Any) -> list[Any]:
    """What broke when these were asked one after another."""
    clock = VirtualClock()
    simulator = simulate(clock=clock)
    for body in bodies:
        simulator(request_for(**{"model": SONNET, **settings, **body}))
        clock.sleep(pause)
    return simulator.broken_prefixes


def test_a_changed_system_prompt_is_found_to_the_byte(request_for: Any, caplog: pytest.LogCaptureFixture) -> None:
    """With what stood there, what stands there now, the tokens and their price; it is logged, too."""
    bodies = [{"system": system(f"Ü 12:0{minute}. {PROMPT}")} for minute in (3, 4)]
    with caplog.at_level(logging.WARNING):
        (found,) = broken(request_for, *bodies)
    assert ("system[0]", 16) == (found.block_path, found.byte_index)
    assert ('ext":"Ü 12:03. You are careful. You are ', 'ext":"Ü 12:04. You are careful. You are ') == (
        found.old_text,
        found.new_text,
    )
    assert found.lost_tokens > 1200
    assert found.extra_cost == pytest.approx(found.lost_tokens * (3.75 - 0.30) / 1e6)
    expected = (
        f"the cached prefix breaks at system[0], byte 16: {found.old_text!r} became {found.new_text!r}; "
        f"{found.lost_tokens} tokens (simulated) are not read from the cache, "
        f"${found.extra_cost:.6f} more at list price"
    )
    assert [expected] == caplog.messages


def test_a_changed_history_is_found(request_for: Any) -> None:
    """An answer that is sent back otherwise than it came; what stands before it is still read."""
    first = turns("question " * 1500, "answer", "next")
    second = turns("question " * 1500, "Answer", "next", "b", "c")
    (found,) = broken(request_for, {"messages": first}, {"messages": second})
    assert "messages[1].content[0]" == found.block_path


def test_changed_thinking_is_named(request_for: Any) -> None:
    """No block changed, and yet what the messages wrote is lost."""
    body = {"system": system(PROMPT), "messages": turns("question " * 1500)}
    (found,) = broken(request_for, body, {**body, "tool_choice": {"type": "auto"}}, tools=[TOOL])
    assert ("tool_choice or thinking", 0, "", "") == (
        found.block_path,
        found.byte_index,
        found.old_text,
        found.new_text,
    )


def test_growth_another_question_and_another_model_break_nothing(request_for: Any) -> None:
    """What is new at the end is no break; neither is a shorter request, another model, or one that marks nothing."""
    base = {"system": system(PROMPT)}
    assert [] == broken(
        request_for,
        {**base, "messages": turns("one " * 1500)},
        {**base, "messages": turns("one " * 1500, "answer", "two")},
        {**base, "messages": turns("other")},
        base,
        {"model": "claude-sonnet-4-6", "system": system("Other. " + PROMPT)},
    )


def test_a_prompt_of_another_kind_breaks_nothing(request_for: Any) -> None:
    """Two agents under one key are two conversations."""
    one, other = system(PROMPT), system("Quite another agent, with words of its own. " * 200)
    questions = [{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]
    assert [] == broken(
        request_for, {"system": one, "messages": questions[:1]}, {"system": other, "messages": questions[1:]}
    )


def test_what_has_ended_is_not_missed(request_for: Any) -> None:
    """Five minutes later the prefix would have been written anyway."""
    bodies = ({"system": system("A. " + PROMPT)}, {"system": system("B. " + PROMPT)})
    assert [] == broken(request_for, *bodies, pause=300)
    assert 1 == len(broken(request_for, *bodies, pause=299))


def test_the_price_may_be_unknown(request_for: Any) -> None:
    """Retired models have no list price here."""
    bodies = ({"system": system("A. " + PROMPT)}, {"system": system("B. " + PROMPT)})
    (found,) = broken(request_for, *bodies, model="claude-3-7-sonnet-20250219")
    assert None is found.extra_cost
    assert str(found).endswith("are not read from the cache, at an unknown price")


def test_the_oldest_conversation_is_forgotten_first(request_for: Any) -> None:
    """What is kept for comparison has an end; the costliest of several broken prefixes is told."""
    numbers = range(MAX_REMEMBERED_PREFIXES + 2)
    many = [{"system": system(f"{one:02} {PROMPT}"), "messages": turns(f"q{one}")} for one in numbers]
    found = broken(request_for, *many)
    assert len(many) - 1 == len(found)


def test_the_cache_may_be_warmed(request_for: Any, read: Any) -> None:
    """As if the request had been asked before; what is refused warms nothing."""
    simulator = simulate()
    request = request_for(system=system(PROMPT), model=SONNET)
    tokens = simulator.warm_prompt_cache(request)
    _, answer = read(simulator(request))
    assert (tokens, 0) == (
        answer["usage"]["cache_read_input_tokens"],
        answer["usage"]["cache_creation_input_tokens"],
    )
    with pytest.raises(
        ScenarioError, match=r"^this request cannot warm the cache: messages: at least one message is req"
    ):
        simulator.warm_prompt_cache(request_for(messages=[]))
    from dataclasses import replace

    listing = replace(request_for("/v1/models"), method="GET", body=b"")
    with pytest.raises(ScenarioError, match=r"^this request cannot warm the cache: it has no prompt$"):
        simulator.warm_prompt_cache(listing)
