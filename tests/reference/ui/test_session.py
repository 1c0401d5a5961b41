"""Chats: their turns run in threads of their own, can be stopped, and survive a restart."""

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flag_harness.cli import main
from flag_harness.errors import HarnessError
from flag_harness.reference.ui.chat.directory import ChatDirectory, is_chat_id, new_chat_id
from flag_harness.reference.ui.chat.recording import RecordedTool
from flag_harness.reference.ui.chat.session import ChatSession
from flag_harness.reference.ui.chat.transcript import NoticePart, TextPart, ToolPart
from flag_harness.reference.ui.options import UiOptions

OpenChat = Callable[..., ChatSession]
ENVIRON = {"ENABLE_STREAMING": "true", "PATH": "/usr/bin:/bin"}
LONG = '[[turn]]\nwhen = { user_contains = "Long" }\ntext = "a b c d e f g h i j k l m n o p q r s t u v w x y z"\n'
SLOW = "[timing]\nfirst_token = 0.05\nper_event = 0.2\n"
HELLO = '[[turn]]\ntext = "Hello."'
COMMAND = """
[[turn]]
when = { user_contains = "file" }
call = [{ name = "bash", input = { command = "echo run >> runs; sleep 5" } }]

[[turn]]
when = { result_is_error = true }
text = "It was interrupted."

[[turn]]
text = "Hello."
"""


def _wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until, "it did not happen within 20 seconds"
        time.sleep(0.01)


def _answers(chat: ChatSession) -> list[str]:
    return [part.text for turn in chat.turns for part in turn.parts if isinstance(part, TextPart)]


def _notices(chat: ChatSession) -> list[str]:
    return [part.text for turn in chat.turns for part in turn.parts if isinstance(part, NoticePart)]


def test_a_stopped_turn_leaves_the_prompt_and_not_the_answer(open_chat: OpenChat) -> None:
    """The next prompt works at once, and the file holds one turn of the user, with both prompts."""
    chat = open_chat('[[turn]]\nwhen = { user_contains = "Shorter" }\ntext = "Short."\n' + LONG, timing=SLOW)
    assert chat.send("Long, please.", ENVIRON)
    assert not chat.send("Another.", ENVIRON)
    _wait_until(lambda: _answers(chat))
    chat.stop()
    chat.stop()
    assert chat.wait_until_idle(5)
    assert chat.can_continue
    assert chat.send("Shorter.", ENVIRON)
    assert chat.wait_until_idle(20)
    assert chat.path
    messages = json.loads(chat.path.read_text())["messages"]
    assert [["Long, please.", "Shorter."], ["Short."]] == [
        [one["text"] for one in message["content"]] for message in messages
    ]
    assert _notices(chat)[0].startswith("Stopped.")


def test_a_tool_that_is_stopped_is_not_run_again(open_chat: OpenChat, tmp_path: Path) -> None:
    """The model is told with the next prompt that the call was interrupted."""
    chat = open_chat(COMMAND)
    chat.send("Write a file.", ENVIRON)
    runs = tmp_path / "sessions" / "one.files" / "runs"
    _wait_until(lambda: runs.exists() and runs.read_text())
    chat.stop()
    assert chat.wait_until_idle(10)
    chat.send("What happened?", ENVIRON)
    assert chat.wait_until_idle(20)
    assert "It was interrupted." == _answers(chat)[-1]
    assert "run\n" == runs.read_text()


def test_a_chat_is_restored_in_the_middle_of_a_tool(open_chat: OpenChat, tmp_path: Path) -> None:
    """A new process repairs what the file lacks, says so, and does not run the tool again."""
    chat = open_chat(COMMAND)
    chat.send("Write a file.", ENVIRON)
    runs = tmp_path / "sessions" / "one.files" / "runs"
    _wait_until(lambda: runs.exists() and runs.read_text())
    restored = open_chat(COMMAND)
    assert "was interrupted while it ran" in restored.notices[0]
    restored.send(None, ENVIRON)
    assert restored.wait_until_idle(20)
    assert "It was interrupted." == _answers(restored)[-1]
    assert "run\n" == runs.read_text()
    chat.stop()
    assert chat.wait_until_idle(10)


def test_the_context_commands_work_on_a_saved_chat(open_chat: OpenChat, capsys: pytest.CaptureFixture[str]) -> None:
    """`verify` finds it sound, and `restore` prints its messages."""
    chat = open_chat(HELLO)
    chat.send("Hi", ENVIRON)
    assert chat.wait_until_idle(20)
    assert 0 == main(["context", "verify", str(chat.path)])
    assert 0 == main(["context", "restore", str(chat.path)])
    printed = capsys.readouterr().out
    assert "sound" in printed
    assert "user: Hi\nassistant: Hello." in printed


def test_chats_do_not_mix(make_options: Callable[..., UiOptions]) -> None:
    """Two chats of one server run at the same time, each with its own flags, file and answers."""
    directory = ChatDirectory(make_options("", file=""), ENVIRON)
    first, second = directory.open("first"), directory.open("second")
    first.send("I am the first.", ENVIRON)
    second.send("I am the second.", {"PATH": "/usr/bin:/bin"})
    assert first.wait_until_idle(20)
    assert second.wait_until_idle(20)
    assert (["I am the first."], ["I am the second."]) == (_answers(first), _answers(second))
    assert ("streaming", "off") == (first.conversation.combination, second.conversation.combination)
    assert {"first", "second"} == set(directory.saved_chat_ids())
    assert first is directory.open("first")


