"""Turns with a weight: random answers from a seed, the same in both arms of a comparison."""

import json
from collections import Counter

import pytest

from flag_harness.simulator import parse_scenario, simulate
from flag_harness.wire.message import parse_response
from flag_harness.wire.timeline import Request

PAIRED = """
[[turn]]
when = { user_contains = "strict" }
weight = 0.8
text = "good"

[[turn]]
when = { user_contains = "strict" }
weight = 0.2
text = "bad"

[[turn]]
weight = 0.95
text = "good"

[[turn]]
weight = 0.05
text = "bad"
"""
UNPAIRED = "paired = false\n" + PAIRED


def _answers(scenario: str, text: str, *draws: object, arm: str = "", requests: int = 1) -> list[str]:
    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": text}]}
    headers = (("x-api-key", "k"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json"))
    request = Request("POST", "https://api.anthropic.com/v1/messages", headers, json.dumps(body).encode())
    simulator = simulate(parse_scenario(scenario), draws=draws, arm=arm)
    return [parse_response(simulator(request)).blocks[0]["text"] for _ in range(requests)]


def test_turns_are_drawn_as_often_as_their_weights_say() -> None:
    """Of 1,000 repetitions, 19 of 20 are good."""
    counts = Counter(_answers(PAIRED, "Hello.", "test", number)[0] for number in range(1000))
    assert counts["good"] / 1000 == pytest.approx(0.95, abs=0.015)


def test_both_arms_draw_the_same_number_even_if_a_flag_edits_the_body() -> None:
    """What fails without the flag fails with it too, and only then can the flag break more."""
    pairs = Counter(
        (_answers(PAIRED, "Hello.", number)[0], _answers(PAIRED, "Hello, strict.", number)[0]) for number in range(200)
    )
    assert {("good", "good"), ("good", "bad"), ("bad", "bad")} == set(pairs)


def test_a_scenario_that_is_not_paired_draws_for_each_arm() -> None:
    """As with a live model, an arm may pass where the other fails, in both directions."""
    pairs = Counter(
        (_answers(UNPAIRED, "strict", n, arm="off")[0], _answers(UNPAIRED, "strict", n, arm="on")[0])
        for n in range(100)
    )
    assert 4 == len(pairs)


def test_a_test_draws_anew_for_each_of_its_requests_and_the_same_in_each_run() -> None:
    """The index of the request counts, so that an agent's second question is not the first one again."""
    first = _answers(PAIRED, "strict", "test", 0, requests=40)
    assert {"good", "bad"} == set(first)
    assert first == _answers(PAIRED, "strict", "test", 0, requests=40)
    assert first != _answers(PAIRED, "strict", "test", 1, requests=40)


def test_a_turn_without_weight_that_comes_first_always_answers() -> None:
    """Weights matter only if the first turn that matches has one."""
    certain = '[[turn]]\ntext = "certain"\n' + PAIRED
    assert {"certain"} == {_answers(certain, "Hello.", number)[0] for number in range(50)}
