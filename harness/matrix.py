"""The flag matrix: every combination of a set of flags."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations as subsets

from harness.errors import FlagError
from harness.flags import Flag, combination_id


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

    def __contains__(self, name: str) -> bool:
        return name in self.on


def matrix(flags: Sequence[Flag]) -> tuple[Combination, ...]:
    """Every combination in which each flag that is on has the flags that it requires; fewest flags first."""
    declared = tuple(flags)
    _check_requirements(declared)
    names = [flag.name for flag in declared]
    every = (frozenset(on) for size in range(len(names) + 1) for on in subsets(names, size))
    return tuple(Combination(declared, on) for on in every if _satisfied(declared, on))


def pinned(flags: Sequence[Flag], pins: Mapping[str, bool]) -> Combination:
    """The combination in which exactly the flags pinned to true are on. Raises `FlagError` for a name not declared."""
    declared = tuple(flags)
    names = {flag.name for flag in declared}
    if unknown := sorted(set(pins) - names):
        raise FlagError(f"no flag is called {unknown[0]!r}; declared: {', '.join(flag.name for flag in declared)}")
    return Combination(declared, frozenset(name for name, on in pins.items() if on))


def _check_requirements(flags: Iterable[Flag]) -> None:
    names = {flag.name for flag in flags}
    for flag in flags:
        for required in flag.requires:
            if required not in names:
                raise FlagError(f"flag {flag.name!r} requires {required!r}, which is not declared")


def _satisfied(flags: Iterable[Flag], on: frozenset[str]) -> bool:
    return all(on.issuperset(flag.requires) for flag in flags if flag.name in on)
