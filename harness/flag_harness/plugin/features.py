"""`--feature`: picks the cases of a feature. Loaded by conftest files, not by the plugin: others own that word too."""

import os
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from flag_harness.matrix import Combination
from flag_harness.plugin.modes import SUITE, owned

ALL = "all"
COUNTS = {
    "streaming": 10,
    "prompt_cache": 7,
    "extended_output": 9,
    "tools": 6,
    "context": 4,
    "errors": 7,
    "integration": 4,
    ALL: 25,
}
"""How many cases each name selects. A run of the whole suite that finds other numbers is stopped."""

_NARROWING = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf")
"""Options that leave some of the cases out."""

SHORT = {"stream": "streaming", "cache": "prompt_cache", "output": "extended_output"}
"""Other words for the same names."""

MARK = "features(*names): the features that a case is about; it is selected by `--feature` with any of them"


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add `--feature`, where no other plugin does."""
    if owned("--feature", pluginmanager):
        return
    parser.getgroup("harness", "flag harness").addoption(
        "--feature",
        action="append",
        dest="features",
        metavar="NAME",
        help=f"run the cases of a feature, and nothing else (repeatable): {', '.join(COUNTS)}",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse an unknown name."""
    config.addinivalue_line("markers", MARK)
    if unknown := [name for name in _asked(config) if SHORT.get(name, name) not in COUNTS]:
        short = ", ".join(SHORT)
        raise pytest.UsageError(
            f"--feature={unknown[0]}: no such feature; choose from {', '.join(COUNTS)} (or {short})"
        )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave everything but the cases uncollected where a feature is asked for."""
    if not _asked(config):
        return None
    for cases in _suites(config):
        if collection_path == cases or cases in collection_path.parents or collection_path in cases.parents:
            return None
    return True


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the items of the features asked for; hold the numbers of a whole suite."""
    if not (asked := _asked(config)):
        return
    if not _narrowed(config) and not session.testsfailed:
        _hold_counts(items)
    wanted = {SHORT.get(name, name) for name in asked}
    kept = [item for item in items if ALL in wanted or wanted & features(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def _asked(config: pytest.Config) -> list[str]:
    """The names given, whichever plugin parsed them."""
    return config.getoption("--feature", default=None) or []


def features(item: pytest.Item) -> frozenset[str]:
    """The features of a case: those of its marks, and the flags of its combination."""
    named = {name for mark in item.iter_markers("features") for name in mark.args}
    flags = {name for mark in item.iter_markers("flags") for name, on in mark.kwargs.items() if on}
    return frozenset(named | flags).union(_parameter_flags(item))


def _parameter_flags(item: pytest.Item) -> Iterator[str]:
    """The flags of a combination; all of them together are a matter of integration too."""
    callspec = getattr(item, "callspec", None)
    for value in callspec.params.values() if callspec else ():
        if isinstance(value, Combination):
            yield from value.on
            if len(value.on) == len(value.flags):
                yield "integration"


def _suites(config: pytest.Config) -> Iterator[Path]:
    """The folders that hold the cases: this checkout's, and the installed ones."""
    yield config.rootpath / "cases"
    installed = find_spec("flag_harness.conformance")
    for location in (installed.submodule_search_locations or []) if installed else []:
        yield Path(location)


def _narrowed(config: pytest.Config) -> bool:
    """Whether the command line picks some of the cases by other means, or none of them."""
    if not any(_covers(config, argument) for argument in config.args):
        return True
    return any(config.getoption(name, default=None) for name in _NARROWING)


def _covers(config: pytest.Config, argument: str) -> bool:
    """Whether all of a suite is collected where the argument points."""
    if argument == SUITE:
        return True
    path = os.path.abspath(config.invocation_params.dir / argument)
    return any(suite.is_dir() and suite.is_relative_to(path) for suite in _suites(config))


def _hold_counts(items: list[pytest.Item]) -> None:
    """Stop a run in which a case was lost, or came without its features being counted."""
    found = Counter(name for item in items for name in (*features(item), ALL))
    if wrong := [f"{name} {found[name]} (not {count})" for name, count in COUNTS.items() if found[name] != count]:
        raise pytest.UsageError(f"the suite's cases do not add up: {', '.join(wrong)}; mend COUNTS or the cases' marks")
