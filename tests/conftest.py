"""The harness's own tests. Plugin tests run pytest in folders of their own, in forks of one warm process."""

import gc
import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

SESSION = os.environ.get("HARNESS_TESTS")
"""`deep` in `nox -s deep`, `browser` in `nox -s browser`."""
DEEP = SESSION == "deep"
"""Whether to run every test in real processes, with more examples."""

sys.dont_write_bytecode = True  # a file that a test edits twice in a second may keep its size, and be taken for the old

with suppress(ImportError):  # the cases run in this checkout without it, by the README's first command
    from hypothesis import settings

    settings.register_profile("normal", max_examples=30, derandomize=True, deadline=None)
    settings.register_profile("deep", max_examples=500, deadline=None)
    settings.load_profile("deep" if DEEP else "normal")

pytest_plugins = ["pytester", "tests.loopback", "tests.unmeasured", "tests.warm_python", "tests.chromium"]
collect_ignore = ["agents", "docs_project", "pins", "streamlit_agent", "warm"]


def pytest_configure(config: pytest.Config) -> None:
    """Register the marks of tests that take long."""
    config.addinivalue_line("markers", "deep: the test runs under `nox -s deep` only")
    config.addinivalue_line("markers", "browser: the test runs under `nox -s browser` only")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Keep the garbage collector from what collection makes: of a million objects, none is garbage.

    A run of pytest inside a test collects garbage twice at its end.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests of the sessions `deep` and `browser`. The session `browser` runs no others.

    A browser of Playwright keeps an event loop, so that `asyncio.run` fails in the tests that share its process.
    """
    if SESSION == "browser":
        left_out = {item for item in items if not item.get_closest_marker("browser")}
    else:
        others = {"deep", "browser"} - {SESSION}
        left_out = {item for item in items if any(item.get_closest_marker(name) for name in others)}
    if left_out:
        config.hook.pytest_deselected(items=[item for item in items if item in left_out])
        items[:] = [item for item in items if item not in left_out]


@pytest.fixture(scope="session")
def deep() -> bool:
    """Whether a test may take minutes."""
    return DEEP


@pytest.fixture(scope="session", autouse=True)
def _http_libraries() -> None:
    """Import them once, before any test.

    A run of pytest in this process forgets what it was the first to import: whoever imported that has then another
    copy of it than those who import it later.
    """
    for name in ("httpx", "httpx2", "httpcore", "httpcore2"):
        with suppress(ImportError):
            importlib.import_module(name)


@pytest.fixture(scope="session")
def imported_sweep() -> None:
    """Import the SDK and the sweep, so that runs of pytest in this process do not each do it again."""
    for name in ("anthropic.resources.messages", "flag_harness.plugin.sweep.suite_items", "flag_harness.simulator"):
        importlib.import_module(name)


@pytest.fixture(scope="session", autouse=True)
def _one_certificate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let each client trust one authority in place of 120, which take 20 ms to read. No test reaches a public host."""
    certifi = importlib.import_module("certifi")
    first = certifi.contents().partition("-----END CERTIFICATE-----\n")
    file = tmp_path_factory.mktemp("authorities") / "first.pem"
    file.write_text("".join(first[:2]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture
def cold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the child processes of a test import everything themselves, for tests of what is imported."""
    monkeypatch.setenv("HARNESS_TESTS_COLD", "1")


@pytest.fixture
def pytester(
    pytester: pytest.Pytester, warm_python: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """Pytest's own, whose child processes are forks of the warm Python.

    A run in this process does not fail for a socket that an earlier test left to the garbage collector. No run starts
    others for its failed tests, unless a test asks for them.
    """
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:flag-harness-alone")
    inline_run = pytester.inline_run

    def run_inline(*arguments: Any, **options: Any) -> pytest.HookRecorder:
        with warnings.catch_warnings():
            warnings.filterwarnings("default", category=pytest.PytestUnraisableExceptionWarning)
            return inline_run(*arguments, **options)

    monkeypatch.setattr(pytester, "inline_run", run_inline)
    monkeypatch.setattr(pytester, "_getpytestargs", lambda: (warm_python(), "-mpytest"))
    return pytester


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: "pytest.TerminalReporter") -> None:
    """Say how many tests are slow: those belong to `nox -s deep`, or in a fork."""
    seconds = [
        report.duration
        for outcome in ("passed", "failed")
        for report in terminalreporter.getreports(outcome)
        if isinstance(report, pytest.TestReport) and report.when == "call"
    ]
    over = {limit: sum(one > limit for one in seconds) for limit in (1, 5)}
    terminalreporter.section("slow tests")
    terminalreporter.write_line(f"{over[1]} over 1 s, {over[5]} over 5 s; `pytest --durations=20` names them")
