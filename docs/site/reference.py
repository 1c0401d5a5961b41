"""Makes the reference pages of the site from the code: options, marks, fixtures, commands, faults and names."""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator

import flag_harness
from flag_harness.cli.main import make_parser
from flag_harness.fault_arguments import ARGUMENTS_OF_EVERY_FAULT, ARGUMENTS_OF_SOME_FAULTS
from flag_harness.faults import fault_kinds
from flag_harness.plugin.mark_descriptions import MARK_DESCRIPTIONS


def options_page() -> str:
    """Return the page of the options of pytest, as `pytest --help` describes them."""
    section = re.search(r"^flag harness:\n(.*?)^\S", _pytest("--help", columns=1000), re.DOTALL | re.MULTILINE)
    assert section, "pytest --help has no section of the harness"
    rows = re.findall(r"^  (--\S+(?: \S+)?)\s+(.*)$", section[1], re.MULTILINE)
    return _page("Options of pytest", "`pytest --help` prints the same.", _table(("option", "what it does"), rows))


def marks_page() -> str:
    """Return the page of the marks, as `pytest --markers` describes them."""
    rows = [(f"@pytest.mark.{name}", text) for name, _, text in (mark.partition(": ") for mark in MARK_DESCRIPTIONS)]
    return _page("Marks", "`pytest --markers` prints the same.", _table(("mark", "what it does"), rows))


def fixtures_page() -> str:
    """Return the page of the fixtures, as `pytest --fixtures` describes them."""
    shown = _pytest("--fixtures", columns=1000)
    found = re.findall(
        r"^(\w+)(?: \[(\w+) scope\])? -- \S*flag_harness/plugin\S*\n((?:    .*\n|\n(?=    ))+)", shown, re.M
    )
    rows = [(name, scope or "function", " ".join(text.split())) for name, scope, text in sorted(found)]
    table = _table(("fixture", "scope", "what it returns"), rows)
    return _page("Fixtures", "`pytest --fixtures` prints the same.", table)


def commands_page() -> str:
    """Return the page of the command `flag-harness`: the help of each of its commands."""
    codes = "Exit codes: 0 for success, 1 if a problem was found, 2 for wrong usage."
    return _page("The command flag-harness", codes, "\n".join(_help_sections(make_parser())))


def faults_page() -> str:
    """Return the page of the faults and their arguments."""
    kinds = _table(("fault", "what happens"), [(kind.name, kind.description) for kind in fault_kinds()])
    conditions, effects = (
        _table(("argument", "values", "meaning"), [tuple(argument) for argument in arguments])
        for arguments in (ARGUMENTS_OF_EVERY_FAULT, ARGUMENTS_OF_SOME_FAULTS)
    )
    intro = "Written as `NAME:ARGUMENT=VALUE,...` on the command line, and as `NAME(ARGUMENT=VALUE)` in Python."
    return _page("Faults", intro, f"{kinds}\n## Which requests\n\n{conditions}\n## What happens to them\n\n{effects}")


def python_page() -> str:
    """Return the page of the names that programs may import, for mkdocstrings to fill in."""
    names = (name for name in sorted(flag_harness.__all__) if name != "faults")
    return _page(
        "Python",
        "All of these are imported from `flag_harness`.",
        "\n".join(f"::: flag_harness.{name}\n" for name in names),
    )


REFERENCE: dict[str, Callable[[], str]] = {
    "reference-options": options_page,
    "reference-marks": marks_page,
    "reference-fixtures": fixtures_page,
    "reference-commands": commands_page,
    "reference-faults": faults_page,
    "reference-python": python_page,
}
"""The functions that make the reference pages, by the name of the page."""


def _help_sections(parser: argparse.ArgumentParser) -> Iterator[str]:
    """Yield the help of a parser's commands, those of commands included."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield f"## `{command.prog}`\n\n```text\n{command.format_help()}```\n"
                yield from _help_sections(command)


def _pytest(option: str, columns: int) -> str:
    """Return what pytest prints with an option in an empty folder, without other plugins."""
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(
            [sys.executable, "-m", "pytest", option, "-p", "no:cacheprovider", "-p", "no:asyncio"],
            cwd=folder,
            env={**os.environ, "COLUMNS": str(columns)},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        ).stdout


def _page(title: str, intro: str, body: str) -> str:
    return f"# {title}\n\n{intro}\n\n{body}"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    cells = [head, ("---",) * len(head), *((f"`{first}`", *map(_escape, rest)) for first, *rest in rows)]
    return "".join(f"| {' | '.join(row)} |\n" for row in cells)


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
