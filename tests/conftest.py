"""The harness's own tests. Plugin tests run pytest in folders of their own."""

import importlib
from contextlib import suppress

import pytest

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session", autouse=True)
def _http_libraries() -> None:
    """Import them once, before any test.

    A run of pytest in this process forgets what it was the first to import: whoever imported that has then another
    copy of it than those who import it later.
    """
    for name in ("httpx", "httpx2", "httpcore", "httpcore2"):
        with suppress(ImportError):
            importlib.import_module(name)
