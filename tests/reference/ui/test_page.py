"""The page of a chat, under Streamlit's AppTest."""

import importlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flag_harness.reference.ui.chat.directory import ChatDirectory
from flag_harness.reference.ui.chat.session import ChatSession

OpenPage = Callable[..., Any]
KERNEL = """
[[turn]]
when = { user_contains = "kernel" }
thinking = "uname tells it."
text = "I'll look."
call = [{ name = "bash", input = { command = "echo Linux" } }]

[[turn]]
when = { result_contains = "Linux" }
text = "It is Linux."

[[turn]]
text = "It did not run."
"""
HOSTILE = "<script>alert(1)</script> ![x](http://evil.example/x.png) [a](javascript:alert(1)) **b** $x$ :smile:"


def _texts(page: Any) -> list[str]:
    return [one.value for one in page.main.get("text")]


def _send(page: Any, prompt: str) -> Any:
    return page.chat_input[0].set_value(prompt).run()


def _page_chat() -> ChatSession:
    """Return the chat `one` of the page that is open."""
    import sys

    from flag_harness.reference.ui.page.page import chat_directory

    return chat_directory(sys.argv[1]).open("one")


def test_an_empty_chat_says_what_to_do(open_page: OpenPage, tmp_path: Path) -> None:
    """And leaves nothing in the folder of sessions."""
    assert _texts(open_page(KERNEL))[0].startswith("Write a message below.")
    assert not (tmp_path / "sessions").exists()


def test_a_prompt_is_answered(open_page: OpenPage) -> None:
    """The page shows the prompt, the answer, and what the turn has used."""
    page = _send(open_page('[[turn]]\ntext = "Two plus two is four."'), "What is 2 + 2?")
    assert ["What is 2 + 2?", "Two plus two is four."] == _texts(page)
    assert page.main.get("caption")[0].value.startswith("1 request, ")
    assert "first token after 0." in page.main.get("caption")[0].value
    assert not page.exception


def test_a_tool_call_shows_its_input_and_result(open_page: OpenPage) -> None:
    """Thinking is folded, and the second request's answer follows the result."""
    page = _send(open_page(KERNEL, asks_before_tools=False), "Which kernel?")
    assert ["Which kernel?", "I'll look.", "Tool call: bash", "Result:", "It is Linux."] == _texts(page)
    assert ['{\n  "command": "echo Linux"\n}', "Linux"] == [one.value for one in page.main.get("code")]


