"""A chat of chatlas, which streams its answers."""

import pytest
from chatlas import ChatAnthropic


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture
def chat(cassette):
    chat = ChatAnthropic(model="claude-haiku-4-5", api_key="x")
    chat.register_tool(add)
    return chat


@pytest.mark.scenario("sums")
def test_conversation(chat):
    answers = [str(chat.chat(prompt, echo="none")) for prompt in ("What is 2 + 3?", "And 4 + 5?", "Good.")]
    assert "5" in answers[0]
    assert "9" in answers[1]
    assert "Thanks" in answers[2]
