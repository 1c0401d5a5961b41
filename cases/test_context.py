"""Context: sessions that are saved, killed, restored in another process, and continued."""

import contextlib
import copy
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flag_harness.conformance import details
from flag_harness.conformance.damage import DAMAGES
from flag_harness.conformance.successor import next_request_elsewhere, save_forever, start_process
from flag_harness.conformance.support import BUDGET_MODEL, Conversation, cache_marks
from flag_harness.errors import ContextError
from flag_harness.flag import EXTENDED_OUTPUT, PROMPT_CACHE, STREAMING
from flag_harness.reference import (
    AgentError,
    ConversationContext,
    RestoreNote,
    ToolResult,
    ToolUse,
    TurnEnded,
    find_repairs_of_saved_context,
    function_tool,
    load_context,
    save_context,
)

KILLS = 2
"""The number of processes that are killed while they write a session."""

PATIENCE = 30
"""The most seconds until a process that saves sessions has written one, even on a slow machine."""

CORRUPT = (b"", b"{", b"null", b'{"version": 1}')
"""Contents of a session file that a crash of another program could leave."""

EDITS = (
    (b'"version": 1', b'"version": 2'),
    (b'"version": 1', b'"version": 0'),
    (b'"role": "user"', b'"role": "tool"'),
    (b'"text": ', b'"words": '),
    (b'"input_tokens": 0', b'"input_tokens": -1'),
    (b'"input_tokens": 0', b'"input_tokens": NaN'),
    (b'"model"', b'"models"'),
)
"""Replacements (old text, new text) after which a session file is no longer valid."""

pytestmark = [pytest.mark.features("context"), pytest.mark.scenario("context")]


@pytest.mark.features("integration")
@pytest.mark.asyncio
async def test_restart(cassette: Any, start: Callable[..., Conversation], commands: list[str], tmp_path: Path) -> None:
    """A new process that restores the session sends the same bytes as a process that was not stopped."""
    conversation = start()
    await conversation.send("Please keep this.")
    conversation.agent.save(tmp_path / "context.json")
    await conversation.send("Now go on.")

    body = next_request_elsewhere(tmp_path / "context.json", "Now go on.", commands)
    expected = cassette.exchanges[-1][0].body
    assert expected == body, "the next request's body is byte-identical to the uninterrupted one"


