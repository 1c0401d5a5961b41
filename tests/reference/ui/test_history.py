"""Restored conversations on the page, recordings as upstreams, switches, and permission for tools."""

import asyncio
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flag_harness.errors import ConfigError
from flag_harness.flag import Flag
from flag_harness.reference.context.context import ConversationContext
from flag_harness.reference.tools.function_tool import function_tool
from flag_harness.reference.ui.chat.approval import ApprovalGate, ToolWithApproval
from flag_harness.reference.ui.chat.history import transcripts_of_context
from flag_harness.reference.ui.chat.recording import RecordedTool, read_recorded_chat
from flag_harness.reference.ui.chat.transcript import NoticePart, TextPart, ToolPart
from flag_harness.reference.ui.page.switches import environ_with_values, flag_switches, flag_value_in_environment


def test_messages_of_every_shape_become_turns() -> None:
    """Plain strings, results of several blocks, thinking without text, and a conversation that starts with a call."""
    call = {"type": "tool_use", "id": "a", "name": "look", "input": {}}
    result = [{"type": "text", "text": "Seen."}, {"type": "image", "source": {}}]
    messages = (
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "", "signature": "s"}, call]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": result, "is_error": True}]},
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hi."},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "s"}]},
    )
    first, second = transcripts_of_context(ConversationContext(messages=messages), {2: [3, 4]})
    assert [ToolPart("a", "look", {}, result="Seen.\n[image]", is_error=True)] == first.parts
    assert ("Hello.", [TextPart("text", ["Hi."]), TextPart("thinking", ["Hm."])]) == (second.prompt, second.parts)


