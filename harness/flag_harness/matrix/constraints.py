"""Constraints of flags: which flags a flag requires or excludes, and groups in which exactly one flag is on.

Each constraint is turned into clauses that can be checked for a row (the indices of all flag values).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import combinations

from flag_harness.errors import FlagError
from flag_harness.matrix.matrix_flag import FlagLike, value_index

Row = tuple[int, ...]
"""A combination: for each flag, in declared order, the index of its value in `values`."""

Clause = tuple[tuple[int, int], ...]
"""Alternatives, at least one of which a row must meet.

Each is a pair: the index of a flag, and a bit mask of the values that this flag may have.
"""


@dataclass(frozen=True, slots=True)
class Constraint:
    """A rule for combinations: one flag requires or excludes another, or exactly one flag of a group is on.

    Attributes:
        flag_name: the flag that requires or excludes something; empty for a group.
        verb: `requires` or `excludes`; empty for a group.
        condition: what is required or excluded, such as `model=haiku`; for a group, `exactly one of a, b is on`.
        clauses: the rule as clauses, all of which an allowed row satisfies.
    """

    flag_name: str
    verb: str
    condition: str
    clauses: tuple[Clause, ...]

    def __str__(self) -> str:
        return f"{self.flag_name} {self.verb} {self.condition}".strip()


def row_satisfies_clause(clause: Clause, row: Row) -> bool:
    """Return whether a row meets at least one of the alternatives in a clause."""
    return any(mask >> row[index] & 1 for index, mask in clause)


def build_constraints(
    flags: Sequence[FlagLike], groups: Sequence[Sequence[str]], index_by_name: Mapping[str, int]
) -> Iterator[Constraint]:
    """Yield the constraints that the flags declare, then one constraint for each of `groups`: exactly one flag of the
    group is on.

    `index_by_name` has the index of each flag in `flags`. Raise `FlagError` if a constraint names an unknown flag or
    value.
    """
    for index, flag in enumerate(flags):
        off = (index, _invert_value_mask(_mask_of_enabled_values(flag), flag))
        for text in flag.requires:
            other, mask = _parse_condition(text, f"flag {flag.name!r} requires", flags, index_by_name)
            yield Constraint(flag.name, "requires", text, ((off, (other, mask)),))
        for text in flag.excludes:
            other, mask = _parse_condition(text, f"flag {flag.name!r} excludes", flags, index_by_name)
            yield Constraint(flag.name, "excludes", text, ((off, (other, _invert_value_mask(mask, flags[other]))),))
    for group in groups:
        indices = [flag_index(index_by_name, name, "a group") for name in group]
        on = tuple((index, _mask_of_enabled_values(flags[index])) for index in indices)
        off_masks = [(index, _invert_value_mask(mask, flags[index])) for index, mask in on]
        yield Constraint("", "", f"exactly one of {', '.join(group)} is on", (on, *combinations(off_masks, 2)))


def flag_index(index_by_name: Mapping[str, int], name: str, where: str) -> int:
    """Return the index of the flag `name`.

    Raise `FlagError` if there is no such flag; `where` is the start of the message.
    """
    if name in index_by_name:
        return index_by_name[name]
    near = get_close_matches(name, [*index_by_name], n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"add {name!r} to them"
    raise FlagError(f"{where} {name!r}, which is not among these flags ({', '.join(index_by_name)}); {hint}")


def _parse_condition(
    text: str, where: str, flags: Sequence[FlagLike], index_by_name: Mapping[str, int]
) -> tuple[int, int]:
    """Parse a condition such as `model=haiku` or `streaming`.

    Return the flag's index and a bit mask of the values that meet the condition. For `where` see `flag_index`.
    """
    name, has_value, value = text.partition("=")
    index = flag_index(index_by_name, name, where)
    return index, 1 << value_index(flags[index], value) if has_value else _mask_of_enabled_values(flags[index])


def _mask_of_enabled_values(flag: FlagLike) -> int:
    """Return a bit mask of the values with which the flag counts as on."""
    if all(isinstance(value, bool) for value in flag.values):
        return sum(1 << index for index, value in enumerate(flag.values) if value)
    return (1 << len(flag.values)) - 1 & ~(1 << value_index(flag, flag.default))


def _invert_value_mask(mask: int, flag: FlagLike) -> int:
    """Return a bit mask of the flag's values that are not in `mask`."""
    return ~mask & (1 << len(flag.values)) - 1
