"""The chat in a real browser, on a server that is interrupted and killed."""

import os
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

pytestmark = [pytest.mark.scenario("orders"), pytest.mark.flags(streaming=True), pytest.mark.harness_real_time]
sync_api = pytest.importorskip("playwright.sync_api")


@pytest.fixture
def start_app(cassette_server):
    servers = []

    def start(port):
        options = ("--server.headless=true", "--browser.gatherUsageStats=false", "--server.address=127.0.0.1")
        command = [sys.executable, "-m", "streamlit", "run", "app.py", *options, f"--server.port={port}"]
        servers.append(subprocess.Popen(command, env=dict(os.environ)))
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health").close()
                return servers[-1]
            except OSError:
                time.sleep(0.1)
        raise TimeoutError("the app has not started within a minute")

    yield start
    for server in servers:
        server.kill()
        server.wait()


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture
def page(port):
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=os.environ.get("CHROMIUM"))
        page = browser.new_page(base_url=f"http://127.0.0.1:{port}")
        page.set_default_timeout(25_000)
        yield page
        browser.close()


def ask(page, prompt, words):
    """Ask, and wait until the words are on the page, which may be in the middle of the answer."""
    page.get_by_placeholder("Your question").fill(prompt)
    page.get_by_placeholder("Your question").press("Enter")
    error = page.get_by_test_id("stException")
    page.get_by_text(words).or_(error).last.wait_for()
    assert not error.count(), error.inner_text()


def test_a_click_during_an_answer_leaves_a_chat_that_works(start_app, page, port):
    start_app(port)
    page.goto("/")
    ask(page, "Where is order 17?", "I'll")
    page.get_by_role("button", name="New chat").click()
    page.get_by_text("I'll").first.wait_for(state="detached")
    ask(page, "Thank you!", "You are welcome.")


def test_a_prompt_while_a_tool_runs_is_answered(cassette, start_app, page, port):
    start_app(port)
    page.goto("/")
    ask(page, "Where is order 17?", "Looking order 17 up")
    ask(page, "Thank you!", "You are welcome.")
    first, last = cassette.bodies[0], cassette.bodies[-1]
    assert ["find_order"] == [tool["name"] for tool in first["tools"]]
    assert "Thank you!" == last["messages"][-1]["content"]


def test_a_killed_server_starts_again(start_app, page, port):
    server = start_app(port)
    page.goto("/")
    ask(page, "Where is order 17?", "I'll")
    server.kill()
    server.wait()
    start_app(port)
    page.goto("/")
    ask(page, "Where is order 17?", "Your lamp was delivered yesterday.")
