"""The SDK's `tool_runner`, with its defaults."""

import anthropic
import pytest
from anthropic import beta_tool


@beta_tool
def add(a: int, b: int) -> str:
    """Add two numbers."""
    return str(a + b)


class Agent:
    """A conversation that is kept between prompts."""

    def __init__(self) -> None:
        self._client, self._messages = anthropic.Anthropic(api_key="x"), []

    def ask(self, prompt: str) -> str:
        """Return the answer to a prompt, after the tools that the model calls."""
        self._messages.append({"role": "user", "content": prompt})
        runner = self._client.beta.messages.tool_runner(
            model="claude-haiku-4-5", max_tokens=1024, tools=[add], messages=self._messages
        )
        answer = runner.until_done()
        self._messages.append({"role": "assistant", "content": answer.content})
        return answer.content[-1].text


@pytest.fixture
def agent(cassette):
    return Agent()


@pytest.mark.scenario("sums")
def test_conversation(agent):
    assert "5" in agent.ask("What is 2 + 3?")
    assert "9" in agent.ask("And 4 + 5?")
    assert "Thanks" in agent.ask("Good.")
