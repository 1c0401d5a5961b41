"""Sets the flags of a test that are not read from environment variables, and reports what OpenFeature hides."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from flag_harness.errors import HarnessError
from flag_harness.flag import SET_FLAGS, Flag
from flag_harness.matrix import Combination, add_missing_flags
from flag_harness.plugin.stash import FLAG_SCOPE


@contextmanager
def set_other_sources(
    request: pytest.FixtureRequest, combination: Combination, declared: Sequence[Flag]
) -> Iterator[None]:
    """Set the flags that are read through OpenFeature, or set by functions or `harness_set_flags`, during the test."""
    # imported here: a run without flags does not need it
    from flag_harness.sources import FlagScope, enter_scope

    scope = request.node.stash[FLAG_SCOPE] = FlagScope(add_missing_flags(combination, declared), is_ambient=True)
    flags = scope.combination.flags
    set_flags = request.getfixturevalue(SET_FLAGS) if any(flag.set == SET_FLAGS for flag in flags) else None
    has_other_sources = any(not flag.env for flag in flags)
    entering = enter_scope(scope, set_flags, folder=request.config.rootpath, follows_work=has_other_sources)
    try:
        entering.__enter__()
    except HarnessError as error:
        raise pytest.fail.Exception(f"{request.node.nodeid}: {error}", pytrace=False) from None
    try:
        yield
    finally:
        entering.__exit__(None, None, None)


def hidden_errors(item: pytest.Item) -> list[BaseException]:
    """Return the errors that OpenFeature hid from the test's code by giving it a default in place of the flag."""
    scope = item.stash.get(FLAG_SCOPE, None)
    return [HarnessError(error) for error in scope.errors] if scope is not None else []
