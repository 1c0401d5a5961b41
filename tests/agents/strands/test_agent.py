"""An agent of Strands Agents, which streams its answers."""

import pytest
from strands import Agent, tool
from strands.models.anthropic import AnthropicModel


@tool
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@pytest.fixture
def agent(cassette):
    model = AnthropicModel(client_args={"api_key": "x"}, model_id="claude-haiku-4-5", max_tokens=1024)
    return Agent(model=model, tools=[add], callback_handler=None)


@pytest.mark.scenario("sums")
def test_conversation(agent):
    answers = [str(agent(prompt)) for prompt in ("What is 2 + 3?", "And 4 + 5?", "Good.")]
    assert "5" in answers[0]
    assert "9" in answers[1]
    assert "Thanks" in answers[2]
