"""langchain's `create_agent`, streaming, with its memory in a checkpointer."""

import pytest
from langchain.agents import create_agent
from langchain_anthropic import ChatAnthropic
from langgraph.checkpoint.memory import InMemorySaver


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture
def agent(cassette):
    model = ChatAnthropic(model="claude-haiku-4-5", api_key="x", streaming=True)
    return create_agent(model, [add], checkpointer=InMemorySaver())


@pytest.mark.scenario("sums")
def test_conversation(agent):
    answers = []
    for prompt in ("What is 2 + 3?", "And 4 + 5?", "Good."):
        state = agent.invoke({"messages": [("user", prompt)]}, {"configurable": {"thread_id": "1"}})
        answers.append(state["messages"][-1].text)
    assert "5" in answers[0]
    assert "9" in answers[1]
    assert "Thanks" in answers[2]
