"""Chats on the simulator in this process, in real time but fast, and their page under Streamlit's AppTest."""

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flag_harness.reference.settings import AGENT_VARIABLES
from flag_harness.reference.ui.chat.directory import ChatDirectory
from flag_harness.reference.ui.chat.session import ChatSession
from flag_harness.reference.ui.options import UiOptions

TIMING = "[timing]\nfirst_token = 0.05\nper_event = 0.002\n"
MakeOptions = Callable[..., UiOptions]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Unset what the agent reads, stream, and work in an empty project."""
    for variable in AGENT_VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("ENABLE_STREAMING", "true")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def _end_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close all chats of the test: a thread that is left behind would keep virtual time from passing in later tests."""
    started: list[ChatSession] = []
    start = ChatSession._start_loop

    def start_loop(chat: ChatSession) -> asyncio.AbstractEventLoop:
        started.append(chat)
        return start(chat)

    monkeypatch.setattr(ChatSession, "_start_loop", start_loop)
    yield
    for chat in started:
        chat.close()
        assert not chat._thread or not chat._thread.is_alive()


@pytest.fixture
def make_options(tmp_path: Path) -> MakeOptions:
    """Return a function that writes a scenario, and returns the options of a chat on it."""

    def make(scenario: str, *, timing: str = TIMING, **changes: Any) -> UiOptions:
        path = tmp_path / "scenario.toml"
        path.write_text(timing + scenario, encoding="utf-8")
        return UiOptions(
            **{"file": str(path), "folder": str(tmp_path / "sessions"), "asks_before_tools": False, **changes}
        )

    return make


@pytest.fixture
def open_chat(make_options: MakeOptions) -> Callable[..., ChatSession]:
    """Return a function that opens the chat `one` on a scenario, as a server does that has just started."""

    def open_one(scenario: str, **changes: Any) -> ChatSession:
        environ = {"ENABLE_STREAMING": "true", "PATH": "/usr/bin:/bin"}
        return ChatDirectory(make_options(scenario, **changes), environ).open("one")

    return open_one


@pytest.fixture
def open_page(make_options: MakeOptions, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Return a function that opens the page of the chat `one` on a scenario under AppTest."""
    testing = pytest.importorskip("streamlit.testing.v1", reason="streamlit is not installed: pip install -e '.[ui]'")
    import streamlit

    from flag_harness.reference.ui.server import STREAMLIT_SCRIPT

    def open_one(scenario: str = "", **changes: Any) -> Any:
        options = make_options(scenario, **changes)
        monkeypatch.setattr(sys, "argv", ["streamlit_app.py", options.to_argument()])
        page = testing.AppTest.from_file(STREAMLIT_SCRIPT, default_timeout=30)
        page.query_params["session"] = "one"
        return page.run()

    yield open_one
    streamlit.cache_resource.clear()
