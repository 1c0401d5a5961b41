"""Conditions look at what they say they look at."""

from typing import Any

import pytest

from flag_harness.simulator import parse_scenario
from flag_harness.simulator.scenario.matching import make_request_view, request_meets_conditions
from flag_harness.simulator.scenario.turn_selector import TurnSelector

CALL = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "Linux 6"}]}
ASKED: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 9,
    "system": [{"type": "text", "text": "Be brief."}],
    "messages": [{"role": "user", "content": "Which kernel?"}],
}
IN_LOOP: dict[str, Any] = {
    **ASKED,
    "stream": True,
    "tools": [{"name": "bash", "input_schema": {"type": "object"}}],
    "thinking": {"type": "adaptive"},
    "messages": [*ASKED["messages"], {"role": "assistant", "content": [CALL]}, {"role": "user", "content": [RESULT]}],
}


@pytest.mark.parametrize(
    ("condition", "asked", "in_loop"),
    [
        ('user = "Which kernel?"', True, False),
        ('user_contains = "kernel"', True, False),
        ('user_matches = "(?i)^WHICH"', True, False),
        ('prompt_contains = "kernel"', True, True),
        ('result = "Linux 6"', False, True),
        ('result_contains = "Linux"', False, True),
        ('result_matches = "\\\\d$"', False, True),
        ("result_is_error = false", False, True),
        ("result_is_error = true", False, False),
        ('result_of = "bash"', False, True),
        ('result_of = "python"', False, False),
        ("results = 0", True, False),
        ("results = 1", False, True),
        ('system_contains = "brief"', True, True),
        ('system_contains = "long"', False, False),
        ("streaming = true", False, True),
        ("streaming = false", True, False),
        ("thinking = true", False, True),
        ('tool = "bash"', False, True),
        ('beta = "files-api-2025-04-14"', False, True),
        ('model = "claude-haiku-4-5"', True, True),
        ('has = ["tools", "stream"]', False, True),
        ('lacks = ["tools"]', True, False),
        ("", True, True),
    ],
)
def test_condition_holds_where_it_says(condition: str, asked: bool, in_loop: bool) -> None:
    """For a first question, and for a tool's result that comes back."""
    when = parse_scenario(f'[[turn]]\nwhen = {{ {condition} }}\ntext = "a"').turns[0].when
    assert (asked, in_loop) == (
        request_meets_conditions(when, make_request_view(ASKED)),
        request_meets_conditions(when, make_request_view(IN_LOOP, ("files-api-2025-04-14",))),
    )


def test_all_conditions_must_hold() -> None:
    """One that does not is enough for no."""
    when = parse_scenario('[[turn]]\nwhen = { user_contains = "kernel", streaming = true }\ntext = "a"').turns[0].when
    assert not request_meets_conditions(when, make_request_view(ASKED))


def test_an_error_among_the_results_is_seen() -> None:
    """One result with is_error makes the turn's results an error."""
    body = {
        **IN_LOOP,
        "messages": [*IN_LOOP["messages"][:2], {"role": "user", "content": [{**RESULT, "is_error": True}]}],
    }
    when = parse_scenario('[[turn]]\nwhen = { result_is_error = true }\ntext = "a"').turns[0].when
    assert request_meets_conditions(when, make_request_view(body))


def test_turns_answer_in_order_and_count_for_themselves() -> None:
    """`nth` counts the times that a turn's other conditions held, whoever answered."""
    turns = parse_scenario(
        '[[turn]]\nwhen = { user_contains = "kernel", nth = 2 }\ntext = "second"\n'
        '[[turn]]\nwhen = { nth = [3, 4] }\ntext = "third, fourth"\n'
        '[[turn]]\ntext = "else"'
    ).turns
    selection = TurnSelector(turns)
    chosen = [selection.choose_turn(make_request_view(ASKED)) for _ in range(5)]
    expected = ["else", "second", "third, fourth", "third, fourth", "else"]
    assert expected == [turn.text for turn in chosen if turn is not None]


def test_a_request_without_a_user_says_nothing() -> None:
    """A body whose only message is the assistant's has no user text and no results."""
    seen = make_request_view({**ASKED, "messages": [{"role": "assistant", "content": "Well"}]})
    assert ("", "", ()) == (seen.last_message_text, seen.newest_user_text, seen.tool_results)


def test_the_first_turn_with_a_weight_answers_if_none_is_drawn() -> None:
    """Whoever checks a scenario needs the same answer each time."""
    turns = parse_scenario('[[turn]]\ntext = "a"\nweight = 0.1\n[[turn]]\ntext = "b"\nweight = 0.9\n').turns
    selector = TurnSelector(turns)
    assert [turns[0], turns[0]] == [selector.choose_turn(make_request_view(ASKED)) for _ in range(2)]
