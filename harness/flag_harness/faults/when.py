"""The condition of a fault: which of the requests that it sees are due."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from random import Random
from typing import Any, TypedDict

from flag_harness.faults import checks
from flag_harness.faults.errors import FaultError
from flag_harness.wire.timeline import Request


class ConditionArguments(TypedDict, total=False):
    """The keyword arguments that every fault takes. A request is due if it meets all of them; without any, it is due.

    `path`: the requests to this path, or one of these, such as `/v1/messages`; `*` stands for any characters. `when`:
    the requests for which this function returns True. `on`: the number of the request, or several numbers, counted from
    1 among the requests that `path` and `when` let through. `every`: each nth of those. `until`: none after the nth.
    `probability`: this share of them, drawn from `seed` (default 0) and the request's number, so that threads and tasks
    do not change the draw; `seed` also draws request ids and padding. `combination`: only under the flag combination
    with this id, or one of these ids.
    """

    path: str | Collection[str]

    on: int | Collection[int]
    every: int
    until: int
    probability: float
    seed: int
    when: Callable[[Request], bool]
    combination: str | Collection[str]


@dataclass(frozen=True, slots=True)
class FaultCondition:
    """The checked condition under which a request is due; build it with `from_arguments`."""

    on: frozenset[int] | None = None
    every: int | None = None
    until: int | None = None
    probability: float | None = None
    seed: int = 0
    path: frozenset[str] | None = None
    when: Callable[[Request], bool] | None = None
    combination: frozenset[str] | None = None

    @classmethod
    def from_arguments(cls, arguments: dict[str, Any]) -> "FaultCondition":
        """Build the condition from keyword arguments. Raise `FaultError` if one is invalid, or if none can be due."""
        condition = cls(**{name: _CHECKS[name](value) for name, value in arguments.items()})
        if not condition._is_possible():
            both = ", ".join(f"{name}={arguments[name]}" for name in ("on", "every", "until") if name in arguments)
            raise FaultError(f"{both}: no request is all of that, so it can never be due")
        return condition

    def _is_possible(self) -> bool:
        """Return whether the request of any number can be due."""
        numbers = self.on or {self.every or 1}
        return any(
            (self.every is None or number % self.every == 0) and (self.until is None or number <= self.until)
            for number in numbers
        )

    def allows(self, combination: str | None) -> bool:
        """Return whether a request can be due under this flag combination; the order of names in an id is ignored."""
        if self.combination is None:
            return True
        return combination is not None and _flag_names(combination) in {_flag_names(one) for one in self.combination}

    def selects(self, request: Request) -> bool:
        """Return whether `path` and `when` let the request through, so that it counts."""
        return (self.path is None or _has_path(request, self.path)) and (self.when is None or bool(self.when(request)))

    def is_due(self, number: int) -> bool:
        """Return whether the request with this number, from 1 among the selected ones, is due."""
        return (
            (self.on is None or number in self.on)
            and (self.every is None or number % self.every == 0)
            and (self.until is None or number <= self.until)
            and (self.probability is None or self.random(number, "due").random() < self.probability)
        )

    def random(self, number: int, purpose: str) -> Random:
        """Return the random generator for one request and one purpose, seeded alike in every run."""
        return Random(f"{self.seed}:{number}:{purpose}")


def _has_path(request: Request, paths: Collection[str]) -> bool:
    """Return whether one of the paths is the request's; a gateway's base path before `/v1/` is ignored."""
    path = request.path.partition("?")[0].rstrip("/")
    endpoint = path[path.rfind("/v1/") :] if "/v1/" in path else path
    return any(fnmatchcase(path, one) or fnmatchcase(endpoint, one) for one in paths)


def _flag_names(combination: str) -> frozenset[str]:
    return frozenset(combination.split("+"))


def _check_on(value: object) -> frozenset[int]:
    if isinstance(value, Collection) and not isinstance(value, str) and value:
        return frozenset(checks.require_whole_number("on", one) for one in value)
    if isinstance(value, (Collection, bool)) or not isinstance(value, int) or value < 1:
        raise checks.argument_error("on", value, "a whole number from 1 up, or a collection of them")
    return frozenset({value})


def _check_probability(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise checks.argument_error("probability", value, "a number above 0 and up to 1")
    return value


def _check_path(value: object) -> frozenset[str]:
    paths = [value] if isinstance(value, str) else value
    if not isinstance(paths, Collection) or not paths or not all(map(_is_path, paths)):
        raise checks.argument_error("path", value, "a path such as /v1/messages, or a collection of them")
    return frozenset(path.rstrip("/") for path in paths)


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("/", "*")) and value != "/"


def _check_when(value: object) -> Any:
    if not callable(value):
        raise checks.argument_error("when", value, "a function that takes a Request and returns a bool")
    return value


def _check_combination(value: object) -> frozenset[str]:
    ids = [value] if isinstance(value, str) else value
    if not isinstance(ids, Collection) or not ids or not all(isinstance(one, str) and one for one in ids):
        raise checks.argument_error("combination", value, "the id of a flag combination, or a collection of them")
    return frozenset(ids)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "on": _check_on,
    "every": lambda value: checks.require_whole_number("every", value),
    "until": lambda value: checks.require_whole_number("until", value),
    "probability": _check_probability,
    "seed": lambda value: checks.require_whole_number("seed", value, least=0),
    "path": _check_path,
    "when": _check_when,
    "combination": _check_combination,
}
CONDITION_ARGUMENTS = tuple(field.name for field in fields(FaultCondition))
