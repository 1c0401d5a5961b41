"""Compute the paths of the cassettes of tests, and of fixtures with a wider scope than one test."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flag_harness.flag import OFF_COMBINATION
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.modes import record_mode_of_run
from flag_harness.plugin.redact.secrets import filters_in_configuration, filters_in_marks
from flag_harness.plugin.run.names import (
    cassette_name,
    name_without_combination,
    safe_file_name,
    shorten_vcr_name,
    vcr_name,
)
from flag_harness.plugin.stash import repetition_index

FIXTURE_PREFIX = "fixture-"
"""The prefix of the name of a fixture's cassette. No test's name begins with it."""
_SETUP_FUNCTION_PATTERN = re.compile(r"_(?:xunit|unittest)_(setup_module|setup_class|setUpClass)_fixture_")
"""Matches the name of the fixture in which pytest calls such a function of the project."""
_MODES_THAT_PLAY = ("none", "once", "new_episodes")
"""The record modes that play what a cassette holds."""


def default_cassette_path(item: pytest.Item) -> Path:
    """Return the default path of a test's cassette: `<recordings>/<module>/<Class>.<test>[<parameters>].json`.

    Repetitions of a test after the first have `.repeat2`, `.repeat3` and so on before the suffix.

    If that file does not exist, the path may be that of an imported cassette: `flag-harness cassette import` keeps the
    file names of pytest-recording. A test under the combination `off` may also use the file that it had before it got
    the mark `flag_matrix`.
    """
    config = item.config
    module = item.path.with_suffix("")
    parts = module.relative_to(config.rootpath).parts if module.is_relative_to(config.rootpath) else (module.name,)
    classes = [node.name for node in item.listchain() if isinstance(node, pytest.Class)]
    callspec = getattr(item, "callspec", None)
    parameters, indices = (callspec.params, callspec.indices) if callspec else ({}, {})
    function = getattr(item, "originalname", None) or item.name
    name = cassette_name(classes, function, parameters, indices, _make_secret_check(config, item))
    if number := repetition_index(item):
        name = f"{name}.repeat{number + 1}"
    folder = config.rootpath.joinpath(config.stash[CONFIG_KEY].recordings, *map(safe_file_name, parts))
    own = folder / f"{name}.json"
    if own.exists():
        return own
    imported = (folder / f"{shorten_vcr_name(name, '.json')}.json" for name in _imported_cassette_names(item))
    return next((path for path in imported if path.exists()), own)


def fixture_cassette_path(
    fixturedef: "pytest.FixtureDef[Any]", scope_node: Any, parameter: Any = None, parameter_index: int = 0
) -> Path:
    """Return the path of the cassette of a fixture with a wider scope than one test:
    `<recordings>/<folder>/fixture-<name>[<value>].json`.

    `scope_node` is the class, module, package or session for which the fixture is set up. `parameter` is the fixture's
    parameter, and `parameter_index` its index among all parameters. For a session, the folder is that of the file that
    defines the fixture.
    """
    config: pytest.Config = scope_node.config
    classes: list[str] = []
    if isinstance(scope_node, pytest.Session):
        file, *classes = fixturedef.baseid.split("::")
        module = Path(file).with_suffix("") if file.endswith(".py") else Path(file, "conftest")
    else:
        # a class scope is the test itself if it stands in no class
        classes = [parent.name for parent in scope_node.listchain() if isinstance(parent, (pytest.Class, pytest.Item))]
        path = scope_node.path.with_suffix("")
        module = path.relative_to(config.rootpath) if path.is_relative_to(config.rootpath) else Path(path.name)
    parameters = {} if parameter is None else {"param": parameter}
    name = cassette_name(
        [],
        f"{FIXTURE_PREFIX}{wide_fixture_name(fixturedef)}",
        parameters,
        {"param": parameter_index},
        _make_secret_check(config),
    )
    folder = config.rootpath.joinpath(config.stash[CONFIG_KEY].recordings, *map(safe_file_name, module.parts))
    return folder / f"{'.'.join([*map(safe_file_name, classes), name])}.json"


def is_setup_function(fixturedef: "pytest.FixtureDef[Any]") -> bool:
    """Return whether a fixture is pytest's own, in which it calls `setup_module`, `setup_class` or `setUpClass`."""
    return _SETUP_FUNCTION_PATTERN.match(fixturedef.argname) is not None


