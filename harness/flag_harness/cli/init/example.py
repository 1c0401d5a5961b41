"""The agent that `flag-harness init --example` writes, for a folder that has none."""

EXAMPLE_AGENT = '''"""An agent with two feature flags: the environment variables CONCISE and THINKING."""

import os

import anthropic


def is_on(variable):
    return os.environ.get(variable) == "true"


def ask(question):
    request = {"model": "claude-haiku-4-5", "max_tokens": 4096}
    if is_on("CONCISE"):
        request["max_tokens"] = 1524 if is_on("THINKING") else 500
    if is_on("THINKING"):
        request["thinking"] = {"type": "enabled", "budget_tokens": 1024}
    messages = [{"role": "user", "content": question}]
    answer = anthropic.Anthropic().messages.create(messages=messages, **request)
    return answer.content[-1].text
'''
