"""`with flag_harness.flags(streaming=True):` sets flags outside pytest, and inside a test for a part of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flag_harness.config import read_config
from flag_harness.errors import FlagError
from flag_harness.flag import SET_FLAGS_FIXTURE
from flag_harness.matrix import Combination, pin_flags
from flag_harness.sources.environment import set_flag_variables
from flag_harness.sources.scope import FlagScope, enclosing_scope
from flag_harness.sources.setting import enter_scope

_PROJECT_FILE = "pyproject.toml"


@contextmanager
def flags(**pins: object) -> Iterator[Combination]:
    """Set flags of the project inside the context, and yield the combination of all flag values.

    `pins` are flag values by name. Flags that are not named keep the values that an enclosing block or test has set, or
    have their defaults. Threads and tasks that are started inside read the OpenFeature flags of the block; flags in
    environment variables are set for the whole process. The flags are those of the nearest `pyproject.toml`, from the
    working directory upwards.

    Raise `FlagError` if a name or value is unknown, if a constraint is broken, or if another running block needs an
    environment variable to have another value. Raise `FlagError` at the end if OpenFeature hid an error from the code
    inside.
    """
    outer = enclosing_scope()
    folder = _project_folder()
    declared = outer.combination.flags if outer is not None else read_config(folder / _PROJECT_FILE).flags
    before = dict(outer.combination.values) if outer is not None else {}
    combination = pin_flags(declared, {**before, **pins})
    scope = FlagScope(combination, outer)
    is_settable = not any(flag.set == SET_FLAGS_FIXTURE and flag.name in pins for flag in declared)
    with set_flag_variables(scope), enter_scope(scope, _keep_flag_values if is_settable else None, folder=folder):
        yield combination
    if outer is None and scope.swallowed_errors:
        raise FlagError("\n".join(scope.swallowed_errors))


def _keep_flag_values(combination: Combination) -> None:
    """Do nothing.

    It stands in for the fixture `harness_set_flags` outside of tests, so flags that only it sets keep their values.
    """


def _project_folder() -> Path:
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / _PROJECT_FILE).is_file()), here)
