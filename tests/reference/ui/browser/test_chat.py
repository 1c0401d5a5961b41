"""The chat in a real browser: `nox -s browser`."""

from typing import Any

import pytest

from tests.chromium import axe_violations, load_axe
from tests.reference.ui.browser.chat_page import (
    OpenPage,
    StartServer,
    prompt_field,
    send,
    wait_for_text,
    wait_until_idle,
)
from tests.reference.ui.browser.ui_server import SLOW_SCENARIO, WORDS

pytest.importorskip("playwright.sync_api")
pytest.importorskip("streamlit")
pytestmark = pytest.mark.browser
DESK: dict[str, Any] = {}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "is_mobile": True}


def test_a_stopped_turn_is_followed_by_the_next(start_server: StartServer, open_page: OpenPage) -> None:
    """The page says what a stop means, and takes the next prompt."""
    page = open_page(start_server("--fault=stall:on=1,at=inside_text,occurrence=4").url)
    send(page, "Count")
    wait_for_text(page, "word0")
    page.get_by_role("button", name="Stop").click()
    wait_for_text(page, "Stopped.")
    assert not page.get_by_text("word39").count()
    wait_until_idle(page)
    send(page, "Now write it out.")
    wait_for_text(page, "word39")
    wait_until_idle(page)
    assert 1 == page.get_by_text("word39").count()


def test_a_discarded_text_is_struck_out_and_then_replaced(start_server: StartServer, open_page: OpenPage) -> None:
    """No text of the first attempt is left in the answer."""
    page = open_page(start_server("--fault=stream_error:on=1,at=inside_text").url)
    send(page, "Count")
    struck = page.locator("[class*=st-key-discarded] [data-testid=stText]")
    struck.first.wait_for()
    assert "line-through" in struck.first.evaluate("one => getComputedStyle(one).textDecorationLine")
    wait_for_text(page, "word39")
    wait_until_idle(page)
    assert 1 == page.get_by_text("Discarded answer").count()
    texts = [one for one in page.get_by_test_id("stText").all_text_contents() if one.startswith("word0")]
    assert WORDS in texts


def test_a_hostile_answer_is_text(start_server: StartServer, open_page: OpenPage) -> None:
    """Nothing of it runs, is loaded from elsewhere, or becomes an element."""
    server = start_server("--no-ask")
    page = open_page(server.url, records_requests=True)
    send(page, "Be hostile: <b>bold</b> ![x](http://127.0.0.1:9/y.png)")
    wait_for_text(page, "That is the result.")
    wait_until_idle(page)
    assert page.get_by_text("onerror").count()
    assert page.get_by_text("<U+202E>abc").count()
    assert "owned" != page.title()
    assert [] == [url for url in page.requested if not url.startswith((server.url, "data:", "blob:"))]
    inside = page.get_by_test_id("stChatMessage")
    assert 0 == inside.locator("script, img[src*=x], a[href*=javascript], b").count()


def test_a_call_waits_for_permission(start_server: StartServer, open_page: OpenPage) -> None:
    """A tool does not run until the user allows it. While it runs, the page says so, and does not ask any more."""
    server = start_server()
    page = open_page(server.url + "?session=one")
    send(page, "Write a file.")
    page.get_by_role("button", name="Run bash").wait_for()
    runs = server.folder / "sessions" / "one.files" / "runs"
    assert not runs.exists()
    wait_for_text(page, "It waits for your permission.")
    page.get_by_role("button", name="Run bash").click()
    wait_for_text(page, "It is running.")
    page.get_by_role("button", name="Do not run it").wait_for(state="detached")
    assert page.get_by_text("It is running.").count()
    wait_for_text(page, "That is the result.")
    assert "run\n" == runs.read_text()


def test_a_prompt_during_a_turn_of_another_tab_stays_in_the_field(
    start_server: StartServer, open_page: OpenPage
) -> None:
    """The other tab shows that turn, and the prompt can be sent once it has ended."""
    first = open_page(start_server(scenario=SLOW_SCENARIO).url)
    second = open_page(first.url)
    send(first, "Count")
    wait_for_text(first, "word3")
    send(second, "Hello")
    wait_for_text(second, "word5")
    assert second.get_by_text("Not sent, because another tab").count()
    wait_until_idle(second)
    assert "Hello" == prompt_field(second).input_value()
    prompt_field(second).press("Enter")
    for page in (second, first):
        wait_for_text(page, "A short answer.")
        assert 1 == page.get_by_text("word39").count()


def test_two_tabs_do_not_mix(start_server: StartServer, open_page: OpenPage) -> None:
    """Two sessions run at the same time; two tabs of one session show the same."""
    server = start_server()
    first, second = open_page(server.url), open_page(server.url)
    same = open_page(first.url)
    send(first, "Count")
    send(second, "Hello")
    wait_for_text(second, "A short answer.")
    wait_for_text(first, "word39")
    wait_for_text(same, "word39")
    assert not second.get_by_text("word39").count()
    assert not first.get_by_text("A short answer.").count()


def test_the_page_fits_a_phone(start_server: StartServer, open_page: OpenPage) -> None:
    """Nothing is wider than the screen."""
    page = open_page(start_server("--no-ask").url, viewport={"width": 360, "height": 740}, is_mobile=True)
    send(page, "Be hostile " + "x" * 200)
    wait_for_text(page, "That is the result.")
    assert 360 == page.evaluate("document.documentElement.scrollWidth")


@pytest.mark.parametrize("options", [DESK, {"color_scheme": "dark"}, PHONE], ids=["desk", "dark", "phone"])
def test_axe_finds_nothing_serious(start_server: StartServer, open_page: OpenPage, options: dict[str, Any]) -> None:
    """In a conversation with a tool call and a discarded text, and on the page of a raw request."""
    server = start_server("--no-ask", "--fault=stream_error:on=1,at=inside_text")
    page = open_page(server.url + "?session=one", **options)
    send(page, "Write a file.")
    wait_for_text(page, "That is the result.")
    wait_until_idle(page)
    assert [] == _serious_violations(page)
    page.goto(server.url + "?session=one&request=1")
    page.get_by_role("link", name="Open the chat").wait_for()
    assert [] == _serious_violations(page)


def _serious_violations(page: Any) -> list[Any]:
    load_axe(page)
    return [one for one in axe_violations(page) if one[1] in ("serious", "critical")]


def test_a_turn_links_to_its_raw_requests(start_server: StartServer, open_page: OpenPage) -> None:
    """Before and after the server was killed; the page of a request leads back to the chat."""
    server = start_server("--no-ask")
    page = open_page(server.url + "?session=one")
    send(page, "Write a file.")
    wait_for_text(page, "That is the result.")
    wait_until_idle(page)
    server.kill()
    server.start()
    page.goto(server.url + "?session=one")
    with page.expect_popup() as opened:
        page.get_by_role("link", name="request 2", exact=True).click()
    other = opened.value
    other.get_by_text("event: message_start").wait_for()
    assert other.get_by_text('"tool_result"').count()
    assert not other.get_by_text("x-api-key").count()
    with other.expect_popup() as opened:
        other.get_by_role("link", name="Open the chat").click()
    opened.value.get_by_text("That is the result.").last.wait_for()
