"""An agent of agno, which keeps its session in memory and streams nothing."""

import pytest
from agno.agent import Agent
from agno.db.in_memory import InMemoryDb
from agno.models.anthropic import Claude


def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


@pytest.fixture
def agent(cassette):
    model = Claude(id="claude-haiku-4-5", api_key="x")
    return Agent(model=model, tools=[add], db=InMemoryDb(), add_history_to_context=True, telemetry=False)


@pytest.mark.scenario("sums")
def test_conversation(agent):
    answers = [agent.run(prompt, session_id="1").content for prompt in ("What is 2 + 3?", "And 4 + 5?", "Good.")]
    assert "5" in answers[0]
    assert "9" in answers[1]
    assert "Thanks" in answers[2]