def wide_fixture_name(fixturedef: "pytest.FixtureDef[Any]") -> str:
    """Return the name of a wide-scope fixture, or of the function such as `setUpClass` that pytest calls in it."""
    setup = _SETUP_FUNCTION_PATTERN.match(fixturedef.argname)
    return setup[1] if setup else fixturedef.argname


def _make_secret_check(config: pytest.Config, item: pytest.Item | None = None) -> Callable[[str], bool]:
    """Return a function that returns whether a text contains a key, or anything that filters hide.

    The filters are those of the configuration and, if `item` is given, of its marks.
    """

    def is_secret(text: str) -> bool:
        # imported here: only tests with parameters need it
        from flag_harness.plugin.redact.test_ids import mask_part_of_test_id

        filters = filters_in_configuration(config)
        return mask_part_of_test_id(text, filters + filters_in_marks(item) if item else filters) != text

    return is_secret


def fixture_case_id(fixturedef: "pytest.FixtureDef[Any]", node: Any, path: Path) -> str:
    """Return the name of a fixture in its cassette, in the form of a node id: `tests/conftest.py::fixture-wide`."""
    file = (fixturedef.baseid if isinstance(node, pytest.Session) else node.nodeid).partition("::")[0]
    return f"{file if file.endswith('.py') else Path(file, 'conftest.py').as_posix()}::{path.stem}"


def wide_scope_fixtures(item: pytest.Item) -> "Iterator[pytest.FixtureDef[Any]]":
    """Yield the definitions of the fixtures of wide scope that a test uses."""
    known = item._fixtureinfo.name2fixturedefs  # type: ignore[attr-defined]
    for name in item.fixturenames:  # type: ignore[attr-defined]
        yield from (one for one in known.get(name, ()) if one.scope != "function")


def fixture_cassette_paths(item: pytest.Item) -> Iterator[Path]:
    """Yield the paths that the cassettes of a test's wide-scope fixtures would have, whether or not the files exist."""
    callspec = getattr(item, "callspec", None)
    for fixturedef in wide_scope_fixtures(item):
        name = fixturedef.argname
        value, index = (callspec.params.get(name), callspec.indices.get(name, 0)) if callspec else (None, 0)
        for node in _scope_nodes(item, fixturedef.scope):
            yield fixture_cassette_path(fixturedef, node, value, index)


def _scope_nodes(item: pytest.Item, scope: str) -> Iterator[Any]:
    """Yield the class, module, packages or session of `item` for which a fixture of `scope` may be set up."""
    if scope == "class":
        yield item.getparent(pytest.Class) or item
        return
    kind = {"session": pytest.Session, "package": pytest.Package, "module": pytest.Module}[scope]
    yield from (node for node in item.listchain() if isinstance(node, kind))


def _imported_cassette_names(item: pytest.Item) -> Iterator[str]:
    """Yield the names that an imported cassette of a test may have: the test's own name, and the name without `off`.

    The latter is left out in the modes `all` and `rewrite`, which record each combination under its own name.
    """
    name = vcr_name(getattr(item, "cls", None), item.name)
    yield name
    callspec = getattr(item, "callspec", None)
    combination = callspec.params.get("harness_combination") if callspec else None
    if (
        combination is not None
        and combination.id == OFF_COMBINATION
        and record_mode_of_run(item.config) in _MODES_THAT_PLAY
    ):
        yield name_without_combination(name, OFF_COMBINATION, "-")
