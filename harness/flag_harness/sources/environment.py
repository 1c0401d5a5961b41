"""Set environment variables for several `with` blocks or tests that run at the same time in one process."""

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from flag_harness.errors import FlagError
from flag_harness.sources.scope import FlagScope


@dataclass(frozen=True, slots=True)
class _VariableSetting:
    """The value that a scope (a test or `with` block) gave to an environment variable, or None for unset.

    `original_value` is the value before any scope set the variable, or None if the variable was not set.
    """

    scope: FlagScope
    value: str | None
    original_value: str | None


class SharedEnvironment:
    """Sets environment variables for scopes (tests and `with` blocks), and restores them when a scope ends.

    Two scopes that run at the same time may give a variable different values only if one scope is inside the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._settings: dict[str, list[_VariableSetting]] = {}

    @contextmanager
    def set_variables(self, variables: Mapping[str, str | None], scope: FlagScope) -> Iterator[None]:
        """Set environment variables inside the context, and unset the variables whose value is None.

        Raise `FlagError` if a scope that runs at the same time has set a variable to another value.
        """
        with self._lock:
            for name, value in variables.items():
                self._require_no_conflict(name, value, scope)
            for name, value in variables.items():
                self._set_for_scope(name, value, scope)
        try:
            yield
        finally:
            with self._lock:
                for name in variables:
                    self._restore_after_scope(name, scope)

    def _require_no_conflict(self, name: str, value: str | None, scope: FlagScope) -> None:
        """Raise `FlagError` if a scope that runs at the same time has set the variable to another value.

        A scope may override the values of the scopes around it.
        """
        for setting in self._settings.get(name, ()):
            if setting.value != value and not scope.is_inside(setting.scope):
                state = f"{name}={setting.value}" if setting.value is not None else f"{name} unset"
                raise FlagError(
                    f"another block with the flags {setting.scope.combination.id!r} still runs, and needs {state}: an "
                    "environment variable belongs to the whole process. Run the blocks one after the other, or "
                    'declare the flag with openfeature = "key", which each thread and task reads for itself'
                )

    def _set_for_scope(self, name: str, value: str | None, scope: FlagScope) -> None:
        """Set a variable for a scope, and remember the value that the variable had before any scope set it."""
        settings = self._settings.setdefault(name, [])
        before = settings[0].original_value if settings else os.environ.get(name)
        settings.append(_VariableSetting(scope, value, before))
        _set_variable(name, value)

    def _restore_after_scope(self, name: str, scope: FlagScope) -> None:
        """End a scope's setting of a variable.

        The variable gets the value that another running scope has set or, if there is none, its original value.
        """
        settings = self._settings[name]
        [setting] = [one for one in settings if one.scope is scope]
        settings.remove(setting)
        _set_variable(name, settings[-1].value if settings else setting.original_value)
        if not settings:
            del self._settings[name]


_SHARED_ENVIRONMENT = SharedEnvironment()


@contextmanager
def set_flag_variables(scope: FlagScope) -> Iterator[None]:
    """Set the environment variables of the scope's flags inside the context.

    Raise `FlagError` if a scope that runs at the same time has set one of them to another value.
    """
    with _SHARED_ENVIRONMENT.set_variables(scope.combination.environ, scope):
        yield


def _set_variable(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
