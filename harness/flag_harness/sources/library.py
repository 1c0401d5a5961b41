"""`with flag_harness.flags(streaming=True):` sets flags outside pytest, and inside a test for a part of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flag_harness.config import read_config
from flag_harness.errors import FlagError
from flag_harness.flag import SET_FLAGS
from flag_harness.matrix import Combination, pin_flags
from flag_harness.sources.environment import set_environment
from flag_harness.sources.scope import FlagScope, enclosing_scope
from flag_harness.sources.setting import enter_scope

_PROJECT = "pyproject.toml"


@contextmanager
def flags(**pins: object) -> Iterator[Combination]:
    """Set flags of the project inside the context, and return their combination.

    The others are at their defaults, or as an enclosing block or test has set them. Threads and tasks that are started
    inside read OpenFeature flags of the block; environment variables belong to the process. The flags are those of the
    nearest `pyproject.toml`, from the working directory upwards.

    Raise `FlagError` if a name or value is unknown, a constraint is broken, or another block that still runs needs an
    environment variable to have another value; at the end, if OpenFeature hid an error from the code inside.
    """
    outer = enclosing_scope()
    folder = _project_folder()
    declared = outer.combination.flags if outer is not None else read_config(folder / _PROJECT).flags
    before = dict(outer.combination.values) if outer is not None else {}
    combination = pin_flags(declared, {**before, **pins})
    scope = FlagScope(combination, outer)
    is_settable = not any(flag.set == SET_FLAGS and flag.name in pins for flag in declared)
    with set_environment(scope), enter_scope(scope, _set_nothing if is_settable else None, folder=folder):
        yield combination
    if outer is None and scope.errors:
        raise FlagError("\n".join(scope.errors))


def _set_nothing(combination: Combination) -> None:
    """Leave flags that only a fixture can set as they are."""


def _project_folder() -> Path:
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / _PROJECT).is_file()), here)
