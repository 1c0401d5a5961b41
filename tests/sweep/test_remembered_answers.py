"""A sweep remembers what the simulated API answered, and answers as it would."""

from dataclasses import replace

import msgspec
import pytest

from flag_harness.clock import VirtualClock
from flag_harness.simulator import Simulator, simulate
from flag_harness.sweep import remembered_answers
from flag_harness.sweep.model import FIRST_PROMPT, SECOND_PROMPT, turn_for_request
from flag_harness.sweep.remembered_answers import RememberedAnswers
from flag_harness.wire.timeline import Request, Response

HEADERS = (("x-api-key", "offline"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json"))
WORDS = "The same words in every request. " * 800


def _request(*prompts: str, stream: bool = True) -> Request:
    body = {
        "model": "claude-haiku-4-5",
        "max_tokens": 100,
        "stream": stream,
        "system": [{"type": "text", "text": WORDS, "cache_control": {"type": "ephemeral"}}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": prompt}]} for prompt in prompts],
    }
    return Request("POST", "https://api.anthropic.com/v1/messages", HEADERS, msgspec.json.encode(body))


FIRST, SECOND, OTHER = _request(FIRST_PROMPT), _request(SECOND_PROMPT), _request("Something else", stream=False)
CONVERSATIONS = (
    ((0.0, FIRST), (1.0, SECOND)),
    ((0.0, FIRST), (1.0, SECOND), (2.0, OTHER)),
    ((0.0, FIRST), (0.0, FIRST)),
    ((0.0, FIRST), (400.0, SECOND)),
    ((0.0, FIRST), (1.0, replace(SECOND, headers=HEADERS[1:]))),
)
"""Requests and their times: the same beginning, repetitions, an expired cache, and a refused request."""


def _answers(conversation: tuple[tuple[float, Request], ...], memory: RememberedAnswers | None) -> list[Response]:
    clock = VirtualClock()
    upstream = memory.start_conversation(clock) if memory else simulate(clock=clock, hook=turn_for_request)
    answers = []
    for moment, request in conversation:
        clock.sleep(moment - clock.now())
        answers.append(upstream(request))
    return answers


def test_an_answer_from_memory_is_what_the_simulator_answers() -> None:
    """Also if the earlier requests of the conversation came from memory, and the next one does not."""
    memory = RememberedAnswers()
    for conversation in CONVERSATIONS * 2:
        assert _answers(conversation, None) == _answers(conversation, memory)


def test_a_conversation_that_came_before_is_not_simulated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the first run of each costs time."""
    memory, simulated = RememberedAnswers(), list[Request]()
    answer = Simulator.__call__
    monkeypatch.setattr(
        Simulator, "__call__", lambda self, request: (simulated.append(request), answer(self, request))[1]
    )
    for _ in range(3):
        _answers(CONVERSATIONS[0], memory)
    assert [FIRST, SECOND] == simulated


def test_a_request_in_the_same_second_is_the_same() -> None:
    """Its clock shows whole seconds, so it does not matter which run came first."""
    first, later = (((0.0, FIRST), (moment, SECOND)) for moment in (1.1, 1.9))
    memory = RememberedAnswers()
    expected = _answers(((0.0, FIRST), (1.0, SECOND)), None)
    assert [expected, expected] == [_answers(first, memory), _answers(later, memory)]


def test_a_long_sweep_forgets_its_first_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory is bounded, and answers all the same."""
    monkeypatch.setattr(remembered_answers, "MAX_REMEMBERED_ANSWERS", 1)
    memory = RememberedAnswers()
    expected = _answers(CONVERSATIONS[0], None)
    first, second, third = (_answers(CONVERSATIONS[0], memory) for _ in range(3))
    assert [expected] * 3 == [first, second, third]
    assert second[0] is not first[0]
