"""The flag matrix: every combination of a set of flags."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations as subsets

from flag_harness.errors import FlagError
from flag_harness.flags import OFF, Flag, check_flags, combination_id


@dataclass(frozen=True, slots=True)
class Combination:
    """One full assignment of `flags`: those named in `on` are on, the others are off."""

    flags: tuple[Flag, ...]
    on: frozenset[str] = frozenset()

    @property
    def id(self) -> str:
        """`off`, `streaming`, `streaming+prompt_cache`, ... in the flags' declared order."""
        return combination_id(flag.name for flag in self.flags if flag.name in self.on)

    @property
    def environ(self) -> dict[str, str | None]:
        """What the environment must hold: `true` where a flag is on, `None` (unset) where it is off."""
        return {flag.env: "true" if flag.name in self.on else None for flag in self.flags}

    @property
    def values(self) -> dict[str, bool]:
        """The value of each flag by its name."""
        return {flag.name: flag.name in self.on for flag in self.flags}

    def __contains__(self, name: str) -> bool:
        return name in self.on


def matrix(flags: Sequence[Flag]) -> tuple[Combination, ...]:
    """Every combination in which each flag that is on has the flags that it requires; fewest flags first.

    Raises `FlagError` for flags whose combinations have no ids of their own (`check_flags`).
    """
    declared = tuple(flags)
    check_flags(declared)
    names = [flag.name for flag in declared]
    every = (frozenset(on) for size in range(len(names) + 1) for on in subsets(names, size))
    return tuple(Combination(declared, on) for on in every if _satisfied(declared, on))


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


def pinned(flags: Sequence[Flag], pins: Mapping[str, bool]) -> Combination:
    """The combination in which exactly the flags pinned to True are on.

    Raises `FlagError` for a name not declared, a pin that is neither True nor False, and a combination that `matrix`
    does not have, because a flag that is on lacks one that it requires.
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


def _satisfied(flags: Iterable[Flag], on: frozenset[str]) -> bool:
    return all(on.issuperset(flag.requires) for flag in flags if flag.name in on)
