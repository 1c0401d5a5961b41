"""Set the flags of a test that are not environment variables, and report errors that OpenFeature hides from the
test.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from flag_harness.errors import HarnessError
from flag_harness.flag import SET_FLAGS_FIXTURE, Flag
from flag_harness.matrix import Combination, add_missing_flags
from flag_harness.plugin.refusals import FlagSetupFailure
from flag_harness.plugin.run.conflicting_fixtures import definition_location, is_harness_fixture
from flag_harness.plugin.stash import FLAG_SCOPE_KEY


@contextmanager
def set_flags_outside_environment(
    request: pytest.FixtureRequest, combination: Combination, declared_flags: Sequence[Flag]
) -> Iterator[None]:
    """During the context, set the flags that are read through OpenFeature, or set by a function or by
    `harness_set_flags`.
    """
    # imported here: a run without flags does not need it
    from flag_harness.sources import FlagScope, enter_scope

    scope = request.node.stash[FLAG_SCOPE_KEY] = FlagScope(
        add_missing_flags(combination, declared_flags), is_fallback=True
    )
    flags = scope.combination.flags
    needing = next((flag for flag in flags if flag.set == SET_FLAGS_FIXTURE), None)
    set_flags = request.getfixturevalue(SET_FLAGS_FIXTURE) if needing is not None else None
    if needing is not None and set_flags is None and (problem := _fixture_problem(request)):
        message = f"{request.node.nodeid}: flag {needing.name!r} is set by the fixture {SET_FLAGS_FIXTURE}, {problem}"
        raise FlagSetupFailure(message)
    has_other_sources = any(not flag.env for flag in flags)
    entering = enter_scope(scope, set_flags, folder=request.config.rootpath, follows_work=has_other_sources)
    try:
        entering.__enter__()
    except HarnessError as error:
        raise FlagSetupFailure(f"{request.node.nodeid}: {error}") from None
    try:
        yield
    finally:
        entering.__exit__(None, None, None)


def _fixture_problem(request: pytest.FixtureRequest) -> str:
    """Return why the project's own fixture `harness_set_flags` sets nothing for a test, or an empty string."""
    visible = _find_flag_setter_fixture(request.node)
    if not is_harness_fixture(visible):
        return (
            f"which returns None here ({definition_location(visible)}): return or yield a function that sets "
            "combination.values where your code reads them"
        )
    for item in {item.parent: item for item in request.session.items}.values():
        definition = _find_flag_setter_fixture(item)
        if not is_harness_fixture(definition):
            place = definition.baseid.partition("::")[0]
            path = place if place.endswith(".py") else f"{place}/conftest.py"
            return f"and this test has none; there is one in {path}: move it to a conftest.py in a folder above both"
    return ""


def _find_flag_setter_fixture(item: pytest.Item) -> Any:
    """Return the definition of the fixture `harness_set_flags` that a test gets."""
    definitions = item.session._fixturemanager.getfixturedefs(SET_FLAGS_FIXTURE, item)
    assert definitions  # the plugin defines it for all tests
    return definitions[-1]


def flag_errors_hidden_by_openfeature(item: pytest.Item) -> list[BaseException]:
    """Return the errors that OpenFeature hid from the test's code by giving it a default in place of the flag."""
    scope = item.stash.get(FLAG_SCOPE_KEY, None)
    return [HarnessError(error) for error in scope.swallowed_errors] if scope is not None else []
