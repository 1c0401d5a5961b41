"""Set the flags of a combination that are not environment variables: through OpenFeature or functions."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any, TypeAlias

from flag_harness.errors import ConfigError
from flag_harness.flag import SET_FLAGS_FIXTURE, Flag, nearest_name_hint
from flag_harness.imports import import_attribute
from flag_harness.matrix import Combination
from flag_harness.sources.scope import FlagScope, activate_scope, use_scope_for_current_owner
from flag_harness.sources.shared_patch import SharedPatch

SetFlagsFunction: TypeAlias = Callable[[Combination], object]
"""The function that the fixture `harness_set_flags` returns: it sets the flags that have `set = "harness_set_flags"`.

It may return a context manager that undoes the setting.
"""


def _patch_submitted_work() -> AbstractContextManager[None]:
    """Return a context manager that makes threads and pool jobs run under the flags of the code that started them."""
    from flag_harness.transports.interception.submitted_work import follow_submitted_work

    return follow_submitted_work()


def _patch_openfeature() -> AbstractContextManager[None]:
    from flag_harness.sources.openfeature_client import patch_openfeature_clients

    return patch_openfeature_clients()


_SUBMITTED_WORK_PATCH = SharedPatch(_patch_submitted_work)
_OPENFEATURE_PATCH = SharedPatch(_patch_openfeature)


@contextmanager
def enter_scope(
    scope: FlagScope,
    set_flags: SetFlagsFunction | None = None,
    *,
    folder: Path | None = None,
    follows_work: bool = True,
) -> Iterator[None]:
    """Inside the context, run code under the flags of `scope`, except those that are environment variables.

    The code of this context, and the threads and tasks that it starts, read OpenFeature flags from the scope. Flags
    with `set = "module:function"` are set by calling that function, which is imported from `folder` or the Python path.
    Flags with `set = "harness_set_flags"` are set by calling `set_flags`. With `follows_work=False`, jobs of a thread
    pool that existed before do not get the flags of the code that submits them, unless flags are read through
    OpenFeature. Raise `ConfigError` if a function cannot be found, or if `set_flags` is needed but None.
    """
    with ExitStack() as stack:
        if reads_openfeature := (any(flag.openfeature for flag in scope.combination.flags) or _has_openfeature()):
            stack.enter_context(_OPENFEATURE_PATCH.keep_in_place())
        if follows_work or reads_openfeature:
            stack.enter_context(_SUBMITTED_WORK_PATCH.keep_in_place())
        stack.enter_context(use_scope_for_current_owner(scope))
        stack.enter_context(activate_scope(scope))
        for flag, value in zip(scope.combination.flags, scope.combination.values.values(), strict=True):
            if flag.set and flag.set != SET_FLAGS_FIXTURE:
                stack.enter_context(_set_flag_by_function(flag, value, folder))
        if rest := combination_for_set_flags_fixture(scope.combination):
            stack.enter_context(_as_context_manager(_require_set_flags(rest, set_flags)(rest)))
        yield


def _has_openfeature() -> bool:
    """Return whether OpenFeature is imported, so that the code under test may read flags through it."""
    return "openfeature.client" in sys.modules


def combination_for_set_flags_fixture(combination: Combination) -> Combination | None:
    """Return the part of a combination that the fixture `harness_set_flags` must set, or None if it has no
    flag to set.
    """
    rows = zip(combination.flags, combination.row, strict=True)
    if not (part := [(flag, index) for flag, index in rows if flag.set == SET_FLAGS_FIXTURE]):
        return None
    return Combination(tuple(flag for flag, _ in part), tuple(index for _, index in part))


def _require_set_flags(combination: Combination, set_flags: SetFlagsFunction | None) -> SetFlagsFunction:
    """Return `set_flags`. Raise `ConfigError` if it is None, naming the first flag of `combination`."""
    if set_flags is None:
        raise ConfigError(
            f"flag {combination.flags[0].name!r} is set by the fixture {SET_FLAGS_FIXTURE}, and there is none here: "
            "write one in a conftest.py, with @pytest.fixture, that returns a function which sets combination.values "
            'where your code reads them (docs/flags.md has examples under "A fixture"); outside tests, declare '
            "set = 'module:function' instead"
        )
    return set_flags


@contextmanager
def _set_flag_by_function(flag: Flag, value: object, folder: Path | None) -> Iterator[None]:
    """Inside the context, set a flag to `value` by calling the function that its setting `set` names.

    The function is imported from `folder` or the Python path. If the function returns a context manager, enter it.
    Otherwise, call the function again at the end, with the flag's default.
    """
    override = import_attribute(flag.set, f"flag {flag.name!r}: set =", "myapp.settings:override", folder)
    if not callable(override):
        raise ConfigError(
            f"flag {flag.name!r}: set = {flag.set!r} is not callable, but {type(override).__name__}; "
            f"name a function or context manager that takes the value; {_nearest_callable_hint(flag)}"
        )
    result = override(value)
    with _as_context_manager(result):
        try:
            yield
        finally:
            if not _is_context_manager(result):
                override(flag.default)


def _nearest_callable_hint(flag: Flag) -> str:
    """Return a hint that names the most similar function, if the setting `set` names something that is no function."""
    module, _, attribute = flag.set.partition(":")
    members = vars(sys.modules[module])
    return nearest_name_hint(attribute, [name for name, one in members.items() if callable(one) and name != attribute])


def _as_context_manager(result: object) -> AbstractContextManager[Any]:
    """Return the result if it is a context manager, else a context manager that does nothing."""
    return result if _is_context_manager(result) else nullcontext()  # type: ignore[return-value]


def _is_context_manager(result: object) -> bool:
    return hasattr(result, "__enter__") and hasattr(result, "__exit__")
