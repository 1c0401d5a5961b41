"""The properties of a flag that a matrix needs, and the look-up of a flag's values."""

from dataclasses import dataclass
from typing import Protocol

from flag_harness.errors import FlagError
from flag_harness.flag import nearest_name_hint, value_label, value_text


class FlagLike(Protocol):
    """The attributes that a flag must have to be part of a matrix."""

    @property
    def name(self) -> str: ...
    @property
    def values(self) -> tuple[object, ...]: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def default(self) -> object: ...
    @property
    def requires(self) -> tuple[str, ...]: ...
    @property
    def excludes(self) -> tuple[str, ...]: ...
    @property
    def group(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class MatrixFlag:
    """A flag that is only part of a matrix. Unlike `Flag`, it has no source, such as an environment variable.

    A boolean flag is on if it is True; any other flag is on if its value is not its default. While the flag is on,
    every flag in `requires` is on and every flag in `excludes` is off. `requires` and `excludes` may also name values:
    `name=value`. Exactly one of the flags in `group` is on.
    """

    name: str
    values: tuple[object, ...] = (False, True)
    default: object = False
    requires: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    group: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """A short text for each value, in the order of `values`."""
        return tuple(map(value_label, self.values))


def value_index(flag: FlagLike, value: object) -> int:
    """Return the index of a value in `flag.values`. The value may also be given as text, or by its label.

    Raise `FlagError` if the flag has no such value.
    """
    for index, known in enumerate(flag.values):
        if type(known) is type(value) and known == value:
            return index
    texts = [value_text(known) for known in flag.values]
    for names in (flag.labels, texts):
        if isinstance(value, str) and value in names:
            return names.index(value)
    raise FlagError(f"flag {flag.name!r} has no value {value!r}; {nearest_name_hint(str(value), flag.labels)}")