def test_a_saved_chat_is_described_by_its_first_prompt(make_options: Callable[..., UiOptions], tmp_path: Path) -> None:
    """One that cannot be read or is gone is described, too."""
    directory = ChatDirectory(make_options(HELLO), ENVIRON)
    chat = directory.open("one")
    chat.send("Hello there,\nwho are you?", ENVIRON)
    assert chat.wait_until_idle(20)
    assert directory.describe_saved_chat("one").endswith(" · Hello there, who are you? · one")
    (tmp_path / "sessions" / "two.json").write_text("{")
    assert directory.describe_saved_chat("two").endswith(" · not readable · two")
    assert "three" == directory.describe_saved_chat("three")


def test_a_broken_file_never_overwrites_another(open_chat: OpenChat, tmp_path: Path) -> None:
    """Each broken file gets a name of its own."""
    path = tmp_path / "sessions" / "one.json"
    path.parent.mkdir()
    for words in ("first", "second"):
        path.write_text(words)
        assert "cannot be restored" in open_chat(HELLO).notices[0]
    assert ["first", "second"] == [path.with_name(f"one.json.broken{end}").read_text() for end in ("", "-2")]


def test_a_broken_file_that_cannot_be_moved_is_an_error(
    open_chat: OpenChat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session does not start, so that the file is not overwritten."""
    path = tmp_path / "sessions" / "one.json"
    path.parent.mkdir()
    path.write_text("broken")

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(HarnessError, match=r"cannot be renamed to .*Permission denied; move it away"):
        open_chat(HELLO)
    assert "broken" == path.read_text()


@pytest.mark.parametrize("text", ["../one", "", "a/b", ".hidden", "a" * 65, "a\n", "one.json"])
def test_an_id_is_a_safe_name_of_a_file(text: str) -> None:
    """What the address of a page says cannot lead out of the folder."""
    assert not is_chat_id(text)
    assert is_chat_id(new_chat_id())


def test_a_refused_request_ends_the_turn_with_its_message(open_chat: OpenChat) -> None:
    """The scenario has no answer; the next turn works."""
    chat = open_chat('[[turn]]\nwhen = { user_contains = "known" }\ntext = "Known."')
    chat.send("Something else.", ENVIRON)
    assert chat.wait_until_idle(20)
    assert "no turn" in _notices(chat)[-1]
    chat.send("Something known.", ENVIRON)
    assert chat.wait_until_idle(20)
    assert "Known." == _answers(chat)[-1]


def test_a_cassette_answers_what_it_recorded(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The chat takes model, system prompt and tools from the recording; any other prompt is a miss, in words."""
    root = Path(__file__).parents[3]
    file = root / "recordings" / "matrix" / "off.json"
    prompt = json.loads(file.read_text())["interactions"][0]["request"]["json"]["messages"][0]["content"][0]["text"]
    options = UiOptions(upstream="cassette", file=str(file), folder=str(tmp_path / "sessions"), asks_before_tools=False)
    chat = ChatDirectory(options, {"PATH": "/usr/bin:/bin"}).open("one")
    chat.send(prompt, {"PATH": "/usr/bin:/bin"})
    assert chat.wait_until_idle(20)
    assert [] == _notices(chat)
    assert [True] == [bool(part.result) for part in chat.turns[0].parts if isinstance(part, ToolPart)]
    assert _answers(chat)[-1].endswith("There are 2 open lines.")
    chat.send("Something else.", {"PATH": "/usr/bin:/bin"})
    assert chat.wait_until_idle(20)
    assert "Something else." in _notices(chat)[-1]


def test_the_live_api_needs_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one, the message names the variable, and another upstream."""
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    options = UiOptions(upstream="live", folder=str(tmp_path))
    with pytest.raises(HarnessError, match=r"ANTHROPIC_API_KEY is not set: .*--upstream=simulator"):
        ChatDirectory(options, {}).open("one")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-not-a-key")
    assert not ChatDirectory(options, {}).open("one").is_running


def test_stopping_a_chat_without_a_turn_does_nothing(open_chat: OpenChat) -> None:
    """The next prompt is answered."""
    chat = open_chat(HELLO)
    chat.stop()
    assert chat.send("Hi", ENVIRON)
    assert chat.wait_until_idle(20)
    assert ["Hello."] == _answers(chat)


def test_a_recorded_tool_returns_the_result_of_the_same_input() -> None:
    """Each result once, in any order."""
    tool = RecordedTool({"name": "note"}, [({"step": 1}, "one"), ({"step": 2}, "two")])
    assert ["two", "one"] == [asyncio.run(tool.run({"step": step})) for step in (2, 1)]
    with pytest.raises(LookupError, match="the cassette holds no further result of note for this input"):
        asyncio.run(tool.run({"step": 1}))
