"""The chat in a real browser, which must be installed. `nox -s browser` also runs the tests marked `browser`."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.chromium import axe_violations, load_axe

pytest.importorskip("playwright.sync_api")
pytest.importorskip("streamlit")

WORDS = " ".join(f"word{number}" for number in range(40))
HOSTILE = (
    "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\"> "
    "![image](http://127.0.0.1:9/x.png) [link](javascript:alert(1)) \x1b[31mred\x1b[0m \u202eabc"
)
SCENARIO = f"""
[timing]
first_token = 0.4
per_event = 0.1

[[turn]]
when = {{ user_contains = "Count" }}
text = "{WORDS}"

[[turn]]
when = {{ user_contains = "hostile" }}
text = {json.dumps(HOSTILE)}
call = [{{ name = "bash", input = {{ command = {json.dumps("printf '%s' " + repr(HOSTILE[:40]))} }} }}]

[[turn]]
when = {{ user_contains = "file" }}
text = "I will write it."
call = [{{ name = "bash", input = {{ command = "echo run >> runs; sleep 1" }} }}]

[[turn]]
when = {{ result_of = "bash" }}
text = "That is the result."

[[turn]]
text = "A short answer."
"""
_RECORD = """() => {
  window.seen = [];
  new MutationObserver(() => {
    const messages = document.querySelectorAll('[data-testid=stChatMessage]');
    const texts = messages.length ? messages[messages.length - 1].querySelectorAll('[data-testid=stText]') : [];
    const text = [...texts].map(one => one.textContent).join('');
    if (!seen.length || seen[seen.length - 1][1] !== text) seen.push([performance.now() / 1000, text]);
  }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
"""Records each text of the last message, with the time at which it appeared."""


class UiServer:
    """`flag-harness ui` in a process of its own, in a folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder, self.options = folder, options
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        (folder / "scenario.toml").write_text(SCENARIO, encoding="utf-8")
        self.start()

    def start(self, **variables: str) -> None:
        """Start the server, and wait until it answers."""
        fixed = ("--scenario=scenario.toml", f"--port={self.port}", "--no-browser")
        environ = {**os.environ, "ENABLE_STREAMING": "true", "HOME": str(self.folder), **variables}
        command = (sys.executable, "-m", "flag_harness.cli", "ui", *fixed, *self.options)
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, cwd=self.folder, env=environ, stdout=log, stderr=log)
        until = time.monotonic() + 180
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=5).close()
            except OSError:
                assert self.process.poll() is None, (self.folder / "server.log").read_text()
                assert time.monotonic() < until, "the server did not start within three minutes"
                time.sleep(0.1)
            else:
                return

    def kill(self, number: int = signal.SIGKILL) -> None:
        """End the server by a signal."""
        self.process.send_signal(number)
        self.process.wait(30)

    def messages(self, session: str) -> list[dict[str, Any]]:
        """Return the messages of a saved session."""
        return json.loads((self.folder / "sessions" / f"{session}.json").read_text())["messages"]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., UiServer]]:
    """Return a function that starts a server with these options."""
    servers: list[UiServer] = []

    def start(*options: str) -> UiServer:
        servers.append(UiServer(tmp_path, *options))
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Return a function that opens an address in a tab, and waits until one can write."""
    contexts = []

    def open_one(url: str, **options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(180_000)
        page.requested = []
        page.on("request", lambda request: page.requested.append(request.url))
        page.goto(url)
        _wait_until_idle(page)
        page.evaluate(_RECORD)
        return page

    yield open_one
    for context in contexts:
        context.close()


def _prompt(page: Any) -> Any:
    return page.get_by_placeholder("Your message")


def _send(page: Any, text: str) -> None:
    _prompt(page).fill(text)
    _prompt(page).press("Enter")


def _wait_until_idle(page: Any) -> None:
    page.locator("textarea:enabled[placeholder='Your message']").wait_for()


def _wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < until, "it did not happen within three minutes"
        time.sleep(0.05)


def _wait_for_text(page: Any, text: str) -> None:
    page.get_by_test_id("stText").filter(has_text=text).last.wait_for()


def _seen(page: Any) -> list[tuple[float, str]]:
    return [(at, text) for at, text in page.evaluate("window.seen") if text]


@pytest.mark.browser
def test_tokens_appear_in_order_before_the_answer_ends(
    start_server: Callable[..., UiServer], open_page: Callable[..., Any]
) -> None:
    """Each text that is seen continues the one before, in the rhythm of the simulator."""
    page = open_page(start_server().url)
    _send(page, "Count")
    _wait_for_text(page, "word39")
    seen = [(at, text) for at, text in _seen(page) if text.startswith("w")]
    assert 8 <= len(seen)
    assert all(WORDS.startswith(text) for _, text in seen)
    assert [len(text) for _, text in seen] == sorted({len(text) for _, text in seen})
    gaps = [later - earlier for (earlier, _), (later, _) in pairwise(seen)]
    assert 0.05 < sorted(gaps)[len(gaps) // 2] < 0.25


@pytest.mark.browser
def test_a_stopped_turn_is_followed_by_the_next(
    start_server: Callable[..., UiServer], open_page: Callable[..., Any]
) -> None:
    """The page says what a stop means, and takes the next prompt."""
    page = open_page(start_server("--fault=stall:on=1,at=inside_text,occurrence=4").url)
    _send(page, "Count")
    _wait_for_text(page, "word0")
    page.get_by_role("button", name="Stop").click()
    _wait_for_text(page, "Stopped.")
    assert not page.get_by_text("word39").count()
    _wait_until_idle(page)
    _send(page, "Now write it out.")
    _wait_for_text(page, "word39")
    _wait_until_idle(page)
    assert 1 == page.get_by_text("word39").count()


@pytest.mark.browser
def test_a_discarded_text_is_struck_out_and_then_replaced(
    start_server: Callable[..., UiServer], open_page: Callable[..., Any]
) -> None:
    """No text of the first attempt is left in the answer."""
    page = open_page(start_server("--fault=stream_error:on=1,at=inside_text").url)
    _send(page, "Count")
    struck = page.locator("[class*=st-key-discarded] [data-testid=stText]")
    struck.first.wait_for()
    assert "line-through" in struck.first.evaluate("one => getComputedStyle(one).textDecorationLine")
    _wait_for_text(page, "word39")
    _wait_until_idle(page)
    assert 1 == page.get_by_text("Discarded answer").count()
    texts = [one for one in page.get_by_test_id("stText").all_text_contents() if one.startswith("word0")]
    assert WORDS in texts


def test_a_hostile_answer_is_text(start_server: Callable[..., UiServer], open_page: Callable[..., Any]) -> None:
    """Nothing of it runs, is loaded from elsewhere, or becomes an element."""
    server = start_server("--no-ask")
    page = open_page(server.url)
    _send(page, "Be hostile: <b>bold</b> ![x](http://127.0.0.1:9/y.png)")
    _wait_for_text(page, "That is the result.")
    _wait_until_idle(page)
    assert page.get_by_text("onerror").count()
    assert page.get_by_text("<U+202E>abc").count()
    assert "owned" != page.title()
    assert [] == [url for url in page.requested if not url.startswith((server.url, "data:", "blob:"))]
    inside = page.get_by_test_id("stChatMessage")
    assert 0 == inside.locator("script, img[src*=x], a[href*=javascript], b").count()


@pytest.mark.browser
def test_a_call_waits_for_permission(start_server: Callable[..., UiServer], open_page: Callable[..., Any]) -> None:
    """A tool does not run until the user allows it."""
    server = start_server()
    page = open_page(server.url + "?session=one")
    _send(page, "Write a file.")
    page.get_by_role("button", name="Run bash").wait_for()
    runs = server.folder / "sessions" / "one.files" / "runs"
    assert not runs.exists()
    page.get_by_role("button", name="Run bash").click()
    _wait_for_text(page, "That is the result.")
    assert "run\n" == runs.read_text()


@pytest.mark.browser
@pytest.mark.parametrize("prompt", ["Count", "Write a file."])
def test_a_conversation_survives_kills(
    start_server: Callable[..., UiServer], open_page: Callable[..., Any], prompt: str
) -> None:
    """The server is killed at random points, in a stream or in a tool; the turn ends after the last restart.

    `HARNESS_TESTS_KILLS` is the number of kills, 3 by default.
    """
    server = start_server("--no-ask")
    page = open_page(server.url + "?session=one")
    _send(page, "Hello")
    _wait_for_text(page, "A short answer.")
    _wait_until_idle(page)
    draws = random.Random(7)
    runs = server.folder / "sessions" / "one.files" / "runs"
    for number in range(int(os.environ.get("HARNESS_TESTS_KILLS", "3"))):
        _send(page, f"{prompt} {number}")
        _wait_until(lambda text=f"{prompt} {number}": text in json.dumps(server.messages("one")))
        time.sleep(draws.uniform(0.0, 2.5))
        server.kill()
        before = runs.read_text().count("run") if runs.exists() else 0
        server.start()
        page.goto(server.url + "?session=one")
        _wait_until_idle(page)
        _wait_for_text(page, "A short answer.")
        if page.get_by_role("button", name="Continue").count():
            page.get_by_role("button", name="Continue").click()
            page.get_by_role("button", name="Continue").wait_for(state="detached")
            _wait_until_idle(page)
        assert (runs.read_text().count("run") if runs.exists() else 0) <= before + 1
    _send(page, "Goodbye")
    _wait_until(lambda: "Goodbye" in json.dumps(server.messages("one")[-2:-1]))
    _wait_until_idle(page)
    texts = [block.get("text") for message in server.messages("one") for block in message["content"]]
    for number in range(int(os.environ.get("HARNESS_TESTS_KILLS", "3"))):
        assert 1 == texts.count(f"{prompt} {number}")
    roles = [message["role"] for message in server.messages("one")]
    assert all(one != other for one, other in pairwise(roles))


@pytest.mark.browser
def test_flags_that_changed_across_a_restart_are_told(
    start_server: Callable[..., UiServer], open_page: Callable[..., Any]
) -> None:
    """The switches start as the new environment says, and the model gets the transition prompt."""
    server = start_server()
    page = open_page(server.url + "?session=one")
    _send(page, "Hello")
    _wait_for_text(page, "A short answer.")
    _wait_until_idle(page)
    server.kill(signal.SIGTERM)
    server.start(ENABLE_STREAMING="false", ENABLE_PROMPT_CACHE="true")
    page.goto(server.url + "?session=one")
    _wait_until_idle(page)
    _wait_for_text(page, "A short answer.")
    assert page.get_by_role("switch", name="prompt_cache").or_(page.get_by_label("prompt_cache")).first.is_checked()
    _send(page, "Hello again")
    _wait_for_text(page, "Switched on since: prompt_cache.")


@pytest.mark.browser
def test_two_tabs_do_not_mix(start_server: Callable[..., UiServer], open_page: Callable[..., Any]) -> None:
    """Two sessions run at the same time; two tabs of one session show the same."""
    server = start_server()
    first, second = open_page(server.url), open_page(server.url)
    same = open_page(first.url)
    _send(first, "Count")
    _send(second, "Hello")
    _wait_for_text(second, "A short answer.")
    _wait_for_text(first, "word39")
    _wait_for_text(same, "word39")
    assert not second.get_by_text("word39").count()
    assert not first.get_by_text("A short answer.").count()


@pytest.mark.browser
def test_the_page_fits_a_phone(start_server: Callable[..., UiServer], open_page: Callable[..., Any]) -> None:
    """Nothing is wider than the screen."""
    page = open_page(start_server("--no-ask").url, viewport={"width": 360, "height": 740}, is_mobile=True)
    _send(page, "Be hostile " + "x" * 200)
    _wait_for_text(page, "That is the result.")
    assert 360 == page.evaluate("document.documentElement.scrollWidth")


DESK: dict[str, Any] = {}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True}


@pytest.mark.browser
@pytest.mark.parametrize("options", [DESK, {"color_scheme": "dark"}, PHONE], ids=["desk", "dark", "phone"])
def test_axe_finds_nothing_serious(
    start_server: Callable[..., UiServer], open_page: Callable[..., Any], options: dict[str, Any]
) -> None:
    """In a conversation with a tool call and a discarded text, and on the page of a raw request."""
    server = start_server("--no-ask", "--fault=stream_error:on=1,at=inside_text")
    page = open_page(server.url + "?session=one", **options)
    _send(page, "Write a file.")
    _wait_for_text(page, "That is the result.")
    _wait_until_idle(page)
    assert [] == _serious_violations(page)
    page.goto(server.url + "?session=one&request=1")
    page.get_by_role("link", name="Open the chat").wait_for()
    assert [] == _serious_violations(page)


def _serious_violations(page: Any) -> list[Any]:
    load_axe(page)
    return [one for one in axe_violations(page) if one[1] in ("serious", "critical")]


@pytest.mark.browser
def test_a_turn_links_to_its_raw_requests(start_server: Callable[..., UiServer], open_page: Callable[..., Any]) -> None:
    """Before and after the server was killed; the page of a request leads back to the chat."""
    server = start_server("--no-ask")
    page = open_page(server.url + "?session=one")
    _send(page, "Write a file.")
    _wait_for_text(page, "That is the result.")
    _wait_until_idle(page)
    server.kill()
    server.start()
    page.goto(server.url + "?session=one")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="request 2", exact=True).click()
    other = opened.value
    other.set_default_timeout(180_000)
    other.get_by_text("event: message_start").wait_for()
    assert other.get_by_text('"tool_result"').count()
    assert not other.get_by_text("x-api-key").count()
    with other.expect_popup() as opened:
        other.get_by_role("link", name="Open the chat").click()
    opened.value.get_by_text("That is the result.").last.wait_for(timeout=180_000)


@pytest.mark.browser
def test_a_first_token_is_on_the_screen_soon_after_it_has_arrived(
    start_server: Callable[..., UiServer], open_page: Callable[..., Any]
) -> None:
    """The delay is measured from the time in the simulator's timeline to the text in the browser, on one clock.

    `HARNESS_TESTS_TURNS` is the number of turns, 5 by default. On a machine with nothing else to do, the median is
    below 100 ms; each process that waits for a core adds to it.
    """
    server = start_server("--no-ask")
    page = open_page(server.url + "?session=one")
    turns = int(os.environ.get("HARNESS_TESTS_TURNS", "5"))
    delays = []
    for number in range(1, turns + 1):
        _wait_until_idle(page)
        page.evaluate("window.seen.length = 0")
        _send(page, f"Hello {number}")
        page.get_by_role("link", name=f"request {number}", exact=True).wait_for()
        texts = page.evaluate("window.seen")
        seen = next(at for (_, before), (at, text) in pairwise(texts) if text.startswith("A") > before.startswith("A"))
        delays.append(page.evaluate("performance.timeOrigin / 1000") + seen - _first_token_time(server, number))
    delays.sort()
    median, high = delays[turns // 2], delays[turns * 19 // 20]
    print(f"first token: median {median * 1000:.0f} ms, 95th percentile {high * 1000:.0f} ms of {turns} turns")
    assert 0 < median < 0.1 * max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))


def _first_token_time(server: UiServer, number: int) -> float:
    """Return when the first text of a response was due, in seconds since 1970."""
    lines = (server.folder / "sessions" / "one.requests" / f"{number:04}.jsonl").read_text().splitlines()
    sent, *pieces = map(json.loads, lines)
    return float(sent["sent_at"]) + next(one["at"] for one in pieces if "text_delta" in one.get("text", ""))


_TIME_CLICKS = """() => {
  window.clicks = [];
  new PerformanceObserver(list => {
    for (const one of list.getEntries()) if (one.name === 'click') clicks.push(one.duration / 1000);
  }).observe({type: 'event', durationThreshold: 16});
}"""
"""Records the seconds from each click to the next painted frame, if there are more than 16 ms."""


@pytest.mark.browser
def test_the_page_answers_clicks_during_a_long_answer(
    start_server: Callable[..., UiServer], open_page: Callable[..., Any]
) -> None:
    """An answer of 64,000 tokens comes in whole, and a switch moves at once at any time of it."""
    server = start_server()
    text = "\n".join(f"Line {number} of a long answer, with a few more words." for number in range(5_000))
    turn = f"[timing]\nfirst_token = 0.1\nper_event = 0.001\n[[turn]]\noutput_tokens = 64000\ntext = '''{text}'''\n"
    (server.folder / "scenario.toml").write_text(turn)
    server.kill()
    server.start(ENABLE_EXTENDED_OUTPUT="true", MAX_TOKENS="64000")
    page = open_page(server.url)
    _send(page, "Write.")
    _wait_for_text(page, "Line 100 ")
    box = page.locator("label").filter(has_text=re.compile("^prompt_cache$")).first.bounding_box()
    page.evaluate(_TIME_CLICKS)
    clicks = 0
    while not page.get_by_text("Line 4999 ").count() and clicks < 60:
        page.mouse.click(box["x"] + 10, box["y"] + box["height"] / 2)
        clicks += 1
        time.sleep(0.5)
    slow = sorted(page.evaluate("window.clicks"))
    print(f"{clicks} clicks; {len(slow)} took more than 16 ms, the worst {slow[-1:]} s")
    assert 5 < clicks
    assert not slow[clicks // 2 :] or slow[len(slow) - clicks // 2] < 0.2
    _wait_for_text(page, "Line 4999 ")
    shown = page.get_by_test_id("stChatMessage").last.get_by_test_id("stText").all_text_contents()
    assert text == "\n".join(shown)
