"""What a matrix needs of a flag, and its values by name."""

from dataclasses import dataclass
from typing import Protocol

from flag_harness.errors import FlagError
from flag_harness.flag import nearest_name, value_label, value_text


class HasValues(Protocol):
    """What a flag must offer to be part of a matrix."""

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
    """A flag without a source: what a matrix needs of a `Flag`.

    A boolean flag is on if it is True; any other flag is on if its value is not its default. If it is on, every flag
    in `requires` is on and every flag in `excludes` is off. Both also take `name=value`. Of the flags in `group`
    exactly one is on.
    """

    name: str
    values: tuple[object, ...] = (False, True)
    default: object = False
    requires: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    group: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """A short text for each value."""
        return tuple(map(value_label, self.values))


def value_index(flag: HasValues, value: object) -> int:
    """Return the index of a value, which may be given as its label or text. Raises `FlagError` for an unknown one."""
    for index, known in enumerate(flag.values):
        if type(known) is type(value) and known == value:
            return index
    texts = [value_text(known) for known in flag.values]
    for names in (flag.labels, texts):
        if isinstance(value, str) and value in names:
            return names.index(value)
    raise FlagError(f"flag {flag.name!r} has no value {value!r}; {nearest_name(str(value), flag.labels)}")
