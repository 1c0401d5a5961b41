"""Combinations: one value for each declared flag."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from flag_harness.errors import FlagError
from flag_harness.flag import (
    OFF_COMBINATION,
    SWITCHED_OFF_PREFIX,
    Flag,
    check_flags,
    combination_id,
    nearest_name_hint,
    unknown_flag_message,
)
from flag_harness.matrix.constraints import Constraint, Row
from flag_harness.matrix.covering import full_matrix
from flag_harness.matrix.matrix_flag import value_index
from flag_harness.matrix.space import FlagSpace


@dataclass(frozen=True, slots=True)
class Combination:
    """One value for each flag of a test. `row` holds, for each flag, the index of its value in `flag.values`.

    Attributes:
        id: the flags that are not at their defaults, in declared order, such as `streaming+no-concise+model=haiku`;
            `off` if all flags are at their defaults.
    """

    flags: tuple[Flag, ...]
    row: Row
    id: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        changed = (
            _combination_id_part(flag, value)
            for flag, value, default in zip(self.flags, self.row, default_row(self.flags), strict=True)
            if value != default
        )
        object.__setattr__(self, "id", combination_id(changed))

    def __repr__(self) -> str:
        """Return the name that tests and reports use: `<Combination streaming+model=haiku>`."""
        return f"<{type(self).__name__} {self.id}>"

    @property
    def environ(self) -> dict[str, str | None]:
        """The environment variables that set the flags. None means that a variable must be unset."""
        return {
            flag.env: flag.environment_variable_text(flag.values[value])
            for flag, value in zip(self.flags, self.row, strict=True)
            if flag.env
        }

    @property
    def values(self) -> dict[str, object]:
        """The value of each flag, by the flag's name."""
        return {flag.name: flag.values[value] for flag, value in zip(self.flags, self.row, strict=True)}

    @property
    def on(self) -> frozenset[str]:
        """The names of the flags that are on.

        A boolean flag is on if it is True. Any other flag is on if its value is not the default.
        """
        rows = zip(self.flags, self.row, default_row(self.flags), strict=True)
        return frozenset(
            flag.name for flag, value, default in rows if (flag.values[value] if flag.is_boolean else value != default)
        )

    def __contains__(self, condition: str) -> bool:
        """Return whether a flag is on (`"streaming"`) or has a certain value (`"model=haiku"`)."""
        name, has_value, value = condition.partition("=")
        if not has_value:
            return name in self.on
        for flag, index in zip(self.flags, self.row, strict=True):
            if flag.name == name:
                return index == value_index(flag, value)
        return False

    def __getitem__(self, name: str) -> object:
        """Return the value of the flag `name`. Raise `FlagError` if no flag has this name."""
        values = self.values
        if name not in values:
            raise FlagError(f"no flag is called {name!r}; {nearest_name_hint(name, values)}")
        return values[name]


@lru_cache
def flag_space(flags: tuple[Flag, ...]) -> FlagSpace:
    """Return all combinations that these flags and their constraints allow, as a `FlagSpace`.

    Raise `FlagError` if two combinations would have the same id, or if the defaults break a constraint.
    """
    check_flags(flags)
    return FlagSpace(flags)


@lru_cache
def default_row(flags: tuple[Flag, ...]) -> Row:
    """Return the row (the index of each flag's value) in which every flag has its default."""
    return tuple(value_index(flag, flag.default) for flag in flags)


def all_combinations(flags: Sequence[Flag]) -> tuple[Combination, ...]:
    """Return every combination that the constraints allow, those that differ least from the defaults first.

    Raise `FlagError` if the flags are invalid; see `flag_space`.
    """
    declared = tuple(flags)
    return tuple(Combination(declared, row) for row in full_matrix(flag_space(declared)))


def parse_combination(flags: Sequence[Flag], combination_id: str) -> Combination | None:
    """Return the combination of these flags with this id, or None if there is none."""
    declared = tuple(flags)
    row = list(default_row(declared))
    changes = flag_and_value_by_id_part(declared)
    names = [] if combination_id == OFF_COMBINATION else combination_id.split("+")
    if not combination_id or not changes.keys() >= {*names}:
        return None
    for name in names:
        index, value = changes[name]
        row[index] = value
    return Combination(declared, tuple(row))


