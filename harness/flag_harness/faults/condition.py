"""The condition of a fault, which says on which requests the fault acts. Such requests are called due."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from random import Random
from typing import Any, TypedDict

from flag_harness.faults import checks
from flag_harness.faults.errors import FaultError
from flag_harness.wire.timeline import Request


class ConditionArguments(TypedDict, total=False):
    """The arguments, common to all faults, that say on which requests a fault acts. By default it acts on every
    request.

    A request is due if it meets all of these:

    - `path`: the request has this path, or one of these paths; `*` stands for any characters.
    - `when`: this function returns True for the request.
    - `on`: the request has this number, or one of these numbers. Requests that meet `path`
      and `when` are numbered from 1.
    - `every`: the request's number is a multiple of this number.
    - `until`: the request's number is at most this number.
    - `probability`: this share of the requests is due, chosen at random by `seed` (default 0) and the request's number.
    - `combination`: the test runs under this flag combination, or one of these combinations.

    `seed` also determines the random request ids and padding in the fault's answers.
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
    """The condition under which a fault happens, with valid values. Build it with `from_arguments`."""

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
        """Build the condition from keyword arguments.

        Raise `FaultError` if an argument is invalid, or if no request can meet all of them.
        """
        condition = cls(**{name: _PARSER_BY_ARGUMENT[name](value) for name, value in arguments.items()})
        if not condition._is_possible():
            both = ", ".join(f"{name}={arguments[name]}" for name in ("on", "every", "until") if name in arguments)
            raise FaultError(f"{both}: no request is all of that, so it can never be due")
        return condition

    def _is_possible(self) -> bool:
        """Return whether at least one request number can meet `on`, `every` and `until` together."""
        numbers = self.on or {self.every or 1}
        return any(
            (self.every is None or number % self.every == 0) and (self.until is None or number <= self.until)
            for number in numbers
        )

    def allows_combination(self, combination: str | None) -> bool:
        """Return whether the fault can happen under the flag combination with this id.

        The order of the flags in an id does not matter.
        """
        if self.combination is None:
            return True
        return combination is not None and _flag_names(combination) in {_flag_names(one) for one in self.combination}

    def selects_request(self, request: Request) -> bool:
        """Return whether a request meets `path` and `when`. Only such requests are numbered."""
        return (self.path is None or _matches_path(request, self.path)) and (
            self.when is None or bool(self.when(request))
        )

    def is_met_by_request_number(self, number: int) -> bool:
        """Return whether the request with this number meets the arguments `on`, `every`, `until` and `probability`."""
        return (
            (self.on is None or number in self.on)
            and (self.every is None or number % self.every == 0)
            and (self.until is None or number <= self.until)
            and (self.probability is None or self.make_random(number, "due").random() < self.probability)
        )

    def make_random(self, number: int, purpose: str) -> Random:
        """Return a random generator for request `number`. It yields the same numbers in every run, and others for each
        `purpose`.
        """
        return Random(f"{self.seed}:{number}:{purpose}")


def _matches_path(request: Request, paths: Collection[str]) -> bool:
    """Return whether the request has one of the paths. A gateway's base path before `/v1/` is ignored."""
    path = request.path.partition("?")[0].rstrip("/")
    endpoint = path[path.rfind("/v1/") :] if "/v1/" in path else path
    return any(fnmatchcase(path, one) or fnmatchcase(endpoint, one) for one in paths)


def _flag_names(combination: str) -> frozenset[str]:
    return frozenset(combination.split("+"))


def _parse_request_numbers(value: object) -> frozenset[int]:
    """Return the argument `on` as a set of request numbers. Raise `FaultError` if it is invalid."""
    if isinstance(value, Collection) and not isinstance(value, str) and value:
        return frozenset(checks.require_whole_number("on", one) for one in value)
    if isinstance(value, (Collection, bool)) or not isinstance(value, int) or value < 1:
        raise checks.argument_error("on", value, "a whole number from 1 up, or a collection of them")
    return frozenset({value})


def _require_probability(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise checks.argument_error("probability", value, "a number above 0 and up to 1")
    return value


def _parse_paths(value: object) -> frozenset[str]:
    """Return the argument `path` as a set of paths. Raise `FaultError` if it is invalid."""
    paths = [value] if isinstance(value, str) else value
    if not isinstance(paths, Collection) or not paths or not all(map(_is_path, paths)):
        raise checks.argument_error("path", value, "a path such as /v1/messages, or a collection of them")
    return frozenset(path.rstrip("/") for path in paths)


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value.startswith(("/", "*")) and value != "/"


def _require_function(value: object) -> Any:
    if not callable(value):
        raise checks.argument_error("when", value, "a function that takes a Request and returns a bool")
    return value


def _parse_combinations(value: object) -> frozenset[str]:
    """Return the argument `combination` as a set of combination ids. Raise `FaultError` if it is invalid."""
    ids = [value] if isinstance(value, str) else value
    if not isinstance(ids, Collection) or not ids or not all(isinstance(one, str) and one for one in ids):
        raise checks.argument_error("combination", value, "the id of a flag combination, or a collection of them")
    return frozenset(ids)


_PARSER_BY_ARGUMENT: dict[str, Callable[[Any], Any]] = {
    "on": _parse_request_numbers,
    "every": lambda value: checks.require_whole_number("every", value),
    "until": lambda value: checks.require_whole_number("until", value),
    "probability": _require_probability,
    "seed": lambda value: checks.require_whole_number("seed", value, minimum=0),
    "path": _parse_paths,
    "when": _require_function,
    "combination": _parse_combinations,
}
CONDITION_ARGUMENT_NAMES = tuple(field.name for field in fields(FaultCondition))
