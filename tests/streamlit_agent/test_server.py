"""The chat in a real browser, on a server that is stopped and killed."""

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
        command = [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            "app.py",
            "--server.headless=true",
            f"--server.port={port}",
        ]
        servers.append(subprocess.Popen([*command, "--server.address=127.0.0.1"], env=dict(os.environ)))
        for _ in range(1_800):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health").close()
                return servers[-1]
            except OSError:
                time.sleep(0.1)
        raise TimeoutError("the app has not started")

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
        page.set_default_timeout(180_000)
        yield page
        browser.close()


def ask(page, prompt, words):
    """Ask, and wait until the words are on the page, which may be in the middle of the answer."""
    page.get_by_placeholder("Your question").fill(prompt)
    page.get_by_placeholder("Your question").press("Enter")
    page.get_by_text(words).last.wait_for()


def test_a_click_during_an_answer_leaves_a_chat_that_works(cassette_server, start_app, page, port):
    start_app(port)
    page.goto("/")
    ask(page, "Where is order 17?", "I'll")
    page.get_by_role("button", name="New chat").click()
    page.get_by_text("I'll").first.wait_for(state="detached")
    ask(page, "Thank you!", "You are welcome.")


def test_a_killed_server_starts_again(cassette_server, start_app, page, port):
    server = start_app(port)
    page.goto("/")
    ask(page, "Where is order 17?", "I'll")
    server.kill()
    server.wait()
    start_app(port)
    page.goto("/")
    ask(page, "Where is order 17?", "Your lamp was delivered yesterday.")
