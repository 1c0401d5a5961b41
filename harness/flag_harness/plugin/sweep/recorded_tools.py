"""`tools = "record"`: keep what an agent's functions return in the baseline, and return it under each trouble."""

import copy
import functools
import inspect
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import msgspec

from flag_harness.errors import ConfigError
from flag_harness.imports import import_attribute

Key: TypeAlias = tuple[str, bytes]
_KEY = "[tool.flag-harness.sweep] record"


class NotRecordedError(Exception):
    """A tool was called as the baseline has not called it, so it has no result, and did not run."""


@dataclass(frozen=True, slots=True)
class _Result:
    value: Any = None
    error: BaseException | None = None

    def get(self) -> Any:
        if self.error is not None:
            raise self.error
        return _copy(self.value)


@dataclass(eq=False, slots=True)
class _Recording:
    """The results of one test's baseline, by function and arguments, and how many of them this call has returned."""

    results: dict[Key, list[_Result]] = field(default_factory=lambda: defaultdict(list))
    used: Counter[Key] = field(default_factory=Counter)
    is_baseline: bool = True

    def find(self, key: Key) -> _Result | None:
        """Return the next result of a call, the last one if there are no more, or None."""
        known = self.results.get(key, [])
        self.used[key] += 1
        index = self.used[key] - 1
        if self.is_baseline and index >= len(known):
            return None
        return known[min(index, len(known) - 1)] if known else None


class RecordedTools:
    """Replaces functions of a project by others that record or return their results."""

    def __init__(self, names: Iterable[str], root: Path) -> None:
        self._root = root
        self._recordings: dict[str, _Recording] = {}
        self._current: _Recording | None = None
        self._replacements = {}
        for name in names:
            function = import_attribute(name, f"{_KEY}: the function", "shop.tools:refund", root)
            if not inspect.isroutine(function):
                raise ConfigError(f"{_KEY}: {name!r} is no function; name the function that the agent calls")
            self._replacements[id(function)] = (function, self._wrap(name, function))

    @contextmanager
    def use(self, nodeid: str, *, is_baseline: bool) -> Iterator[None]:
        """Record the results of a test's tools in the context or, under a trouble, return those of its baseline."""
        if is_baseline:
            self._recordings[nodeid] = _Recording()
        self._replace_everywhere()
        self._current = self._recordings[nodeid]
        self._current.is_baseline = is_baseline
        try:
            yield
        finally:
            self._current = None

    def begin_call(self) -> None:
        """Note that the test function is called: its tools return their results from the first one on."""
        if self._current is not None:
            self._current.used.clear()

    def _wrap(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def replay_async(*args: Any, **options: Any) -> Any:
                key, result = self._find(name, function, args, options)
                if result is not None:
                    return result.get()
                try:
                    return self._keep(key, _Result(await function(*args, **options)))
                except Exception as error:
                    self._keep(key, _Result(error=error))
                    raise

            return replay_async

        @functools.wraps(function)
        def replay(*args: Any, **options: Any) -> Any:
            key, result = self._find(name, function, args, options)
            if result is not None:
                return result.get()
            try:
                return self._keep(key, _Result(function(*args, **options)))
            except Exception as error:
                self._keep(key, _Result(error=error))
                raise

        return replay

    def _find(
        self, name: str, function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[Key, _Result | None]:
        """Return the result of a call, or None if the function must run. Raise `TypeError` for wrong arguments."""
        bound = inspect.signature(function).bind(*args, **options).arguments
        key = (name, msgspec.json.encode(dict(bound), enc_hook=_type_name, order="deterministic"))
        result = self._current.find(key) if self._current else None
        if result is None and self._current is not None and not self._current.is_baseline:
            raise NotRecordedError(
                f"{name} was not called with {key[1].decode()} without a trouble, so it has no recorded result; it did "
                "not run"
            )
        return key, result

    def _keep(self, key: Key, result: _Result) -> Any:
        if self._current is not None and self._current.is_baseline:
            self._current.results[key].append(_Result(_copy(result.value), result.error))
        return result.value

    def _replace_everywhere(self) -> None:
        """Replace the functions in the attributes of the project's modules, and in their lists, tuples and dicts."""
        for module in [*sys.modules.values()]:
            if _is_own(module, self._root):
                for name, value in [*vars(module).items()]:
                    if (changed := self._replace(value)) is not value:
                        setattr(module, name, changed)

    def _replace(self, value: Any) -> Any:
        """Return the value with its functions replaced. Lists and dicts are changed in place."""
        if type(value) is list:
            value[:] = map(self._replacement, value)
        elif type(value) is dict:
            value.update({key: new for key, old in value.items() if (new := self._replacement(old)) is not old})
        elif type(value) is tuple and any(self._replacement(one) is not one for one in value):
            return tuple(map(self._replacement, value))
        return self._replacement(value)

    def _replacement(self, value: Any) -> Any:
        return self._replacements.get(id(value), (value, value))[1]


def _is_own(module: ModuleType, root: Path) -> bool:
    path = Path(getattr(module, "__file__", None) or "/")
    return path.is_relative_to(root) and "site-packages" not in path.parts


def _type_name(value: Any) -> str:
    return type(value).__qualname__


def _copy(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:  # a connection, for example: it can only be returned as it is
        return value