@pytest.mark.harness_no_request
def test_crash_safe(cassette: Any, tmp_path: Path) -> None:
    """If a save is killed, the file has the old session or the new one; a corrupt file is refused, not changed."""
    path = tmp_path / "context.json"
    for _ in range(KILLS):
        kill_while_it_saves(path)
        session = session_or_error(path)
        assert isinstance(session, ConversationContext), (
            "the file holds the old session or the new one, never half of one"
        )
        blocks = [message["content"] for message in session.messages if message["role"] == "assistant"]
        assert len(blocks) in (1, 400), "the session is complete"
        assert {"type", "text"} == set(blocks[0][0]), "SDK objects are saved in the API's form"

    details.check_half_character(path.with_name("half.json"))
    whole = path.read_bytes()
    edited = [whole.replace(before, after, 1) for before, after in EDITS]
    for corrupt in (*CORRUPT, whole[: len(whole) // 2], *edited):
        path.write_bytes(corrupt)
        assert "context.json" in str(session_or_error(path)), "a corrupt file is refused, by its name"
        assert corrupt == path.read_bytes(), "a corrupt file stays unchanged"


def kill_while_it_saves(path: Path) -> None:
    """Start a process that saves sessions forever, and kill it as soon as it overwrites what it has saved before."""
    saving = start_process(save_forever, path)
    deadline = time.monotonic() + PATIENCE
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.001)
    before = write_traces(path)
    while before == write_traces(path) and time.monotonic() < deadline:
        pass
    saving.kill()
    saving.join()


def write_traces(path: Path) -> tuple[list[str], int | None]:
    """Return what changes while the file is written: the names of files in its folder, and its size."""
    names, size = sorted(os.listdir(path.parent)), None
    with contextlib.suppress(FileNotFoundError):
        size = path.stat().st_size
    return names, size


def session_or_error(path: Path) -> ConversationContext | str:
    """Return the session in a file, or the message of the error with which the file is refused."""
    try:
        return load_context(path)
    except ContextError as error:
        return str(error)


@pytest.mark.asyncio
async def test_pending_tool_use(
    cassette: Any,
    start: Callable[..., Conversation],
    resume: Callable[[Path], Conversation],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A session saved between a call and its result is repaired: the call gets a result, and the model is told."""
    path = tmp_path / "context.json"
    first = start(context_path=path, model=BUDGET_MODEL)
    interrupted = first.agent.send("Please keep this.")
    async for event in interrupted:
        if isinstance(event, ToolUse):
            break
    await interrupted.aclose()

    part = path.with_name(f".{path.name}.{16 * 'a'}.part")
    part.write_text("half")
    os.utime(part, (0, 0))
    conversation = resume(path)
    assert not part.exists(), "the partial file of a killed process is removed"
    await conversation.send("Now go on.")
    assistant, user = cassette.bodies[1]["messages"][1:3]
    calls = [block["id"] for block in assistant["content"] if block["type"] == "tool_use"]
    assert calls, "the model's call is kept"
    answers = [block["tool_use_id"] for block in user["content"] if block["type"] == "tool_result"]
    assert calls == answers, "no call is left without a result"
    assert all(block.get("is_error") for block in user["content"] if block["type"] == "tool_result"), (
        "no result is invented"
    )
    notes = [event.text for event in conversation.events_of(RestoreNote)]
    texts = [block["text"] for block in user["content"] if block["type"] == "text"]
    assert [*notes, "Now go on."] == texts, "the note comes before the user's text"
    assert all(any(id in text for id in calls) for text in notes), "the note names the call"
    assert 1 == len(notes), "the model is told what was repaired"
    assert not conversation.events_of(AgentError), "the session goes on"
    if not cassette.is_live:
        await first.send("Now go on.")
        assert any("healed" in record.getMessage() for record in first.sends[-1].records), (
            "a cancelled turn is repaired"
        )
        await _check_calls_in_between(cassette, start, resume, path)
        monkeypatch.setenv(EXTENDED_OUTPUT.env, "true")
        await _check_damages(start, resume, path)


async def _check_calls_in_between(
    cassette: Any, start: Callable[..., Conversation], resume: Callable[[Path], Conversation], path: Path
) -> None:
    """Check that a call that had started is not run again, and that a call that had finished keeps its result."""
    earlier = path.with_name("copy.json")

    async def note(**input: Any) -> str:
        shutil.copy(path, earlier)
        return "noted"

    conversation = start(context_path=path, tools=[function_tool("note", "Note.", {"type": "object"}, note)])
    turn = conversation.agent.send("Please note this.")
    async for event in turn:
        if isinstance(event, ToolResult):
            break
    await turn.aclose()
    for file, said in ((earlier, "may or may not have taken effect"), (path, "noted")):
        conversation = resume(file)
        await conversation.send("Now go on.")
        (result,) = (one for one in cassette.bodies[-1]["messages"][2]["content"] if one["type"] == "tool_result")
        assert said in result["content"], "the model is told how far the call had come"
        assert (said != "noted") == ("is_error" in result), "a finished call keeps its result"


async def _check_damages(
    start: Callable[..., Conversation], resume: Callable[[Path], Conversation], path: Path
) -> None:
    """Check that the agent repairs each kind of damage to a saved conversation, and tells the model."""
    conversation = start(context_path=path, model=BUDGET_MODEL)
    await conversation.send("Please keep this.")
    for words, damage in DAMAGES.items():
        whole = conversation.agent.context
        damaged = path.with_name("damaged.json")
        save_context(replace(whole, messages=tuple(damage(copy.deepcopy([*whole.messages])))), damaged)
        assert any(words in note for note in find_repairs_of_saved_context(damaged)), "the repair is announced"
        resumed = resume(damaged)
        await resumed.send("Now go on.")
        assert words in resumed.events_of(RestoreNote)[0].text, "the model is told what was repaired"
        assert isinstance(resumed.events[-1], TurnEnded), f"a damaged session goes on: {words}"


@pytest.mark.flags(streaming=True, prompt_cache=True, extended_output=True)
@pytest.mark.asyncio
async def test_flags_changed(
    cassette: Any,
    start: Callable[..., Conversation],
    resume: Callable[[Path], Conversation],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """A restored session continues under other flags, and the model is told which; without a change it is not."""
    first = start()
    await first.send("Please keep this.")
    first.agent.save(tmp_path / "context.json")

    same = resume(tmp_path / "context.json")
    await same.send("Now go on.")
    assert not same.events_of(RestoreNote), "under the same flags there is no transition prompt"
    same.agent.save(tmp_path / "context.json")

    for flag in (STREAMING, PROMPT_CACHE, EXTENDED_OUTPUT):
        monkeypatch.delenv(flag.env)
    changed = resume(tmp_path / "context.json")
    await changed.send("Now, and then?")
    notes = [event.text for event in changed.events_of(RestoreNote)]
    assert 1 == len(notes), "under other flags there is a transition prompt"
    last = cassette.bodies[-1]
    assert [*notes, "Now, and then?"] == [block["text"] for block in last["messages"][-1]["content"]], (
        "the note comes before the user's text"
    )
    assert all(name in notes[0] for name in ("streaming", "prompt_cache", "extended_output")), "it says what changed"
    assert not {"stream", "thinking", "output_config"} & last.keys(), "the new flags are in force"
    assert not cache_marks(last), "the new flags are in force"
    assert not changed.events_of(AgentError), "the session goes on"
    assert 7 == len(last["messages"]), "nothing that was said is lost"

    changed.agent.save(tmp_path / "context.json")
    for flag in (STREAMING, EXTENDED_OUTPUT):
        monkeypatch.setenv(flag.env, "YES")
    back = resume(tmp_path / "context.json")
    await back.send("Now go on.")
    (note,) = back.events_of(RestoreNote)
    assert "Switched on since: streaming, extended_output." in note.text, "it says what is on"
    assert "Switched off" not in note.text, "and nothing else"