def test_a_note_to_the_model_is_not_shown_as_the_users_words() -> None:
    """Nor does it begin a turn, and the result of an earlier turn's call stays with that call."""
    note = "This session was saved and restored.\nSwitched off since: streaming."
    call = {"type": "tool_use", "id": "a", "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "a", "content": "It was interrupted.", "is_error": True}
    messages = (
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": [call]},
        {"role": "user", "content": [result, {"type": "text", "text": note}]},
        {"role": "assistant", "content": [{"type": "text", "text": "I see."}]},
        {"role": "user", "content": [{"type": "text", "text": note}, {"type": "text", "text": "Thank you."}]},
    )
    first, second = transcripts_of_context(ConversationContext(messages=messages), {1: [1, 2], 2: [3]})
    told = NoticePart("info", f"The model was told: {note}")
    seen = ToolPart("a", "look", {}, result="It was interrupted.", is_error=True)
    assert ("Look.", [seen, told, TextPart("text", ["I see."])], [1, 2]) == (
        first.prompt,
        first.parts,
        first.request_numbers,
    )
    assert ("Thank you.", told, [3]) == (second.prompt, second.parts[0], second.request_numbers)
    assert second.parts[1].text.startswith("Interrupted: the server ended")


def test_a_recorded_tool_gives_each_result_once() -> None:
    """In the order of the recording; a call that was not recorded is an error for the model."""
    tool = RecordedTool({"name": "look", "input_schema": {"type": "object"}}, [({"at": 1}, "a"), ({"at": 1}, "b")])
    assert {"type": "object"} == tool.input_schema
    assert ["a", "b"] == [asyncio.run(tool.run({"at": 1})) for _ in range(2)]
    with pytest.raises(LookupError, match="no further result of look"):
        asyncio.run(tool.run({"at": 1}))


def test_a_cassette_without_messages_says_its_combination_only(tmp_path: Path) -> None:
    """As one of requests that only list models."""
    root = Path(__file__).parents[3]
    document = json.loads((root / "recordings" / "matrix" / "off.json").read_text())
    document["interactions"] = []
    path = tmp_path / "empty.json"
    path.write_text(json.dumps(document))
    recorded = read_recorded_chat(path)
    assert ("off", "", ()) == (recorded.combination, recorded.prompt, recorded.tools)


def test_plain_prompts_and_results_of_a_cassette_are_read(tmp_path: Path) -> None:
    """Messages may be strings; cache marks are no part of a tool's definition."""
    root = Path(__file__).parents[3]
    document = json.loads((root / "recordings" / "matrix" / "off.json").read_text())
    body = document["interactions"][0]["request"]["json"]
    body["messages"] = [{"role": "user", "content": "Hi."}]
    body["tools"][0]["cache_control"] = {"type": "ephemeral"}
    path = tmp_path / "plain.json"
    path.write_text(json.dumps(document))
    recorded = read_recorded_chat(path)
    assert "Hi." == recorded.prompt
    assert "cache_control" not in recorded.tools[0].definition


def test_declared_flags_are_switches_beside_those_of_the_agent(tmp_path: Path) -> None:
    """Flags that are read from elsewhere than a variable cannot be switched on a page."""
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text(
        '[tool.flag-harness.flags]\nfast = "FAST"\nstreaming = "ENABLE_STREAMING"\n'
        'ranker = { openfeature = "ranker" }\n'
    )
    switches = {switch.flag.name: switch.explanation for switch in flag_switches(pyproject)}
    assert ["fast", "streaming", "prompt_cache", "extended_output"] == list(switches)
    assert "Sets FAST" in switches["fast"]
    assert "shown as they come" in switches["streaming"]
    pyproject.write_text("[tool.flag-harness]\nnonsense = 1\n")
    with pytest.raises(ConfigError):
        flag_switches(pyproject)


def test_switches_and_numbers_become_variables() -> None:
    """A flag that is off, and a number that is empty, leave no variable."""
    flag, level = Flag("fast", "FAST"), Flag("level", "LEVEL", values=("low", "high"), default="low")
    environ = {"PATH": "/bin", "FAST": "true", "MAX_TOKENS": "9"}
    assert {"PATH": "/bin", "LEVEL": "high"} == environ_with_values(
        environ, {flag: False, level: "high"}, {"MAX_TOKENS": ""}
    )
    assert "low" == flag_value_in_environment(level, {"LEVEL": "nonsense"})


def test_a_gate_that_is_off_lets_calls_pass() -> None:
    """An answer that nobody waits for does nothing."""
    gate = ApprovalGate(is_on=False)
    tool = ToolWithApproval(function_tool("add", "Add.", {"type": "object"}, lambda: 4), gate)
    assert "4" == asyncio.run(tool.run({}))
    gate.answer(allow=True)
    assert ("add", "Add.", None) == (tool.name, tool.definition["description"], tool.beta)


def test_only_the_first_answer_to_a_call_counts() -> None:
    """A second click comes too late."""

    async def click_twice() -> str:
        gate = ApprovalGate(is_on=True)
        tool = ToolWithApproval(function_tool("add", "Add.", {"type": "object"}, lambda: 4), gate)
        running = asyncio.ensure_future(tool.run({}))
        await asyncio.sleep(0)
        assert gate.pending_call
        assert "add" == gate.pending_call.name
        gate.answer(allow=True)
        gate.answer(allow=False)
        return await running

    assert "4" == asyncio.run(click_twice())


def test_the_sidebar_shows_choices_sessions_and_tools(
    open_page: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flag with several values is a list; saved sessions can be opened, and a new one started."""
    (tmp_path / "pyproject.toml").write_text(
        '[tool.flag-harness.flags]\nlevel = { env = "LEVEL", values = ["low", "high"], default = "low" }\n'
    )
    monkeypatch.setenv("LEVEL", "high")
    page = open_page('[[turn]]\ntext = "Hello."')
    assert "high" == page.selectbox(key="level-one").value
    page.chat_input[0].set_value("Hi").run()
    page.button(key="new").click().run()
    assert ["one"] != page.query_params["session"]
    assert page.main.get("text")[0].value.startswith("Write a message below.")
    page.selectbox(key="saved").select("one").run()
    assert ["Hi", "Hello."] == [one.value for one in page.main.get("text")]


def test_the_sidebar_says_what_flags_change_in_recordings(
    open_page: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A project without recordings is told so."""
    page = open_page('[[turn]]\ntext = "Hello."')
    page.button(key="changes").click().run()
    assert "holds no recordings" in page.sidebar.get("code")[0].value
    shutil.copytree(Path(__file__).parents[3] / "recordings" / "matrix", tmp_path / "recordings")
    page.button(key="changes").click().run()
    assert "streaming        stream: nothing" in page.sidebar.get("code")[0].value


def test_an_address_without_a_valid_session_starts_a_new_one(open_page: Callable[..., Any]) -> None:
    """It cannot lead out of the folder of sessions."""
    page = open_page('[[turn]]\ntext = "Hello."')
    page.query_params["session"] = "../one"
    page.run()
    assert ["../one"] != page.query_params["session"]


def test_many_turns_are_shown_from_the_latest_on(open_page: Callable[..., Any], tmp_path: Path) -> None:
    """A switch shows the others."""
    messages = [{"role": role, "content": f"{role} {number}"} for number in range(32) for role in ("user", "assistant")]
    document = {"version": 1, "harness": "0.1.0", "model": "claude-haiku-4-5", "combination": "off", "dropped": []}
    folder = tmp_path / "sessions"
    folder.mkdir()
    (folder / "one.json").write_text(json.dumps({**document, "usage": {}, "ledger": {}, "messages": messages}))
    page = open_page('[[turn]]\ntext = "Hello."')
    assert "user 2" == page.main.get("text")[0].value
    page.toggle(key="all").set_value(True).run()
    assert "user 0" == page.main.get("text")[0].value


def test_a_prompt_during_a_turn_of_another_tab_is_not_lost(
    open_page: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page shows that turn, says that the prompt was not sent, and has it in the field."""
    from flag_harness.reference.ui.page import page as page_module

    page = open_page('[[turn]]\ntext = "Hello."', timing="[timing]\nfirst_token = 20\n")
    chat = page_module.chat_directory(sys.argv[1]).open("one")
    monkeypatch.setattr(page_module, "follow_turn", lambda *arguments: page_module.st.stop())
    assert chat.send("From the first tab.", {"ENABLE_STREAMING": "true"})
    page.chat_input[0].set_value("Hi").run()
    assert "another tab has just started a turn" in page.warning[0].value
    assert ("Hi", True) == (page.chat_input[0].proto.value, page.chat_input[0].proto.disabled)
    assert ["From the first tab."] == [one.value for one in page.main.get("text")]
    chat.stop()
