"""Sample repositories, each a mapping from paths to texts."""

from collections.abc import Mapping
from pathlib import Path


def lay_out(folder: Path, sample: Mapping[str, str]) -> None:
    """Write the files of a sample."""
    for name, text in sample.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")


ASYNC_BOT = {
    "pyproject.toml": '[project]\nname = "bot"\nversion = "1.0"\n',
    "src/bot/__init__.py": "",
    "src/bot/agent.py": """
import os

from anthropic import AsyncAnthropic

class SupportBot:
    def __init__(self, client: AsyncAnthropic | None = None) -> None:
        self.client = client or AsyncAnthropic()
        self.messages = []

    async def reply(self, text: str) -> str:
        self.messages.append({"role": "user", "content": text})
        return (await self._ask()).content[-1].text

    async def _ask(self):
        extra = {}
        if os.environ.get("BOT_THINKING") == "on":
            extra["thinking"] = {"type": "enabled", "budget_tokens": 1024}
        if os.getenv("BOT_STREAMING", "1") != "0":
            extra["metadata"] = {"user_id": "u1"}
        return await self.client.messages.create(
            model="claude-haiku-4-5", max_tokens=4096, messages=self.messages, **extra
        )
""",
}
COMMAND_LINE_AGENT = {
    "agent.py": """
import os, sys
import anthropic

def main():
    client = anthropic.Anthropic()
    streaming = os.environ.get("ENABLE_STREAMING", "").lower() in ("true", "1")
    cache = bool(os.getenv("USE_CACHE"))
    messages = [{"role": "user", "content": sys.argv[1]}]
    print(client.messages.create(model=os.environ["MODEL"], max_tokens=9, messages=messages))

if __name__ == "__main__":
    main()
""",
}
ARGPARSE_AGENT = {
    "ask.py": """
import argparse
import anthropic
def answer(question, fast, cache):
    body = {"system": "Be brief."} if cache else {}
    messages = [{"role": "user", "content": question}]
    limit = 100 if fast else 200
    answer = anthropic.Anthropic().messages.create(
        model="claude-haiku-4-5", max_tokens=limit, messages=messages, **body
    )
    return answer.content[0].text

def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("question")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--fast", action="store_true")
    group.add_argument("--deep", action="store_true")
    group.add_argument("--safe", action="store_false")
    parser.add_argument("--cache", "-c", action="store_true")
    parser.add_argument("--no-cache", "-n", dest="cache", action="store_false")
    parser.set_defaults(cache=True)
    parser.add_argument("--no-color", action="store_true")
    args = parser.parse_args(argv)
    print(answer(args.question, args.fast, args.cache))

if __name__ == "__main__":
    main()
""",
}
VCR_SUITE = {
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
    "ask.py": """
import os
import anthropic

def ask(question, client=None):
    long = os.environ.get("LONG_ANSWERS")
    return anthropic.Anthropic().messages.create(
        model="claude-haiku-4-5", max_tokens=200 if long else 100, messages=[{"role": "user", "content": question}]
    )
""",
    "tests/test_ask.py": "import pytest\n@pytest.mark.vcr\ndef test_ask(): pass\n",
}
LAUNCHDARKLY_PACKAGE = {
    "pyproject.toml": '[tool.pytest.ini_options]\npythonpath = ["."]\n',
    "tests/test_other.py": "",
    "assist/__init__.py": "",
    "assist/agent.py": """
import anthropic
import ldclient

def summarize(client: anthropic.Anthropic, text: str) -> str:
    brief = ldclient.get().variation("brief-summaries", ldclient.Context.create("u"), False)
    polite = ldclient.get().variation("polite", ldclient.Context.create("u"), True)
    return client.messages.create(model="claude-haiku-4-5", max_tokens=100 if brief else 1000, messages=[])
""",
}
NODE_AGENT = {
    "package.json": '{"type": "module"}',
    "agent.mjs": """
const client = { messages: { create: async (body) => (await fetch(process.env.ANTHROPIC_BASE_URL + "/v1/messages", {
  method: "POST", body: JSON.stringify(body),
  headers: { "x-api-key": "none", "anthropic-version": "2023-06-01", "content-type": "application/json" },
})).json() } };
const max_tokens = process.env.LONG_ANSWERS === "true" ? 2000 : 200;
const messages = [{ role: "user", content: process.argv[2] }];
const message = await client.messages.create({ model: "claude-haiku-4-5", max_tokens, messages });
console.log(message.content[0].text);
""",
}
