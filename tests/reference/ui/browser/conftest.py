"""Servers of the chat, and its page in a browser."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.reference.ui.browser.chat_page import OpenPage, StartServer, wait_until_idle
from tests.reference.ui.browser.ui_server import SCENARIO, UiServer, free_port


@pytest.fixture(scope="session")
def ui_port() -> int:
    """The port of all servers, so that a tab finds in its cache what the page loads."""
    return free_port()


@pytest.fixture
def start_server(warm_python: Callable[[], str], ui_port: int, tmp_path: Path) -> Iterator[StartServer]:
    """Return a function that starts a server with these options and environment variables."""
    servers: list[UiServer] = []

    def start(*options: str, scenario: str = SCENARIO, **variables: str) -> UiServer:
        servers.append(UiServer(warm_python(), tmp_path, ui_port, *options, scenario=scenario))
        servers[-1].start(**variables)
        return servers[-1]

    yield start
    for server in servers:
        server.kill()


@pytest.fixture
def open_page(open_tab: Callable[..., Any]) -> OpenPage:
    """Return a function that opens an address in a tab, and waits until one can write."""

    def open_one(url: str, **options: Any) -> Any:
        page = open_tab(**options)
        page.goto(url)
        wait_until_idle(page)
        return page

    return open_one
