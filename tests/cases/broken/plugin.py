"""A pytest plugin that runs cases with the reference agent broken: `-p broken.plugin`, `BROKEN_CASES` names both.

Each way of breaking it is a function of one of the modules here. What each run ended with goes to `BROKEN_RESULTS`.
"""

import json
import os
from collections.abc import Callable, Generator
from importlib import import_module
from pathlib import Path

import pytest

SOUND = "sound"
"""Stands for the unchanged agent."""

Way = Callable[[pytest.MonkeyPatch], None]


def find(way: str) -> Way:
    """The function that breaks the agent in a way: `matrix.marks_whatever_the_flag`."""
    module, _, name = way.partition(".")
    found: Way = getattr(import_module(f"broken.{module}"), name)
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each case as it is, and once in each way that it is asked to be broken."""
    function = metafunc.definition.name
    ways = [way for case, way in _asked() if case.partition("[")[0] == function]
    metafunc.parametrize("_broken", [SOUND, *ways], indirect=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the matrix, a combination is broken only in the ways that are meant for it."""
    asked = {*_asked()}
    items[:] = [item for item in items if _way(item) == SOUND or (_case(item), _way(item)) in asked]


@pytest.fixture(autouse=True)
def _broken(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Break the agent, in this process and in those that the case forks."""
    if request.param != SOUND:
        find(request.param)(monkeypatch)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Note how it ended: with the first line of what was raised, or with nothing."""
    try:
        yield
    except BaseException as error:
        _note(item, f"{type(error).__name__}: {error}".partition("\n")[0])
        raise
    _note(item, "")


def _note(item: pytest.Item, end: str) -> None:
    with Path(os.environ["BROKEN_RESULTS"]).open("a", encoding="utf-8") as results:
        results.write(json.dumps([_case(item), _way(item), end]) + "\n")


def _asked() -> list[tuple[str, str]]:
    return [(case, way) for case, way in json.loads(os.environ["BROKEN_CASES"])]


def _case(item: pytest.Item) -> str:
    """The case as it is called when nothing is broken: `test_matrix[off]`, `test_restart`."""
    assert isinstance(item, pytest.Function)
    combination = item.callspec.params.get("harness_combination")
    return item.originalname + (f"[{combination.id}]" if combination else "")


def _way(item: pytest.Item) -> str:
    assert isinstance(item, pytest.Function)
    way: str = item.callspec.params["_broken"]
    return way
