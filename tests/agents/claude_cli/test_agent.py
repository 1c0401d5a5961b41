"""The CLI of claude-agent-sdk, which the SDK starts as a process, with a tool of the CLI's own."""

import asyncio

import pytest
from claude_agent_sdk import ClaudeAgentOptions, ClaudeSDKClient, ResultMessage

PROMPTS = ("Write hello.txt.", "Which files are here?", "Good.")


async def talk(folder):
    """Return the result of each prompt."""
    options = ClaudeAgentOptions(
        model="claude-haiku-4-5",
        cwd=folder / "work",
        permission_mode="bypassPermissions",
        setting_sources=[],
        env={
            "ANTHROPIC_API_KEY": "x",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CONFIG_DIR": str(folder / "config"),
            "IS_SANDBOX": "1",
        },
    )
    results = []
    async with ClaudeSDKClient(options) as client:
        for prompt in PROMPTS:
            await client.query(prompt)
            results += [one async for one in client.receive_response() if isinstance(one, ResultMessage)]
    return results


@pytest.mark.scenario("shell")
def test_conversation(cassette_server, tmp_path):
    (tmp_path / "work").mkdir()
    results = asyncio.run(talk(tmp_path))
    assert not any(result.is_error for result in results)
    assert "Thanks" in results[-1].result
