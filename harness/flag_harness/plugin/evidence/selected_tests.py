"""What the command line says about a run, for the header of its record: options, and which tests it leaves out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

_HEADER_OPTIONS = ("--harness-", "--record-mode", "--disable-recording", "--feature", "-k", "-m")
"""The prefixes of the command-line options that the record's header lists."""
OPTIONS_THAT_LEAVE_OUT_TESTS = {
    "features": ("--feature",),
    "lf": ("--lf", "--last-failed"),
    "ignore": ("--ignore",),
    "ignore_glob": ("--ignore-glob",),
    "collectonly": ("--collect-only", "--co"),
    "stepwise": ("--stepwise", "--sw", "--stepwise-skip", "--sw-skip", "--stepwise-reset", "--sw-reset"),
}
"""Options that leave out tests without deselecting them, by the names of their attributes in pytest."""


def harness_arguments_for_header(config: pytest.Config) -> Iterator[str]:
    """Yield the arguments of the command line that concern the harness, without API keys."""
    from flag_harness.cassette.redact.scan import redact_api_keys

    follows = False
    for argument in map(str, config.invocation_params.args):
        if follows or argument.startswith(_HEADER_OPTIONS):
            yield redact_api_keys(argument)
        has_value_after = argument.startswith(_HEADER_OPTIONS) and "=" not in argument and not follows
        follows = has_value_after or argument in ("-k", "-m")


def option_that_leaves_out_tests(config: pytest.Config) -> str:
    """Return the first argument of the command line that leaves out tests, such as `--lf`, or an empty string.

    Tests that are deselected, as by `-k`, are known by their names, so they do not count here.
    """
    options = {option for names in OPTIONS_THAT_LEAVE_OUT_TESTS.values() for option in names}
    arguments = map(str, config.invocation_params.args)
    return next((argument for argument in arguments if argument.partition("=")[0] in options), "")


def tests_named_on_command_line(config: pytest.Config) -> tuple[str, ...]:
    """Return the paths and node ids that the command line names, relative to the root. It is empty for all tests."""
    if config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        return ()
    selected, root = [], config.rootpath.resolve()
    for argument in config.args:
        path, separator, name = argument.partition("::")
        found = Path(config.invocation_params.dir, path).resolve()
        if found == root:
            return ()
        inside = found.relative_to(root) if found.is_relative_to(root) else found
        selected.append(f"{inside.as_posix()}{separator}{name}")
    return tuple(selected)
