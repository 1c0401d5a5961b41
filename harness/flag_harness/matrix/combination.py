"""The combinations of a set of boolean flags."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations as subsets

from flag_harness.errors import FlagError
from flag_harness.flags import NO, OFF, Flag, check_flags, combination_id


@dataclass(frozen=True, slots=True)
class Combination:
    """A value for every flag: the flags named in `on` are on, the others are off."""

    flags: tuple[Flag, ...]
    on: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """`off`, `streaming`, `streaming+no-concise`, and so on: the flags that are not at their default, in order."""
        changed = (flag for flag in self.flags if (flag.name in self.on) is not flag.default)
        return combination_id(f"{NO}{flag.name}" if flag.default else flag.name for flag in changed)

    @property
    def environ(self) -> dict[str, str | None]:
        """The environment variables of the flags: the `on` or `off` value of each, `None` if it is to be unset."""
        return {flag.env: flag.on if flag.name in self.on else flag.off for flag in self.flags}

    @property
    def values(self) -> dict[str, bool]:
        """The value of each flag by its name."""
        return {flag.name: flag.name in self.on for flag in self.flags}

    def __contains__(self, name: str) -> bool:
        return name in self.on


def all_combinations(flags: Sequence[Flag]) -> tuple[Combination, ...]:
    """Return every combination that the flags' constraints allow, the fewest changes from the defaults first.

    Raise `FlagError` if the flags are invalid; see `check_flags`.
    """
    declared = tuple(flags)
    _check_flags_once(declared)
    names, defaults = [flag.name for flag in declared], _defaults(declared)
    choices = (
        defaults.symmetric_difference(changed) for size in range(len(names) + 1) for changed in subsets(names, size)
    )
    return tuple(Combination(declared, on) for on in choices if _is_allowed(declared, on))


def parse_combination(flags: Sequence[Flag], combination_id: str) -> Combination | None:
    """Return the combination of these flags that an id names, or None if it names none of theirs."""
    names = [] if combination_id == OFF else combination_id.split("+")
    declared = tuple(flags)
    changes = {f"{NO}{flag.name}" if flag.default else flag.name: flag for flag in declared}
    if not combination_id or not changes.keys() >= {*names}:
        return None
    changed = {changes[name].name for name in names}
    return Combination(declared, _defaults(declared) ^ changed)


def name_of_test(case: str, combination: str) -> str:
    """Return the name that the runs of a test share: its node id without the combination.

    >>> name_of_test("test_a.py::test_x[streaming-b]", "streaming")
    'test_a.py::test_x[*-b]'
    """
    function, bracket, parameters = case.partition("[")
    return f"{function}{bracket}{parameters.replace(combination, '*', 1)}" if combination else case


@lru_cache
def _check_flags_once(declared: tuple[Flag, ...]) -> None:
    check_flags(declared)


def pin_flags(flags: Sequence[Flag], pins: Mapping[str, bool]) -> Combination:
    """Return the combination in which the flags have the values of `pins`, and the others their defaults.

    Raise `FlagError` if a name is not declared, a value is not a bool, or a flag that is on lacks one that it requires.
    """
    declared = tuple(flags)
    _check_flags_once(declared)
    names = {flag.name for flag in declared}
    if unknown := sorted(set(pins) - names):
        raise FlagError(f"no flag is called {unknown[0]!r}; declared: {', '.join(flag.name for flag in declared)}")
    for name, pin in pins.items():
        if not isinstance(pin, bool):
            raise FlagError(f"{name}={pin!r} must be True or False")
    on = frozenset(flag.name for flag in declared if pins.get(flag.name, flag.default))
    for flag in declared:
        if flag.name in on and (missing := [name for name in flag.requires if name not in on]):
            raise FlagError(f"{flag.name}=True requires {missing[0]}=True; pin it too")
        if flag.name in on and (excluded := [name for name in flag.excludes if name in on]):
            raise FlagError(f"{flag.name}=True excludes {excluded[0]}=True; pin {excluded[0]}=False")
    return Combination(declared, on)


def _defaults(flags: Iterable[Flag]) -> frozenset[str]:
    return frozenset(flag.name for flag in flags if flag.default)


def _is_allowed(flags: Iterable[Flag], on: frozenset[str]) -> bool:
    return all(on.issuperset(flag.requires) and on.isdisjoint(flag.excludes) for flag in flags if flag.name in on)
