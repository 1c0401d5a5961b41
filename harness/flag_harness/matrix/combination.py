"""The combinations of a set of flags."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from flag_harness.errors import FlagError
from flag_harness.flag import NO_PREFIX, OFF, Flag, check_flags, combination_id, nearest_name
from flag_harness.matrix.covering import full_matrix
from flag_harness.matrix.matrix_flag import value_index
from flag_harness.matrix.space import Constraint, FlagSpace, Row


@dataclass(frozen=True, slots=True)
class Combination:
    """A value for every flag: `row` holds the index of each flag's value.

    Attributes:
        id: `off`, `streaming`, `streaming+no-concise+model=haiku`: the flags that are not at their default, in order.
    """

    flags: tuple[Flag, ...]
    row: Row
    id: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        changed = (
            _change_name(flag, value)
            for flag, value, default in zip(self.flags, self.row, default_row(self.flags), strict=True)
            if value != default
        )
        object.__setattr__(self, "id", combination_id(changed))

    @property
    def environ(self) -> dict[str, str | None]:
        """The variables of the flags that are read from them: the text of the value, `None` if it is to be unset."""
        return {
            flag.env: flag.variable_text(flag.values[value])
            for flag, value in zip(self.flags, self.row, strict=True)
            if flag.env
        }

    @property
    def values(self) -> dict[str, object]:
        """The value of each flag by its name."""
        return {flag.name: flag.values[value] for flag, value in zip(self.flags, self.row, strict=True)}

    @property
    def on(self) -> frozenset[str]:
        """The flags that are on: boolean ones that are True, and others that are not at their default."""
        rows = zip(self.flags, self.row, default_row(self.flags), strict=True)
        return frozenset(
            flag.name for flag, value, default in rows if (flag.values[value] if flag.is_boolean else value != default)
        )

    def __contains__(self, condition: str) -> bool:
        """Return whether a flag is on (`"streaming" in flags`), or has a value (`"model=haiku" in flags`)."""
        name, has_value, value = condition.partition("=")
        if not has_value:
            return name in self.on
        for flag, index in zip(self.flags, self.row, strict=True):
            if flag.name == name:
                return index == value_index(flag, value)
        return False

    def __getitem__(self, name: str) -> object:
        """Return the value of a flag: `flags["model"]`. Raise `FlagError` if no flag is called that."""
        values = self.values
        if name not in values:
            raise FlagError(f"no flag is called {name!r}; {nearest_name(name, values)}")
        return values[name]


@lru_cache
def flag_space(flags: tuple[Flag, ...]) -> FlagSpace:
    """Return the space of these flags. Raise `FlagError` if their ids are ambiguous, or a constraint is impossible."""
    check_flags(flags)
    return FlagSpace(flags)


@lru_cache
def default_row(flags: tuple[Flag, ...]) -> Row:
    """Return the row in which every flag is at its default."""
    return tuple(value_index(flag, flag.default) for flag in flags)


def all_combinations(flags: Sequence[Flag]) -> tuple[Combination, ...]:
    """Return every combination that the flags' constraints allow, the fewest changes from the defaults first.

    Raise `FlagError` if the flags are invalid; see `flag_space`.
    """
    declared = tuple(flags)
    return tuple(Combination(declared, row) for row in full_matrix(flag_space(declared)))


def parse_combination(flags: Sequence[Flag], combination_id: str) -> Combination | None:
    """Return the combination of these flags that an id names, or None if it names none of theirs."""
    declared = tuple(flags)
    row = list(default_row(declared))
    changes = named_changes(declared)
    names = [] if combination_id == OFF else combination_id.split("+")
    if not combination_id or not changes.keys() >= {*names}:
        return None
    for name in names:
        index, value = changes[name]
        row[index] = value
    return Combination(declared, tuple(row))


@lru_cache
def named_changes(flags: tuple[Flag, ...]) -> Mapping[str, tuple[int, int]]:
    """Return what an id can consist of: `streaming`, `no-concise`, `model=haiku`, each with its indices in a row."""
    return {
        _change_name(flag, value): (index, value)
        for index, (flag, default) in enumerate(zip(flags, default_row(flags), strict=True))
        for value in range(len(flag.values))
        if value != default
    }


def read_combination(flags: Sequence[Flag], environ: Mapping[str, str]) -> Combination:
    """Return the combination that an environment selects. Raise `FlagError` if a variable has an unknown value."""
    declared = tuple(flags)
    return Combination(declared, tuple(value_index(flag, flag.read_value(environ)) for flag in declared))


def with_defaults(combination: Combination, flags: Sequence[Flag]) -> Combination:
    """Return the combination with those of `flags` added whose names and sources it lacks, at their defaults."""
    taken = {word for flag in combination.flags for word in (flag.name, flag.source)}
    added = tuple(flag for flag in flags if not {flag.name, flag.source} & taken)
    return Combination((*combination.flags, *added), (*combination.row, *default_row(added)))


def name_of_test(case: str, combination: str) -> str:
    """Return the name that the runs of a test share: its node id without the combination.

    >>> name_of_test("test_a.py::test_x[streaming-b]", "streaming")
    'test_a.py::test_x[*-b]'
    """
    function, bracket, parameters = case.partition("[")
    return f"{function}{bracket}{parameters.replace(combination, '*', 1)}" if combination else case


def pin_flags(flags: Sequence[Flag], pins: Mapping[str, object]) -> Combination:
    """Return the combination in which the flags have the values of `pins`, and the others their defaults.

    A value may be given by its label. Raise `FlagError` if a name or value is unknown, or a constraint is broken.
    """
    declared = tuple(flags)
    space = flag_space(declared)
    row = list(space.default_row)
    indices = {flag.name: index for index, flag in enumerate(declared)}
    if unknown := sorted(set(pins) - indices.keys()):
        raise FlagError(f"no flag is called {unknown[0]!r}; declared: {', '.join(indices)}")
    for name, pin in pins.items():
        flag = declared[indices[name]]
        if flag.is_boolean and not isinstance(pin, bool):
            raise FlagError(f"{name}={pin!r} must be True or False")
        row[indices[name]] = value_index(flag, pin)
    if (broken := space.broken_constraint(tuple(row))) is not None:
        raise FlagError(_broken_constraint_message(broken, declared, row))
    return Combination(declared, tuple(row))


def _change_name(flag: Flag, value: int) -> str:
    """Return how an id says that a flag has a value other than its default."""
    if not flag.is_boolean:
        return f"{flag.name}={flag.labels[value]}"
    return flag.name if flag.values[value] else f"{NO_PREFIX}{flag.name}"


def _broken_constraint_message(broken: Constraint, flags: Sequence[Flag], row: Sequence[int]) -> str:
    """Return what a broken constraint says, and what to pin."""
    if not broken.flag:
        return f"{broken}; pin that one True and the others False"
    [(flag, value)] = [(flag, value) for flag, value in zip(flags, row, strict=True) if flag.name == broken.flag]
    name, has_value, _ = broken.other.partition("=")
    other = broken.other if has_value else f"{name}=True"
    start = f"{flag.name}={flag.values[value] if flag.is_boolean else flag.labels[value]} {broken.verb} {other}"
    if broken.verb == "requires":
        return f"{start}; pin it too"
    return f"{start}; pin {f'another value of {name}' if has_value else f'{name}=False'}"
