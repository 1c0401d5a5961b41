"""The option `--feature`, which runs only the cases of a feature. Conftest files load this module.

It is not always loaded, because other plugins have an option of the same name.
"""

import os
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from flag_harness.matrix import Combination
from flag_harness.plugin.modes import CASES_PACKAGE, is_option_of_other_plugin

ALL_CASES = "all"
CASE_COUNTS = {
    "streaming": 10,
    "prompt_cache": 7,
    "extended_output": 9,
    "tools": 6,
    "context": 4,
    "errors": 7,
    "integration": 4,
    ALL_CASES: 25,
}
"""The number of cases that each feature selects. A run of the whole suite stops if it finds other numbers."""

_PARTIAL_RUN_OPTIONS = ("keyword", "markexpr", "deselect", "ignore", "ignore_glob", "lf")
"""Options of pytest that leave out some of the cases."""

FEATURE_BY_SHORT_NAME = {"stream": "streaming", "cache": "prompt_cache", "output": "extended_output"}
"""The short names that `--feature` also accepts, each with the full name of the feature."""

FEATURES_MARK = "features(*names): the features that a case is about; it is selected by `--feature` with any of them"


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add `--feature`, unless another plugin adds it."""
    if is_option_of_other_plugin("--feature", pluginmanager):
        return
    parser.getgroup("harness", "flag harness").addoption(
        "--feature",
        action="append",
        dest="features",
        metavar="NAME",
        help=f"run only the cases of a feature (repeatable): {', '.join(CASE_COUNTS)}",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark. Raise `UsageError` if `--feature` names an unknown feature."""
    config.addinivalue_line("markers", FEATURES_MARK)
    requested = _feature_option_values(config)
    if unknown := [name for name in requested if FEATURE_BY_SHORT_NAME.get(name, name) not in CASE_COUNTS]:
        short = ", ".join(FEATURE_BY_SHORT_NAME)
        raise pytest.UsageError(
            f"--feature={unknown[0]}: no such feature; choose from {', '.join(CASE_COUNTS)} (or {short})"
        )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Under `--feature`, ignore every path outside the suite of cases."""
    if not _feature_option_values(config):
        return None
    for cases in _suite_folders(config):
        if collection_path == cases or cases in collection_path.parents or collection_path in cases.parents:
            return None
    return True


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect cases of other features. If the whole suite runs, check the number of cases first."""
    if not (requested := _feature_option_values(config)):
        return
    if not _is_partial_run(config) and not session.testsfailed:
        _check_case_counts(items)
    wanted = {FEATURE_BY_SHORT_NAME.get(name, name) for name in requested}
    kept = [item for item in items if ALL_CASES in wanted or wanted & features_of_case(item)]
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


def _feature_option_values(config: pytest.Config) -> list[str]:
    """Return the names given with `--feature`, which another plugin may have added with another type."""
    return config.getoption("--feature", default=None) or []


def features_of_case(item: pytest.Item) -> frozenset[str]:
    """Return the features of a case: the names in its `features` marks, and the flags that are on."""
    named = {name for mark in item.iter_markers("features") for name in mark.args}
    flags = {name for mark in item.iter_markers("flags") for name, on in mark.kwargs.items() if on}
    return frozenset(named | flags).union(_flags_that_are_on(item))


def _flags_that_are_on(item: pytest.Item) -> Iterator[str]:
    """Yield the flags that are on in the item's combination, and `integration` if all flags are on."""
    callspec = getattr(item, "callspec", None)
    for value in callspec.params.values() if callspec else ():
        if isinstance(value, Combination):
            yield from value.on
            if len(value.on) == len(value.flags):
                yield "integration"


def _suite_folders(config: pytest.Config) -> Iterator[Path]:
    """Yield the folders of the cases: in this checkout, and in the installed package."""
    yield config.rootpath / "cases"
    installed = find_spec("flag_harness.conformance")
    for location in (installed.submodule_search_locations or []) if installed else []:
        yield Path(location)


def _is_partial_run(config: pytest.Config) -> bool:
    """Return True if the command line leaves out cases: by its paths, or by an option such as `-k`."""
    if not any(_collects_whole_suite(config, argument) for argument in config.args):
        return True
    return any(config.getoption(name, default=None) for name in _PARTIAL_RUN_OPTIONS)


def _collects_whole_suite(config: pytest.Config, argument: str) -> bool:
    """Return True if pytest collects the whole suite for this command-line argument."""
    if argument == CASES_PACKAGE:
        return True
    path = os.path.abspath(config.invocation_params.dir / argument)
    return any(suite.is_dir() and suite.is_relative_to(path) for suite in _suite_folders(config))


def _check_case_counts(items: list[pytest.Item]) -> None:
    """Raise `UsageError` unless each feature has as many cases as `CASE_COUNTS` says."""
    found = Counter(name for item in items for name in (*features_of_case(item), ALL_CASES))
    if wrong := [f"{name} {found[name]} (not {count})" for name, count in CASE_COUNTS.items() if found[name] != count]:
        raise pytest.UsageError(
            f"the suite's cases do not add up: {', '.join(wrong)}; fix CASE_COUNTS or the cases' marks"
        )
