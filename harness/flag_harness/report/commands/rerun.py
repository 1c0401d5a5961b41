"""Shell commands that run tests of a run record again."""

import shlex
from collections.abc import Iterable, Sequence

from flag_harness.record import RunHeader

_UPSTREAM_OPTIONS = ("--disable-recording", "--record-mode", "--harness-upstream")
"""The options that decide who answers the requests of a test. A command that repeats a test has the same ones."""

_COMBINATION_OPTIONS = ("--harness-matrix", "--harness-flags", "--harness-max-cost")
"""The options that decide under which combinations a test runs, and how much its runs may cost."""


def rerun_command(header: RunHeader, case: str, root: str | None = "") -> str:
    """Return the shell command that runs the test `case` again, with the same upstream and record mode as in the
    recorded run.

    `header` is that of the run record. For `root` see `pytest_command`.
    """
    return pytest_command(header, [case, *select_options(header.options, _UPSTREAM_OPTIONS)], root)


def locate_command(header: RunHeader, case: str, root: str | None = "") -> str:
    """Return the shell command that finds out which flags break the test `case`.

    The command runs the combinations of the recorded run and further ones. For `root` see `pytest_command`.
    """
    options = select_options(header.options, (*_UPSTREAM_OPTIONS, *_COMBINATION_OPTIONS))
    return pytest_command(header, [case.partition("[")[0], *options, "--harness-locate"], root)


def pytest_command(header: RunHeader, arguments: Iterable[str], root: str | None = "") -> str:
    """Return a shell command that runs pytest with `arguments` and the configuration of the recorded run.

    The command changes to the folder `root` first, unless that is empty or None (see `ReportLocation`).
    """
    command = shlex.join(["pytest", *header.root_options, *arguments])
    return f"cd {shlex.quote(root)} && {command}" if root else command


def select_options(options: Sequence[str], prefixes: tuple[str, ...]) -> list[str]:
    """Return the options of a command line that begin with one of `prefixes`, each with its value."""
    selected = []
    for option, following in zip(options, [*options[1:], ""], strict=False):
        if option.startswith(prefixes):
            has_value = "=" not in option and option != "--disable-recording" and not following.startswith("-")
            selected += [option, following] if has_value else [option]
    return selected
