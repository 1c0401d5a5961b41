"""Conversations on a server that is killed, in a real browser: `nox -s browser`."""

import json
import random
import signal
import time
from itertools import pairwise
from typing import Any

import pytest

from tests.reference.ui.browser.chat_page import (
    OpenPage,
    StartServer,
    send,
    wait_for_text,
    wait_until,
    wait_until_connected,
    wait_until_disconnected,
    wait_until_idle,
)
from tests.reference.ui.browser.ui_server import UiServer

pytest.importorskip("playwright.sync_api")
pytest.importorskip("streamlit")
pytestmark = pytest.mark.browser


SCENARIO = """
[timing]
first_token = 0.1
per_event = 0.1

[[turn]]
when = { user_contains = "Count" }
text = "one two three four five six"

[[turn]]
when = { user_contains = "file" }
text = "I will write it."
call = [{ name = "bash", input = { command = "echo run >> runs; sleep 1" } }]

[[turn]]
text = "Done."
"""
FLAGS = ("streaming", "prompt_cache")
KILLS = 10
"""The number of kills of each test that must hit a stream, or a tool."""


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("target", ["stream", "tool"])
def test_a_conversation_survives_kills(start_server: StartServer, open_page: OpenPage, target: str, seed: int) -> None:
    """The server is killed at random points, in a stream or in a tool; the turn ends after the restart.

    After every fourth kill the page is loaded anew; after the others, it connects again by itself.
    """
    server = start_server("--no-ask", scenario=SCENARIO)
    page = open_page(server.url + "?session=one")
    draws = random.Random(seed)
    prompts: list[str] = []
    hits = 0
    while hits < KILLS:
        prompts.append(f"{'Write a file.' if target == 'tool' or len(prompts) % 4 > 1 else 'Count'} {len(prompts)}")
        assert len(prompts) < 5 * KILLS, "most turns end before the kill"
        runs = _count_runs(server)
        send(page, prompts[-1])
        if target == "stream":
            wait_until(lambda: prompts[-1] in json.dumps(server.messages("one")))
        else:
            wait_until(lambda: _count_runs(server) > runs)  # noqa: B023 - called at once
        time.sleep(draws.uniform(0.0, 0.45))
        server.kill()
        interrupted = _interrupted_part(server.messages("one"))
        hits += interrupted == target
        wait_until_disconnected(page)
        server.start()
        if not len(prompts) % 4:
            page.reload()
        wait_until_connected(page)
        wait_for_text(page, prompts[-1])
        if interrupted:
            wait_for_text(page, "Interrupted: the server ended during this answer")
            page.get_by_role("button", name="Continue").click()
            page.get_by_role("button", name="Continue").wait_for(state="detached")
        wait_until_idle(page)
        assert _count_runs(server) <= runs + 1
    print(f"{len(prompts)} kills, {hits} of them in a {target}")
    send(page, "Goodbye")
    wait_for_text(page, "Goodbye")
    wait_until(lambda: not _interrupted_part(server.messages("one")))
    texts = [block.get("text") for message in server.messages("one") for block in message["content"]]
    assert [1] * (len(prompts) + 1) == [texts.count(prompt) for prompt in [*prompts, "Goodbye"]]
    roles = [message["role"] for message in server.messages("one")]
    assert all(one != other for one, other in pairwise(roles))


def _interrupted_part(messages: list[dict[str, Any]]) -> str:
    """Return `stream` if the last message is the user's, `tool` if it calls a tool, and else an empty string."""
    if messages[-1]["role"] == "user":
        return "stream"
    return "tool" if any(block["type"] == "tool_use" for block in messages[-1]["content"]) else ""


def _count_runs(server: UiServer) -> int:
    """Return how often the tool of the session `one` has begun to run."""
    runs = server.folder / "sessions" / "one.files" / "runs"
    return runs.read_text().count("run") if runs.exists() else 0


def test_flags_that_changed_across_a_restart_are_told(start_server: StartServer, open_page: OpenPage) -> None:
    """The switches stay as they were, whatever the new environment says; the model is told what the user switches."""
    server = start_server()
    page = open_page(server.url + "?session=one")
    send(page, "Hello")
    wait_for_text(page, "A short answer.")
    wait_until_idle(page)
    server.kill(signal.SIGTERM)
    server.start(ENABLE_STREAMING="false", ENABLE_PROMPT_CACHE="true")
    page.goto(server.url + "?session=one")
    wait_until_idle(page)
    wait_for_text(page, "A short answer.")
    switches = [page.get_by_role("switch", name=name).or_(page.get_by_label(name)) for name in FLAGS]
    assert [True, False] == [switch.first.is_checked() for switch in switches]
    page.get_by_text("prompt_cache", exact=True).click()
    send(page, "Hello again")
    wait_for_text(page, "Switched on since: prompt_cache.")
    page.reload()
    note = page.get_by_test_id("stText").filter(has_text="Switched on since: prompt_cache.")
    note.wait_for()
    assert not page.get_by_label("Chat message from user").filter(has_text="Switched on").count()
