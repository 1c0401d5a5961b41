"""An agent of pydantic-ai, with the history of its messages kept between prompts."""

import pytest
from pydantic_ai import Agent


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture
def agent(cassette, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "x")
    return Agent("anthropic:claude-haiku-4-5", tools=[add])


@pytest.mark.scenario("sums")
def test_conversation(agent):
    history, answers = [], []
    for prompt in ("What is 2 + 3?", "And 4 + 5?", "Good."):
        run = agent.run_sync(prompt, message_history=history)
        history = run.all_messages()
        answers.append(run.output)
    assert "5" in answers[0]
    assert "9" in answers[1]
    assert "Thanks" in answers[2]
