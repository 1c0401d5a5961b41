"""A real Chromium for tests of pages, driven by Playwright: `nox -s browser`. Without them, the tests are skipped."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
AXE = Path(os.environ.get("NODE_PATH", "node_modules"), "axe-core", "axe.min.js")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser without windows."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: apt install chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM)
        yield browser
        browser.close()


def load_axe(page: Any) -> None:
    """Load axe-core into a page, or skip the test if it is not installed."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: `nox -s browser` does")
    page.add_script_tag(path=str(AXE))


def axe_violations(page: Any) -> list[tuple[str, str, list[str]]]:
    """Return the rule, the impact and the elements of everything that axe-core finds in a page."""
    found = page.evaluate("axe.run()")["violations"]
    return [(one["id"], one["impact"], [node["html"] for node in one["nodes"]]) for one in found]
