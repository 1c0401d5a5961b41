"""The combinations of a set of boolean flags."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations as subsets

from flag_harness.errors import FlagError
from flag_harness.flags import OFF, Flag, check_flags, combination_id


@dataclass(frozen=True, slots=True)
class Combination:
    """A value for every flag: the flags named in `on` are on, the others are off."""

    flags: tuple[Flag, ...]
    on: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """`off`, `streaming`, `streaming+prompt_cache`, and so on, in the declared order of the flags."""
        return combination_id(flag.name for flag in self.flags if flag.name in self.on)

    @property
    def environ(self) -> dict[str, str | None]:
        """The environment variables of the flags: `true` if a flag is on, `None` (unset) if it is off."""
        return {flag.env: "true" if flag.name in self.on else None for flag in self.flags}

    @property
    def values(self) -> dict[str, bool]:
        """The value of each flag by its name."""
        return {flag.name: flag.name in self.on for flag in self.flags}

    def __contains__(self, name: str) -> bool:
        return name in self.on


def all_combinations(flags: Sequence[Flag]) -> tuple[Combination, ...]:
    """Return every combination in which the flags that are on have the flags that they require, fewest flags first.

    Raise `FlagError` if the flags are invalid; see `check_flags`.
    """
    declared = tuple(flags)
    check_flags(declared)
    names = [flag.name for flag in declared]
    choices = (frozenset(on) for size in range(len(names) + 1) for on in subsets(names, size))
    return tuple(Combination(declared, on) for on in choices if _has_required_flags(declared, on))


def parse_combination(flags: Sequence[Flag], combination_id: str) -> Combination | None:
    """Return the combination of these flags that an id names, or None if it names none of theirs."""
    names = [] if combination_id == OFF else combination_id.split("+")
    declared = tuple(flags)
    if not combination_id or not {flag.name for flag in declared}.issuperset(names):
        return None
    return Combination(declared, frozenset(names))


def name_of_test(case: str, combination: str) -> str:
    """Return the name that the runs of a test share: its node id without the combination.

    >>> name_of_test("test_a.py::test_x[streaming-b]", "streaming")
    'test_a.py::test_x[*-b]'
    """
    function, bracket, parameters = case.partition("[")
    return f"{function}{bracket}{parameters.replace(combination, '*', 1)}" if combination else case


def pin_flags(flags: Sequence[Flag], pins: Mapping[str, bool]) -> Combination:
    """Return the combination in which exactly the flags that `pins` sets to True are on.

    Raise `FlagError` if a name is not declared, a value is not a bool, or a flag that is on lacks one that it requires.
    """
    declared = tuple(flags)
    check_flags(declared)
    names = {flag.name for flag in declared}
    if unknown := sorted(set(pins) - names):
        raise FlagError(f"no flag is called {unknown[0]!r}; declared: {', '.join(flag.name for flag in declared)}")
    for name, pin in pins.items():
        if not isinstance(pin, bool):
            raise FlagError(f"{name}={pin!r} must be True or False")
    on = frozenset(name for name, pin in pins.items() if pin)
    for flag in declared:
        if flag.name in on and (missing := [name for name in flag.requires if name not in on]):
            raise FlagError(f"{flag.name}=True requires {missing[0]}=True; pin it too")
    return Combination(declared, on)


def _has_required_flags(flags: Iterable[Flag], on: frozenset[str]) -> bool:
    return all(on.issuperset(flag.requires) for flag in flags if flag.name in on)
