"""Context: sessions that are saved, killed, restored elsewhere, and gone on with."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.agent import AgentError, ToolUse, Transition, load
from harness.conformance.stage import Talk
from harness.errors import ContextError
from harness.flags import EXTENDED_OUTPUT, PROMPT_CACHE, STREAMING

SUCCESSOR = [sys.executable, "-m", "harness.conformance.successor"]
KILLS = 3
"""Processes that are killed while they save, each a little later than the one before."""

pytestmark = [pytest.mark.features("context"), pytest.mark.scenario("context")]


@pytest.mark.features("integration")
@pytest.mark.asyncio
async def test_restart(cassette: Any, talk: Callable[..., Talk], commands: list[str], tmp_path: Path) -> None:
    """A new process that restores the session sends, byte for byte, the request of the one that was never stopped."""
    conversation = talk()
    await conversation.say("Please keep this.")
    conversation.agent.save(tmp_path / "context.json")
    await conversation.say("Now go on.")

    command = [*SUCCESSOR, "next", str(tmp_path / "context.json"), "Now go on.", *commands]
    restarted = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    body, _ = await restarted.communicate()
    unbroken = cassette.exchanges[-1][0].body
    assert unbroken == body, "the next request's body is byte-identical to the unbroken one"


@pytest.mark.harness_no_request
def test_crash_safe(cassette: Any, tmp_path: Path) -> None:
    """Killed while it saves, a session is the old one or the new one; a corrupt file is refused and changes nothing."""
    path = tmp_path / "context.json"
    for kill in range(KILLS):
        with subprocess.Popen([*SUCCESSOR, "save", str(path)], stdout=subprocess.PIPE) as saving:
            assert saving.stdout is not None
            saving.stdout.readline()
            time.sleep(0.003 * kill)
            saving.kill()
        blocks = [message["content"] for message in load(path).messages if message["role"] == "assistant"]
        assert len(blocks) in (1, 400), "the file holds the old session or the new one"
        assert {"type", "text"} == set(blocks[0][0]), "SDK objects are saved as the API takes them"

    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ContextError, match=r"context\.json"):
        load(path)
    assert whole[: len(whole) // 2] == path.read_bytes(), "a corrupt file is left for its owner to look at"


@pytest.mark.asyncio
async def test_pending_tool_use(
    cassette: Any, talk: Callable[..., Talk], resume: Callable[[Path], Talk], tmp_path: Path
) -> None:
    """Saved between a call and its result, a session is healed: no id is left an orphan, and the model is told."""
    path = tmp_path / "context.json"
    interrupted = talk(context_path=path).agent.send("Please keep this.")
    async for event in interrupted:
        if isinstance(event, ToolUse):
            break
    await interrupted.aclose()

    conversation = resume(path)
    await conversation.say("Now go on.")
    assistant, user = cassette.bodies[1]["messages"][1:3]
    called = [block["id"] for block in assistant["content"] if block["type"] == "tool_use"]
    answered = [block["tool_use_id"] for block in user["content"] if block["type"] == "tool_result"]
    assert called == answered, "no id is left an orphan"
    assert all(block["is_error"] for block in user["content"] if block["type"] == "tool_result"), "nothing is made up"
    (told,) = conversation.of(Transition)
    assert any(told.text == block.get("text") for block in user["content"]), "the model is told what was healed"
    assert not conversation.of(AgentError), "the session goes on"


@pytest.mark.flags(streaming=True, prompt_cache=True, extended_output=True)
@pytest.mark.asyncio
async def test_flags_changed(
    cassette: Any,
    talk: Callable[..., Talk],
    resume: Callable[[Path], Talk],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Restored under other flags, a session goes on and the model is told which; under the same ones it is not."""
    first = talk()
    await first.say("Please keep this.")
    first.agent.save(tmp_path / "context.json")

    same = resume(tmp_path / "context.json")
    await same.say("Now go on.")
    assert not same.of(Transition), "under the same flags there is no transition prompt"
    same.agent.save(tmp_path / "context.json")

    for flag in (STREAMING, PROMPT_CACHE, EXTENDED_OUTPUT):
        monkeypatch.delenv(flag.env)
    changed = resume(tmp_path / "context.json")
    await changed.say("Now, and then?")
    (told,) = changed.of(Transition)
    assert all(name in told.text for name in ("streaming", "prompt_cache", "extended_output")), "it says what changed"
    assert "stream" not in cassette.bodies[-1], "the new flags are in force"
    assert not changed.of(AgentError), "the session goes on"
    texts = [block["text"] for block in cassette.bodies[-1]["messages"][-1]["content"]]
    assert [told.text, "Now, and then?"] == texts, "the prompt stands before what the user says"
