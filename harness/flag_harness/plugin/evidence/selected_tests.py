"""Describe the options of a run for the header of its record, and find the tests that the options leave out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_HEADER_OPTION_PREFIXES = ("--harness-", "--record-mode", "--disable-recording", "--feature", "-k", "-m")
"""The prefixes of the command-line options that the record's header lists."""
OPTIONS_THAT_LEAVE_OUT_TESTS = {
    "features": "--feature",
    "lf": "--lf",
    "ignore_glob": "--ignore-glob",
    "collectonly": "--collect-only",
    "stepwise": "--stepwise",
}
"""Options that leave out tests without reporting them as deselected. The keys are their attributes in pytest."""
_COLLECTION_SETTINGS = frozenset(
    {"python_files", "python_classes", "python_functions", "testpaths", "norecursedirs", "addopts"}
    | {"collect_imported_tests"}
)
"""The settings of pytest that decide which tests exist."""


def command_line_header_fields(config: pytest.Config) -> dict[str, Any]:
    """Return the fields of a run record's header that say how pytest was started: its options, folder and tests."""
    return {
        "options": tuple(harness_arguments_for_header(config)),
        "root_options": root_options(config),
        "folder_in_repository": folder_in_repository(config.rootpath),
        "left_out_by": option_that_leaves_out_tests(config),
        "selected_tests": tests_named_on_command_line(config),
    }


def harness_arguments_for_header(config: pytest.Config) -> Iterator[str]:
    """Yield the arguments of the command line that concern the harness, without API keys."""
    from flag_harness.cassette.redact.scan import redact_api_keys

    follows = False
    for argument in map(str, config.invocation_params.args):
        if follows or argument.startswith(_HEADER_OPTION_PREFIXES):
            yield redact_api_keys(argument)
        has_value_after = argument.startswith(_HEADER_OPTION_PREFIXES) and "=" not in argument and not follows
        follows = has_value_after or argument in ("-k", "-m")


def root_options(config: pytest.Config) -> tuple[str, ...]:
    """Return the options that choose pytest's root folder and configuration file, as typed in the root folder."""
    file = config.getoption("inifilename")
    options = ["-c", _path_in_root(Path(config.inipath or file).resolve(), config)] if file else []
    return (*options, *(["--rootdir=."] if config.getoption("rootdir") else []))


def folder_in_repository(root: Path) -> str:
    """Return the path of a folder relative to the top of its git repository, or an empty string.

    The string is empty if the folder is the top of the repository, or is in no repository.
    """
    top = next((one for one in (root, *root.parents) if (one / ".git").exists()), root)
    return "" if top == root else root.relative_to(top).as_posix()


def option_that_leaves_out_tests(config: pytest.Config) -> str:
    """Return an option in effect that leaves out tests, such as `--lf`, or an empty string if there is none.

    The option may be set on the command line, in `PYTEST_ADDOPTS` or in the project's `addopts`. Options such as `-k`
    do not count here, because the tests that they deselect are known by name. Neither does `--ignore`.
    """
    for name, option in OPTIONS_THAT_LEAVE_OUT_TESTS.items():
        if value := config.getoption(name, default=None):
            return f"{option}={','.join(map(str, value))}" if isinstance(value, list) else option
    for setting in config.getoption("override_ini") or ():
        if setting.partition("=")[0].strip() in _COLLECTION_SETTINGS:
            return f"-o {setting}"
    if (other := config.getoption("inifilename")) and config.rootpath not in Path(config.inipath or other).parents:
        return f"-c {other}"
    return ""


def ignored_paths(config: pytest.Config) -> tuple[str, ...]:
    """Return the existing paths that `--ignore` leaves out, relative to the root."""
    paths = (Path(config.invocation_params.dir, one).resolve() for one in config.getoption("ignore") or ())
    return tuple(_path_in_root(path, config) for path in paths if path.exists())


def tests_named_on_command_line(config: pytest.Config) -> tuple[str, ...]:
    """Return the paths and node ids that the command line names, relative to the root folder, or an empty tuple if it
    names none.
    """
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        return ()
    selected = []
    for argument in config.args:
        path, separator, name = argument.partition("::")
        found = Path(config.invocation_params.dir, path).resolve()
        if found == config.rootpath.resolve():
            return ()
        selected.append(f"{_path_in_root(found, config)}{separator}{name}")
    return tuple(selected)


def _path_in_root(path: Path, config: pytest.Config) -> str:
    """Return a resolved path relative to pytest's root, or the whole path if it is outside."""
    root = config.rootpath.resolve()
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()
