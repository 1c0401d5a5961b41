"""Streamlit agents of users under test, as docs/streamlit.md describes: their code is not changed."""

import shutil
from pathlib import Path

import pytest

from tests.chromium import CHROMIUM

pytest.importorskip("streamlit", reason="streamlit is not installed: pip install -e '.[ui]'")

ROOT = Path(__file__).parents[2]
AGENT = ROOT / "tests" / "streamlit_agent"

APP = """
import threading

import anthropic
import streamlit as st


def ask(words):
    message = {"role": "user", "content": words}
    answer = anthropic.Anthropic().messages.create(model="claude-haiku-4-5", max_tokens=99, messages=[message])
    st.session_state.answers = [*st.session_state.get("answers", []), answer.content[0].text]


def ask_in_thread(words):
    heard = []

    def run():
        message = {"role": "user", "content": words}
        answer = anthropic.Anthropic().messages.create(model="claude-haiku-4-5", max_tokens=99, messages=[message])
        heard.append(answer.content[0].text)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    st.session_state.answers = heard


@st.fragment
def show_fragment():
    if st.button("fragment"):
        ask("from a fragment")


st.button("callback", on_click=ask, args=("from a callback",))
show_fragment()
if st.button("rerun"):
    ask("before a rerun")
    st.rerun()
if st.button("thread"):
    ask_in_thread("from a thread")
st.text(st.session_state.get("answers", []))
"""
TEST = """
import pytest
from streamlit.testing.v1 import AppTest

SAID = {
    "callback": "from a callback",
    "fragment": "from a fragment",
    "rerun": "before a rerun",
    "thread": "from a thread",
}


@pytest.mark.parametrize("name", SAID)
def test_ask(cassette, name):
    page = AppTest.from_file("app.py", default_timeout=30).run()
    next(one for one in page.button if one.label == name).click().run()
    assert not page.exception
    assert [SAID[name]] == page.session_state["answers"]
    assert [SAID[name]] == [body["messages"][0]["content"] for body in cassette.bodies]
"""
RECORD = ("--record-mode=once", "--harness-upstream=simulator")
PLAIN = ("-p", "no:asyncio", "-p", "no:xdist")


def test_the_recipe_is_recorded_and_played(pytester: pytest.Pytester) -> None:
    """The agent of the recipe runs under all its flags and faults, from the simulator and then offline."""
    shutil.copytree(AGENT, pytester.path, dirs_exist_ok=True)
    pytester.runpytest_subprocess(*PLAIN, *RECORD, "test_chat.py").assert_outcomes(passed=7)
    pytester.runpytest_subprocess(*PLAIN, "test_chat.py").assert_outcomes(passed=7)


def test_requests_of_callbacks_reruns_fragments_and_threads_belong_to_their_test(pytester: pytest.Pytester) -> None:
    """Streamlit runs them in threads of its own; each test records and plays its own request.

    A changed request is a failure of its test, without a warning about the thread that it has ended.
    """
    pytester.makepyprojecttoml("[tool.flag-harness]\n")
    pytester.makepyfile(app=APP, test_ask=TEST)
    pytester.runpytest_subprocess(*PLAIN, *RECORD).assert_outcomes(passed=4)
    recorded = sorted(path.name for path in (pytester.path / "recordings").rglob("*.json"))
    assert [f"test_ask[name={name}].json" for name in ("callback", "fragment", "rerun", "thread")] == recorded
    pytester.runpytest_subprocess(*PLAIN).assert_outcomes(passed=4)
    pytester.makepyfile(app=APP.replace('"role": "user", "content": words', '"role": "user", "content": f"{words}!"'))
    changed = pytester.runpytest_subprocess(*PLAIN)
    changed.assert_outcomes(failed=4, warnings=0)
    changed.stdout.fnmatch_lines(["1 test: *, 1 word: 'callback' * 'callback!'"])


def test_the_recipe_in_the_documentation_is_the_one_that_runs() -> None:
    """The page shows the test files as they are."""
    page = (ROOT / "docs" / "streamlit.md").read_text("utf-8")
    for name in ("test_chat.py", "test_server.py", "pyproject.toml"):
        assert (AGENT / name).read_text("utf-8") in page


@pytest.mark.browser
def test_the_recipe_interrupts_and_kills_a_real_server(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a real browser, as it is printed. It finds an app that keeps a call without its result, and shows why."""
    pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed")
    monkeypatch.setenv("CHROMIUM", CHROMIUM)
    shutil.copytree(AGENT, pytester.path, dirs_exist_ok=True)
    options = ("--disable-recording", "--harness-upstream=simulator")
    pytester.runpytest_subprocess(*PLAIN, *options, "test_server.py").assert_outcomes(passed=3)
    app = pytester.path / "app.py"
    app.write_text(app.read_text("utf-8").replace("\ndrop_unanswered_turn(messages)\n", "\n"), "utf-8")
    broken = pytester.runpytest_subprocess(*PLAIN, *options, "test_server.py", "-k", "tool_runs")
    broken.assert_outcomes(failed=1)
    broken.stdout.fnmatch_lines(
        ["E *AssertionError: *Error code: 400*`tool_use` ids were found without `tool_result`*"]
    )
