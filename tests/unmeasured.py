"""Measures no coverage in long tests whose lines other tests reach too: measuring doubles their time.

`unmeasured.txt` lists them. If a line is reported as missing that only such a test reaches, take the test off the list.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import _lru_cache_wrapper, cache
from pathlib import Path

import pytest

TESTS = frozenset(Path(__file__).with_name("unmeasured.txt").read_text(encoding="utf-8").split())
VARIABLE = "COVERAGE_PROCESS_CONFIG"
"""Coverage measures the child processes of a process that has it in its environment."""
ENVIRON = {VARIABLE: os.environ[VARIABLE]} if VARIABLE in os.environ else {}
"""What the environment of a child must hold in which coverage is measured, whichever test starts it."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    """Stop coverage while tests are collected: the warm Python measures what runs when a module is imported."""
    with _without_coverage():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Stop coverage while a listed test runs, in this process and in those that it starts."""
    with _without_coverage() if item.nodeid.partition("[")[0] in TESTS else nullcontext():
        return (yield)


@contextmanager
def _without_coverage() -> Iterator[None]:
    coverage = sys.modules.get("coverage")
    running = coverage.Coverage.current() if coverage else None
    if running is None:
        yield
        return
    running.stop()
    os.environ.pop(VARIABLE, None)
    try:
        yield
    finally:
        _forget_checked_requests()
        os.environ.update(ENVIRON)
        running.start()


def _forget_checked_requests() -> None:
    """Clear what the simulator remembers of requests: a measured test that sends an equal one has it checked anew."""
    if "flag_harness.simulator.checking" in sys.modules:
        for remembered in _simulator_caches():
            remembered.cache_clear()


@cache
def _simulator_caches() -> "list[_lru_cache_wrapper[object]]":
    """Return the caches around functions of the simulator's modules. The garbage collector knows no frozen ones."""
    modules = [module for name, module in sys.modules.items() if name.startswith("flag_harness.simulator")]
    cells = [
        cell.cell_contents
        for module in modules
        for value in vars(module).values()
        for cell in getattr(value, "__closure__", None) or ()
    ]
    return [one for one in cells if isinstance(one, _lru_cache_wrapper)]
