"""When a fault is due: which of the requests that it sees it spoils."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from random import Random
from typing import Any, TypedDict

from flag_harness.faults import checks
from flag_harness.faults.errors import FaultError
from flag_harness.wire.timeline import Request


class ConditionArguments(TypedDict, total=False):
    """The keywords that every fault takes. All that are given must hold; none given means every request.

    `on`: the nth request that the fault sees, from 1, or several. `every`: each nth. `until`: none after the nth.
    `probability`: this share of the requests, drawn by `seed` (0) and the request's number, so neither threads nor
    tasks change the draw; `seed` also draws request ids and padding. `when`: what a function of the request says.
    `combination`: only under the flag combination of this id, or these ids.
    """

    on: int | Collection[int]
    every: int
    until: int
    probability: float
    seed: int
    when: Callable[[Request], bool]
    combination: str | Collection[str]


@dataclass(frozen=True, slots=True)
class FaultCondition:
    """The condition under which a request is spoiled. Made by `When.of`, which checks it."""

    on: frozenset[int] | None = None
    every: int | None = None
    until: int | None = None
    probability: float | None = None
    seed: int = 0
    when: Callable[[Request], bool] | None = None
    combination: frozenset[str] | None = None

    @classmethod
    def of(cls, given: dict[str, Any]) -> "FaultCondition":
        """The condition that keywords ask for. Raises `FaultError` for a value against the rules."""
        condition = cls(**{name: _CHECKS[name](value) for name, value in given.items()})
        if not condition._possible():
            both = ", ".join(f"{name}={given[name]}" for name in ("on", "every", "until") if name in given)
            raise FaultError(f"{both}: no request is all of that, so it can never be due")
        return condition

    def _possible(self) -> bool:
        """Whether any number can be due."""
        numbers = self.on or {self.every or 1}
        return any(
            (self.every is None or number % self.every == 0) and (self.until is None or number <= self.until)
            for number in numbers
        )

    def under(self, combination: str | None) -> bool:
        """Whether it can hold under the flag combination of this id; the order of the names in an id is no matter."""
        if self.combination is None:
            return True
        return combination is not None and _names(combination) in {_names(one) for one in self.combination}

    def holds(self, number: int, request: Request) -> bool:
        """Whether request number `number` (from 1) is due."""
        return (
            (self.on is None or number in self.on)
            and (self.every is None or number % self.every == 0)
            and (self.until is None or number <= self.until)
            and (self.probability is None or self.random(number, "due").random() < self.probability)
            and (self.when is None or bool(self.when(request)))
        )

    def random(self, number: int, purpose: str) -> Random:
        """The source of randomness for one request and one purpose, the same in every run."""
        return Random(f"{self.seed}:{number}:{purpose}")


def _names(combination: str) -> frozenset[str]:
    return frozenset(combination.split("+"))


def _on(value: object) -> frozenset[int]:
    if isinstance(value, Collection) and not isinstance(value, str) and value:
        return frozenset(checks.require_whole_number("on", one) for one in value)
    if isinstance(value, (Collection, bool)) or not isinstance(value, int) or value < 1:
        raise checks.argument_error("on", value, "a whole number from 1 up, or a collection of them")
    return frozenset({value})


def _probability(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise checks.argument_error("probability", value, "a number above 0 and up to 1")
    return value


def _when(value: object) -> Any:
    if not callable(value):
        raise checks.argument_error("when", value, "a function that takes a Request and returns a bool")
    return value


def _combination(value: object) -> frozenset[str]:
    ids = [value] if isinstance(value, str) else value
    if not isinstance(ids, Collection) or not ids or not all(isinstance(one, str) and one for one in ids):
        raise checks.argument_error("combination", value, "the id of a flag combination, or a collection of them")
    return frozenset(ids)


_CHECKS: dict[str, Callable[[Any], Any]] = {
    "on": _on,
    "every": lambda value: checks.require_whole_number("every", value),
    "until": lambda value: checks.require_whole_number("until", value),
    "probability": _probability,
    "seed": lambda value: checks.require_whole_number("seed", value, least=0),
    "when": _when,
    "combination": _combination,
}
CONDITION_ARGUMENTS = tuple(field.name for field in fields(FaultCondition))
