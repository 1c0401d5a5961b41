"""What the tests do on the page of a chat."""

import time
from collections.abc import Callable
from typing import Any, TypeAlias

from tests.reference.ui.browser.ui_server import UiServer

StartServer: TypeAlias = Callable[..., UiServer]
OpenPage: TypeAlias = Callable[..., Any]

_RECORD_TEXTS = """() => {
  window.seen = [[0, '']];
  new MutationObserver(() => {
    const messages = document.querySelectorAll('[data-testid=stChatMessage]');
    const texts = messages.length ? messages[messages.length - 1].querySelectorAll('[data-testid=stText]') : [];
    const text = [...texts].map(one => one.textContent).join('');
    if (seen[seen.length - 1][1] !== text) seen.push([performance.now() / 1000, text]);
  }).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
"""Records each text of the last message, with the time at which it appeared."""


def prompt_field(page: Any) -> Any:
    return page.get_by_placeholder("Your message")


def send(page: Any, text: str) -> None:
    prompt_field(page).fill(text)
    prompt_field(page).press("Enter")


def wait_until_idle(page: Any) -> None:
    page.locator("textarea:enabled[placeholder='Your message']").wait_for()


def wait_until(condition: Callable[[], object]) -> None:
    until = time.monotonic() + 180
    while not condition():
        assert time.monotonic() < until, "it did not happen within three minutes"
        time.sleep(0.01)


def wait_for_text(page: Any, text: str) -> None:
    page.get_by_test_id("stText").filter(has_text=text).last.wait_for()


def record_texts(page: Any) -> None:
    page.evaluate(_RECORD_TEXTS)


def seen_texts(page: Any) -> list[tuple[float, str]]:
    return [(at, text) for at, text in page.evaluate("window.seen") if text]


def wait_until_connected(page: Any) -> None:
    """Wait until the page is connected to a server, and shows what that says."""
    page.locator("[data-test-connection-state=CONNECTED][data-test-script-state=notRunning]").wait_for()


def wait_until_disconnected(page: Any) -> None:
    """Wait until the page has noticed that the server is gone."""
    page.locator("[data-testid=stApp]:not([data-test-connection-state=CONNECTED])").wait_for()