def test_thinking_is_folded(open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in an expander of its own."""
    monkeypatch.setenv("ENABLE_EXTENDED_OUTPUT", "true")
    page = _send(
        open_page('[[turn]]\nthinking = "Add them."\ntext = "Four."', model="claude-haiku-4-5"), "What is 2 + 2?"
    )
    folded = [one for one in page.main.get("expander") if one.label == "Thinking"]
    assert [["Add them."]] == [[text.value for text in one.get("text")] for one in folded]


def test_a_hostile_answer_is_text(open_page: OpenPage) -> None:
    """Nothing of it becomes Markdown or HTML."""
    page = _send(open_page(f"[[turn]]\ntext = '''{HOSTILE}'''"), HOSTILE)
    assert [HOSTILE, HOSTILE] == _texts(page)
    assert not [one for kind in ("markdown", "html") for one in page.main.get(kind) if "evil" in str(one.value)]


def test_the_indentation_of_an_answer_is_kept(open_page: OpenPage) -> None:
    """Also that of its first line."""
    page = _send(open_page('[[turn]]\ntext = "    a\\n  b"'), "Code, please.")
    assert "\u2060    a\n  b" == _texts(page)[-1]


def test_a_discarded_text_is_folded_once_it_is_replaced(open_page: OpenPage) -> None:
    """The answer is that of the second attempt alone."""
    page = open_page('[[turn]]\ntext = "One two three four five."', faults=("stream_error:on=1,at=inside_text",))
    texts = _texts(_send(page, "Count."))
    assert "One two three four five." == texts[-1]
    assert ["Discarded answer"] == [one.label for one in page.main.get("expander")]


def test_flags_hold_from_the_next_turn_on(open_page: OpenPage) -> None:
    """Without streaming, the answer comes as a whole; the switch starts as the environment says."""
    scenario = """
[[turn]]
when = { streaming = true }
text = "A stream."

[[turn]]
text = "No stream."
"""
    page = open_page(scenario)
    assert page.toggle(key="streaming-one").value
    _send(page, "First")
    page.toggle(key="streaming-one").set_value(False).run()
    _send(page, "Second")
    assert ["First", "A stream.", "Second", "No stream."] == _texts(page)


def test_a_limit_says_what_to_switch(open_page: OpenPage) -> None:
    """The agent refuses settings that the API would refuse, and the prompt is kept for the next attempt."""
    page = open_page('[[turn]]\ntext = "Done."')
    page.toggle(key="extended_output-one").set_value(True)
    page.toggle(key="streaming-one").set_value(False)
    page.text_input(key="MAX_TOKENS-one").set_value("30000").run()
    _send(page, "Write a book.")
    assert "Nothing was sent" in _texts(page)[-1]
    assert "ENABLE_STREAMING" in _texts(page)[-1]
    page.toggle(key="streaming-one").set_value(True).run()
    page.button(key="continue").click().run()
    assert "Done." == _texts(page)[-1]
    assert 2 == len(page.chat_message)


@pytest.mark.parametrize(
    ("allow", "expected"),
    [
        (True, ["Result:", "It is Linux."]),
        (False, ["You did not allow it. The model was told:", "It did not run."]),
    ],
)
def test_a_tool_call_waits_for_permission(open_page: OpenPage, allow: bool, expected: list[str]) -> None:
    """While the gate is on, the answer of the user decides whether the tool runs; the card says which it was."""
    page = open_page(KERNEL, asks_before_tools=True)
    assert page.toggle(key="ask").value
    gate = _page_chat().gate

    def answer() -> None:
        while gate.pending_call is None:
            time.sleep(0.02)
        time.sleep(0.5)  # the page shows the buttons meanwhile
        gate.answer(allow=allow)

    threading.Thread(target=answer).start()
    assert expected == _texts(_send(page, "Which kernel?"))[-2:]


def test_a_turn_that_is_stopped_can_be_followed_by_another(open_page: OpenPage) -> None:
    """The page says that the answer is not part of the conversation."""
    slow = "[timing]\nfirst_token = 0.05\nper_event = 0.2\n"
    page = open_page(
        '[[turn]]\nwhen = { user_contains = "Long" }\ntext = "a b c d e f g h i j k l m n o p q r s t u v"\n'
        '[[turn]]\ntext = "Short."',
        timing=slow,
    )
    chat = _page_chat()

    def stop() -> None:
        while not (chat.turns and chat.turns[0].parts):
            time.sleep(0.02)
        chat.stop()

    threading.Thread(target=stop).start()
    assert _texts(_send(page, "Long"))[-1].startswith("Warning: Stopped.")


def test_a_broken_session_is_kept_aside(open_page: OpenPage, tmp_path: Path) -> None:
    """The page says what is wrong with the file, and where it is now; the next turn does not touch it."""
    path = tmp_path / "sessions" / "one.json"
    path.parent.mkdir()
    path.write_text('{"version": 1, "mess')
    page = open_page('[[turn]]\ntext = "Hello."')
    assert "one\\.json\\.broken" in page.main.get("warning")[0].value
    _send(page, "Hi")
    assert '{"version": 1, "mess' == path.with_name("one.json.broken").read_text()
    assert path.exists()


def test_a_saved_session_is_restored(open_page: OpenPage, make_options: Any) -> None:
    """A new process shows the conversation under its flags, and tells the model if the user changes them."""
    scenario = KERNEL.replace(
        "[[turn]]", '[[turn]]\nwhen = { user_contains = "restored" }\ntext = "Welcome back."\n\n[[turn]]', 1
    )
    chat = ChatDirectory(make_options(scenario), {"PATH": "/usr/bin:/bin"}).open("one")
    chat.send("Which kernel?", {"PATH": "/usr/bin:/bin"})
    assert chat.wait_until_idle(20)
    page = open_page(scenario)
    assert ["Which kernel?", "I'll look.", "Tool call: bash", "Result:", "It is Linux."] == _texts(page)
    assert "before the server started; its tokens and cost" in page.main.get("caption")[0].value
    page.toggle(key="streaming-one").set_value(True).run()
    texts = _texts(_send(page, "Again"))
    assert "Switched on since: streaming." in texts[-2]
    assert "Welcome back." == texts[-1]


def test_each_session_keeps_its_flags(open_page: OpenPage, make_options: Any) -> None:
    """In one tab: a saved session has those of its last turn, and a new one those of the session before it."""
    chat = ChatDirectory(make_options(KERNEL), {"PATH": "/usr/bin:/bin"}).open("other")
    chat.send("Which kernel?", {"PATH": "/usr/bin:/bin", "ENABLE_PROMPT_CACHE": "true"})
    assert chat.wait_until_idle(20)
    page = open_page(KERNEL)
    assert "Which kernel?" in page.sidebar.selectbox(key="saved").options[0]
    page = page.sidebar.selectbox(key="saved").set_value("other").run()
    assert page.toggle(key="prompt_cache-other").value
    assert not page.toggle(key="streaming-other").value
    page = page.sidebar.button(key="new").click().run()
    values = {one.label: one.value for one in page.sidebar.toggle}
    assert (True, False) == (values["prompt_cache"], values["streaming"])
    assert ["one", "other"] != page.query_params["session"]


def test_a_cassette_says_what_to_send(open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sidebar shows the first prompt and the recorded flags, which are on; a miss says which to switch back."""
    monkeypatch.delenv("ENABLE_STREAMING")
    file = Path(__file__).parents[3] / "recordings" / "matrix" / "streaming.json"
    page = open_page("", upstream="cassette", file=str(file))
    assert (
        "recorded under the flags: streaming. Its first prompt:\nHow many open lines"
        in page.sidebar.get("text")[1].value
    )
    prompt = page.sidebar.get("text")[1].value.partition("prompt:\n")[2]
    assert page.toggle(key="streaming-one").value
    page.toggle(key="streaming-one").set_value(False).run()
    assert "Switch on streaming in the sidebar, then continue the turn." in _texts(_send(page, prompt))[-1]
    page.toggle(key="streaming-one").set_value(True).run()
    page.button(key="continue").click().run()
    assert "There are 2 open lines." in _texts(page)[-1]


def test_an_upstream_that_cannot_be_opened_is_said(open_page: OpenPage, tmp_path: Path) -> None:
    """The page names the file."""
    page = open_page("", upstream="cassette", file=str(tmp_path / "none.json"))
    assert "none\\.json" in page.error[0].value


def test_pieces_that_are_replaced_by_fewer_disappear(open_page: OpenPage) -> None:
    """A long text that was discarded is folded as soon as a short one follows."""

    def draw() -> None:
        from flag_harness.reference import events
        from flag_harness.reference.ui.chat.transcript import TurnTranscript
        from flag_harness.reference.ui.page.turn_view import TurnDrawing, reset_container_keys

        reset_container_keys()
        turn, drawing = TurnTranscript(None), TurnDrawing(None)
        turn.add_event(events.TextDelta(1, "many words\n" * 2000), "m")
        turn.add_event(events.TurnDiscarded(2, "cut"), "m")
        drawing.update(turn, 3)
        turn.add_event(events.TextDelta(4, "Short."), "m")
        drawing.update(turn, 5)

    page = importlib.import_module("streamlit.testing.v1").AppTest.from_function(draw).run()
    assert not page.exception
    assert "Short." == _texts(page)[-1]
    assert not page.warning


def test_what_another_tab_has_changed_meanwhile_is_shown(open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is drawn again at once."""
    notices = ["changed in the other tab"]

    def change(chat: ChatSession) -> bool:
        chat.revision += len(notices)
        chat.notices = (*chat.notices, *notices)
        notices.clear()
        return False

    monkeypatch.setattr(ChatSession, "can_continue", property(change))
    assert ["changed in the other tab"] == [one.value for one in open_page(KERNEL).warning]


def test_a_choice_of_no_session_stays_in_this_one(open_page: OpenPage, make_options: Any) -> None:
    """The field of the saved sessions can be emptied again."""
    chat = ChatDirectory(make_options(KERNEL), {"PATH": "/usr/bin:/bin"}).open("other")
    chat.send("Which kernel?", {"PATH": "/usr/bin:/bin"})
    assert chat.wait_until_idle(20)
    page = open_page(KERNEL)
    page = page.sidebar.selectbox(key="saved").set_value("other").run()
    page = page.sidebar.selectbox(key="saved").set_value(None).run()
    assert not page.exception
    assert "Which kernel?" == _texts(page)[0]