@lru_cache
def flag_and_value_by_id_part(flags: tuple[Flag, ...]) -> Mapping[str, tuple[int, int]]:
    """Return `{part: (index of a flag, index of its value)}` for each part that the id of a combination can have.

    Parts are, for example, `streaming`, `no-concise` and `model=haiku`.
    """
    return {
        _combination_id_part(flag, value): (index, value)
        for index, (flag, default) in enumerate(zip(flags, default_row(flags), strict=True))
        for value in range(len(flag.values))
        if value != default
    }


def read_combination(flags: Sequence[Flag], environ: Mapping[str, str]) -> Combination:
    """Return the combination that environment variables select.

    Raise `FlagError` if a variable has an unknown value.
    """
    declared = tuple(flags)
    return Combination(declared, tuple(value_index(flag, flag.read_value(environ)) for flag in declared))


def add_missing_flags(combination: Combination, flags: Sequence[Flag]) -> Combination:
    """Return the combination, extended by further `flags` at their defaults.

    A flag is not added if the combination has a flag of the same name or with the same source, such as an environment
    variable.
    """
    taken = {word for flag in combination.flags for word in (flag.name, flag.source)}
    added = tuple(flag for flag in flags if not {flag.name, flag.source} & taken)
    return Combination((*combination.flags, *added), (*combination.row, *default_row(added)))


def node_id_without_combination(nodeid: str, combination_id: str) -> str:
    """Return a test's node id with `*` in place of its combination, so that all runs of the test have the same id.

    >>> node_id_without_combination("test_a.py::test_x[streaming-b]", "streaming")
    'test_a.py::test_x[*-b]'
    """
    function, bracket, parameters = nodeid.partition("[")
    return f"{function}{bracket}{parameters.replace(combination_id, '*', 1)}" if combination_id else nodeid


def pin_flags(flags: Sequence[Flag], pins: Mapping[str, object]) -> Combination:
    """Return the combination that has the values in `pins`, and the defaults for all other flags.

    `pins` maps the name of a flag to a value or the label of a value. Raise `FlagError` if a name or value is unknown,
    or a constraint is broken.
    """
    declared = tuple(flags)
    space = flag_space(declared)
    row = list(space.default_row)
    indices = {flag.name: index for index, flag in enumerate(declared)}
    if unknown := sorted(set(pins) - indices.keys()):
        raise FlagError(unknown_flag_message(unknown[0], declared))
    for name, pin in pins.items():
        flag = declared[indices[name]]
        if flag.is_boolean and not isinstance(pin, bool):
            raise FlagError(f"{name}={pin!r} must be True or False")
        row[indices[name]] = value_index(flag, pin)
    if (broken := space.find_broken_constraint(tuple(row))) is not None:
        raise FlagError(_broken_constraint_message(broken, declared, row))
    return Combination(declared, tuple(row))


def _combination_id_part(flag: Flag, index_of_value: int) -> str:
    """Return the part of a combination's id for a flag that is not at its default: `streaming`, `no-concise` or
    `model=haiku`.
    """
    if not flag.is_boolean:
        return f"{flag.name}={flag.labels[index_of_value]}"
    return flag.name if flag.values[index_of_value] else f"{SWITCHED_OFF_PREFIX}{flag.name}"


def _broken_constraint_message(broken: Constraint, flags: Sequence[Flag], row: Sequence[int]) -> str:
    """Return a message that states the constraint that `row` breaks, and which flags to pin so that it is met."""
    if not broken.flag_name:
        return f"{broken}; pin that one True and the others False"
    [(flag, value)] = [(flag, value) for flag, value in zip(flags, row, strict=True) if flag.name == broken.flag_name]
    name, has_value, _ = broken.condition.partition("=")
    other = broken.condition if has_value else f"{name}=True"
    start = f"{flag.name}={flag.values[value] if flag.is_boolean else flag.labels[value]} {broken.verb} {other}"
    if broken.verb == "requires":
        return f"{start}; pin it too"
    return f"{start}; pin {f'another value of {name}' if has_value else f'{name}=False'}"
