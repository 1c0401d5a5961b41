"""Context: sessions that are saved, killed, restored elsewhere, and gone on with."""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flag_harness.conformance.stage import Talk, cache_marks
from flag_harness.errors import ContextError
from flag_harness.flags import EXTENDED_OUTPUT, PROMPT_CACHE, STREAMING
from flag_harness.reference import AgentError, Context, ToolUse, Transition, load_context

SUCCESSOR = [sys.executable, "-m", "flag_harness.conformance.successor"]
KILLS = 2
"""Processes that are killed in the middle of a write."""

PATIENCE = 30
"""Seconds in which a process that saves for ever will have written something, on any machine."""

CORRUPT = (b"", b"{", b"null", b'{"version": 1}')
"""What a file may hold after a crash of something else."""

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
    for _ in range(KILLS):
        kill_while_it_saves(path)
        session = loaded(path)
        assert isinstance(session, Context), "the file holds the old session or the new one, never half of one"
        blocks = [message["content"] for message in session.messages if message["role"] == "assistant"]
        assert len(blocks) in (1, 400), "the session is whole"
        assert {"type", "text"} == set(blocks[0][0]), "SDK objects are saved as the API takes them"

    whole = path.read_bytes()
    for corrupt in (*CORRUPT, whole[: len(whole) // 2]):
        path.write_bytes(corrupt)
        assert "context.json" in str(loaded(path)), "a corrupt file is refused, by its name"
        assert corrupt == path.read_bytes(), "a corrupt file is left for its owner to look at"


def kill_while_it_saves(path: Path) -> None:
    """Start a process that saves for ever, and kill it as soon as it is seen to write."""
    with subprocess.Popen([*SUCCESSOR, "save", str(path)], stdout=subprocess.PIPE) as saving:
        assert saving.stdout is not None
        saving.stdout.readline()
        before, deadline = traces(path), time.monotonic() + PATIENCE
        while before == traces(path) and time.monotonic() < deadline:
            pass
        saving.kill()


def traces(path: Path) -> tuple[list[str], int | None]:
    """What a write changes, wherever it writes to: the names beside the file, and its size."""
    names, size = sorted(os.listdir(path.parent)), None
    with contextlib.suppress(FileNotFoundError):
        size = path.stat().st_size
    return names, size


def loaded(path: Path) -> Context | str:
    """The session in a file, or the words in which it was refused."""
    try:
        return load_context(path)
    except ContextError as error:
        return str(error)


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
    assert called, "what the model did is not taken back"
    answered = [block["tool_use_id"] for block in user["content"] if block["type"] == "tool_result"]
    assert called == answered, "no id is left an orphan"
    assert all(block.get("is_error") for block in user["content"] if block["type"] == "tool_result"), (
        "nothing is made up"
    )
    told = [event.text for event in conversation.of(Transition)]
    texts = [block["text"] for block in user["content"] if block["type"] == "text"]
    assert [*told, "Now go on."] == texts, "the model is told before the user speaks"
    assert all(any(id in text for id in called) for text in told), "it says which call was healed"
    assert 1 == len(told), "the model is told what was healed"
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
    told = [event.text for event in changed.of(Transition)]
    assert 1 == len(told), "under other flags there is a transition prompt"
    last = cassette.bodies[-1]
    assert [*told, "Now, and then?"] == [block["text"] for block in last["messages"][-1]["content"]], (
        "the prompt stands before what the user says"
    )
    assert all(name in told[0] for name in ("streaming", "prompt_cache", "extended_output")), "it says what changed"
    assert not {"stream", "thinking", "output_config"} & last.keys(), "the new flags are in force"
    assert not cache_marks(last), "the new flags are in force"
    assert not changed.of(AgentError), "the session goes on"
    assert 7 == len(last["messages"]), "nothing that was said is lost"
