"""A real Chromium for tests of pages, driven by Playwright: `nox -s browser`. Without them, the tests are skipped."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.warm_python import VARIABLE

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AXE = Path(os.environ.get("NODE_PATH", "node_modules"), "axe-core", "axe.min.js")
TIMEOUT_SECONDS = 180


class QuietTests:
    """Runs each test marked `quiet` while no other worker runs a test.

    Each test holds a lock while it runs, a quiet one alone. Who waits for that lock keeps a second one, so that no
    other test overtakes it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Hold the lock while the test runs."""
        import fcntl  # which Windows does not have

        is_quiet = item.get_closest_marker("quiet") is not None
        with (self.folder / "running").open("w") as running:
            with (self.folder / "waiting").open("w") as waiting:
                fcntl.flock(waiting, fcntl.LOCK_EX)
                fcntl.flock(running, fcntl.LOCK_EX if is_quiet else fcntl.LOCK_SH)
            return (yield)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Register the mark, and let the workers of `nox -s browser` wait for quiet tests. They share the warm folder."""
    config.addinivalue_line("markers", "quiet: the test measures times, so other workers wait until it has ended")
    if os.environ.get("HARNESS_TESTS") == "browser" and VARIABLE in os.environ:
        config.pluginmanager.register(QuietTests(Path(os.environ[VARIABLE])))


class Tabs:
    """Tabs of one browser, each in a context of its own. A tab that a test gives back serves the next one.

    What a page loads stays in the tab's cache: the second load of an application takes half the time of the first.
    """

    def __init__(self, browser: Any) -> None:
        self.browser = browser
        self.idle: dict[str, list[Any]] = {}

    def open(self, *, records_requests: bool = False, **options: Any) -> Any:
        """Return a tab, whose list `troubles` holds errors and messages on the console.

        `options` are those of the context. If `records_requests` is true, the list `requested` holds addresses; a page
        of Streamlit makes 120 requests.
        """
        key = json.dumps([records_requests, options], sort_keys=True)
        tab = idle.pop() if (idle := self.idle.get(key)) else self._make_tab(key, options)
        if records_requests and tab.requested is None:
            tab.on("request", lambda request: tab.requested.append(request.url))
        tab.requested, tab.troubles = [], []
        return tab

    def _make_tab(self, key: str, options: dict[str, Any]) -> Any:
        context = self.browser.new_context(**{"reduced_motion": "reduce", **options})
        context.set_default_timeout(TIMEOUT_SECONDS * 1000)
        tab = context.new_page()
        tab.key, tab.requested = key, None
        tab.on("console", lambda message: tab.troubles.append(message.text))
        tab.on("pageerror", lambda error: tab.troubles.append(str(error)))
        return tab

    def give_back(self, tab: Any) -> None:
        """Leave the page, forget what it has stored, and close the tabs that it has opened."""
        for other in tab.context.pages:
            if other is not tab:
                other.close()
        tab.context.clear_cookies()
        if tab.url.startswith("http"):
            tab.evaluate("localStorage.clear(), sessionStorage.clear()")
        tab.goto("about:blank")
        self.idle.setdefault(tab.key, []).append(tab)


@pytest.fixture(scope="session")
def tabs() -> Iterator[Tabs]:
    """The tabs of a browser without windows."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: apt install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--disable-gpu"])
        yield Tabs(browser)
        browser.close()


@pytest.fixture
def open_tab(tabs: Tabs) -> Iterator[Callable[..., Any]]:
    """Return a function that opens an empty tab, in a context with these options."""
    opened = []

    def open_one(**options: Any) -> Any:
        opened.append(tabs.open(**options))
        return opened[-1]

    yield open_one
    for tab in opened:
        tabs.give_back(tab)


def load_factor() -> float:
    """Return by which factor a measured time may grow, since other processes wait for the cores as well."""
    return max(1.0, 2 * os.getloadavg()[0] / (os.cpu_count() or 1))


def load_axe(page: Any) -> None:
    """Load axe-core into a page, or skip the test if it is not installed."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: `nox -s browser` does")
    page.add_script_tag(path=str(AXE))


def axe_violations(page: Any) -> list[tuple[str, str, list[str]]]:
    """Return the rule, the impact and the elements of everything that axe-core finds in a page."""
    found = page.evaluate("axe.run()")["violations"]
    return [(one["id"], one["impact"], [node["html"] for node in one["nodes"]]) for one in found]
