"""Raw requests and responses of a chat: kept in files, and shown on a page of their own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flag_harness.reference.ui.chat.exchanges import ExchangeFiles, turn_count
from flag_harness.reference.ui.chat.session import ChatSession
from flag_harness.wire.timeline import Chunk, Cut, Head, Request

ENVIRON = {"ENABLE_STREAMING": "true", "PATH": "/usr/bin:/bin"}
KERNEL = """
[[turn]]
when = { user_contains = "kernel" }
text = "I'll look."
call = [{ name = "bash", input = { command = "echo Linux" } }]

[[turn]]
text = "It is Linux."
"""
REQUEST = Request("POST", "https://api.anthropic.com/v1/messages", (("x-api-key", "sk-ant-hidden0000"),), b'{"a": 1}')


def test_each_turn_names_its_requests_before_and_after_a_restart(open_chat: Callable[..., ChatSession]) -> None:
    """A turn with a tool call has two; the numbers go on."""
    chat = open_chat(KERNEL)
    for prompt in ("Which kernel?", "Thank you."):
        assert chat.send(prompt, ENVIRON)
        assert chat.wait_until_idle(20)
    assert [[1, 2], [3]] == [list(turn.request_numbers) for turn in chat.turns]
    assert [[1, 2], [3]] == [list(turn.request_numbers) for turn in open_chat(KERNEL).turns]
    exchange = chat.exchanges.load(2)
    assert exchange is not None
    assert [] == [line for line in exchange.request.splitlines() if "api-key" in line.lower()]
    assert "Linux" in exchange.request
    assert "HTTP 200" in exchange.response_head
    assert "event: message_stop" in exchange.response_body
    assert exchange.ending.startswith("complete, after ")


def test_a_file_holds_what_had_arrived(tmp_path: Path) -> None:
    """A character that two chunks share, a broken connection, and a line that a killed server left incomplete."""
    files = ExchangeFiles(tmp_path / "requests", lambda: 1.5)
    edit = files(REQUEST)
    assert "no response arrived" == files.load(1).ending  # type: ignore[union-attr]
    for piece in (Head(0.1, 200, ()), Chunk(0.2, "é".encode()[:1]), Chunk(0.3, "é".encode()[1:]), Cut(0.4, "reset")):
        assert [piece] == list(edit(piece))
    path = tmp_path / "requests" / "0001.jsonl"
    broken = files.load(1)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]) + '{"at": 0.4, "en')
    killed = ExchangeFiles(tmp_path / "requests").load(1)
    assert broken is not None
    assert killed is not None
    assert ("é", "é") == (broken.response_body, killed.response_body)
    assert "the connection broke: reset, after 0.400 s" == broken.ending
    assert "not read to its end, after 0.300 s" == killed.ending
    assert "1970-01-01 00:00:01.500+00:00" == broken.sent_at
    assert "sk-ant" not in path.read_text()
    assert broken.text.endswith("é\n\n[the connection broke: reset, after 0.400 s]")


@pytest.mark.parametrize("content", ["", "{broken\n", '{"no": "turn"}\n'])
def test_a_file_that_cannot_be_read_is_left_out(tmp_path: Path, content: str) -> None:
    """The next request gets a number after it."""
    (tmp_path / "0007.jsonl").write_text(content)
    files = ExchangeFiles(tmp_path)
    assert (None, {}, 7) == (files.load(7), files.request_numbers_by_turn(), files.last_exchange)


def test_messages_with_results_only_are_no_turn() -> None:
    """Strings are."""
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "4"}
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}]
    assert 1 == turn_count([*messages, {"role": "user", "content": [result]}])


def test_the_page_links_a_turn_to_what_was_sent_and_received(open_page: Callable[..., Any]) -> None:
    """The linked page shows both, and leads back to the chat."""
    page = open_page('[[turn]]\ntext = "Two plus two is four."').chat_input[0].set_value("What is 2 + 2?").run()
    assert page.main.get("caption")[0].value.endswith(" · [request 1](?session=one&request=1)")
    page.query_params["request"] = "1"
    page.run()
    assert not page.exception
    codes = [one.value for one in page.main.get("code")]
    assert codes[0].startswith("POST https://api.anthropic.com/v1/messages")
    assert "What is 2 + 2?" in json.loads(codes[1])["messages"][0]["content"][0]["text"]
    assert codes[2].startswith("HTTP 200")
    assert "event: message_start" in codes[3]
    assert "?session=one" == page.main.get("link_button")[0].proto.url


def test_a_number_without_a_request_is_said(open_page: Callable[..., Any]) -> None:
    """The page says how many there are; what is no number shows the chat."""
    page = open_page('[[turn]]\ntext = "Hello."')
    page.query_params["request"] = "9"
    assert ["This session has no request 9. It has 0."] == [one.value for one in page.run().warning]
    page.query_params["request"] = "x"
    assert page.run().chat_input


def test_a_long_response_is_shown_in_part(open_page: Callable[..., Any], tmp_path: Path) -> None:
    """The page says how long it is."""
    edit = ExchangeFiles(tmp_path / "sessions" / "one.requests")(REQUEST)
    for piece in (Head(0.1, 200, ()), Chunk(0.2, b"x" * 100_001)):
        list(edit(piece))
    page = open_page('[[turn]]\ntext = "Hello."')
    page.query_params["request"] = "1"
    texts = [one.value for one in page.run().main.get("text")]
    assert "These are the first 100,000 of 100,001 characters. Download all of them below." == texts[-1]
