"""The chat under every combination of its flags, and when the API has trouble."""

import pytest
from streamlit.testing.v1 import AppTest

from flag_harness.faults import overloaded, stream_error

pytestmark = pytest.mark.scenario("orders")


@pytest.fixture
def page():
    return AppTest.from_file("app.py", default_timeout=30).run()


def ask(page, prompt):
    page.chat_input[0].set_value(prompt).run()
    return [one.value for one in page.chat_message[-1].markdown]


@pytest.mark.flag_matrix("streaming", "polite")
def test_an_order_is_found(cassette, flags, page):
    assert "Your lamp was delivered yesterday." in ask(page, "Where is order 17?")
    assert "You are welcome." in ask(page, "Thank you!")
    assert not page.exception
    assert all(("system" in body) == flags["polite"] for body in cassette.bodies)


@pytest.mark.flags(streaming=True)
@pytest.mark.faults(overloaded(on=1))
def test_an_overloaded_api_is_asked_again(cassette, page):
    assert "Your lamp was delivered yesterday." in ask(page, "Where is order 17?")


@pytest.mark.flags(streaming=True)
@pytest.mark.faults(stream_error(on=1, at="inside_text"))
def test_the_next_prompt_works_after_a_broken_answer(cassette, page):
    ask(page, "Where is order 17?")
    assert page.exception
    assert "Your lamp was delivered yesterday." in ask(page, "Where is order 17? Try again.")
    assert not page.exception


def test_a_new_chat_starts_empty(cassette, page):
    ask(page, "Where is order 17?")
    page.button[0].click().run()  # the script calls st.rerun()
    assert not page.chat_message
    assert "You are welcome." in ask(page, "Thank you!")
    assert 1 == len(cassette.bodies[-1]["messages"])
