"""A tool loop around LiteLLM's `completion`, in OpenAI's format."""

import json

import litellm
import pytest

ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}


def run_call(call):
    values = json.loads(call.function.arguments)
    return {"role": "tool", "tool_call_id": call.id, "content": str(values["a"] + values["b"])}


def ask(messages, prompt):
    """Add a prompt and the answers to the messages; return the text of the last answer."""
    messages.append({"role": "user", "content": prompt})
    while True:
        answer = litellm.completion(
            model="anthropic/claude-haiku-4-5", api_key="x", messages=messages, tools=[ADD], num_retries=2
        )
        message = answer.choices[0].message
        messages.append(message.model_dump())
        if not message.tool_calls:
            return message.content
        messages.extend(map(run_call, message.tool_calls))


@pytest.mark.scenario("sums")
def test_conversation(cassette):
    messages = []
    assert "5" in ask(messages, "What is 2 + 3?")
    assert "9" in ask(messages, "And 4 + 5?")
    assert "Thanks" in ask(messages, "Good.")
