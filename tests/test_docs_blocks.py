"""Every block of code in the README and the docs is true: commands, settings, scenarios and programs.

test_docs_run.py runs them.

A block that shows output, or a file of another tool, is on a page that a test runs as a whole, or is listed in `SHOWN`.
"""

import ast
import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import yaml

from flag_harness.cli.main import make_parser
from flag_harness.config import Config, read_config
from flag_harness.simulator.scenario.loading import parse_scenario
from tests.docs_blocks import PAGES, ROOT, RUN_PAGES, page_blocks

_OTHER_AGENT = "what is said of an agent that the page does not hold"
SHOWN = {
    "cache": _OTHER_AGENT,
    "cassettes": _OTHER_AGENT,
    "ci": "a file of git",
    "flags": _OTHER_AGENT,
    "monorepos": "a file of GitHub",
    "verdict": "the figures of a run of hundreds of rounds",
}
"""Pages with blocks that are neither code nor commands, and why no test runs them."""
_OTHER_PROGRAMS = frozenset(
    {"pip", "python3", ".venv/bin/pip", "cat", "exit", "cd", "for", "do", "done", "export", "failed=1"}
)
"""Programs that are not of this project: they would need the network, or are part of a shell script."""


def _commands(text: str) -> list[list[str]]:
    """Return the words of each command of a block of shell, without comments and redirections."""
    lines = (re.sub(r"  #.*| >>? \S+|[()]", " ", line) for line in text.splitlines())
    parts = (part for line in lines for part in re.split(r"&&|\|\||;", line) if part.strip())
    return [shlex.split(part) for part in parts]


_command_parser = cache(make_parser)


def _wrong_commands(text: str, options: set[str], sessions: set[str]) -> Iterator[str]:
    """Yield the commands of a block that this project would refuse."""
    for words in _commands(text):
        words = words[1:] if words[0] in ("do", "then") else words
        program, arguments = words[0].removeprefix(".venv/bin/"), words[1:]
        if program == "pytest":
            given = {word.partition("=")[0] for word in arguments if word.startswith("--")}
            yield from sorted(given - options)
        elif program == "flag-harness":
            try:
                _command_parser().parse_args(arguments)
            except SystemExit:
                yield " ".join(words)
        elif program == "nox":
            yield from sorted({*arguments} - {"-s"} - sessions)
        elif words[0] not in _OTHER_PROGRAMS and "/" not in words[0]:
            yield " ".join(words)


def _wrong_names(text: str, marks: set[str]) -> Iterator[str]:
    """Yield the names of the package and the marks that a program uses and that do not exist."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "flag_harness":
            module = importlib.import_module(str(node.module))
            yield from (f"{node.module}.{one.name}" for one in node.names if not hasattr(module, one.name))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("pytest.mark", "mark"):
            yield from {node.attr} - marks


def _check_settings(text: str, name: str, folder: Path) -> None:
    """Read the settings of a block as a project would; raise an error if one is wrong."""
    (folder / name).write_text(text, encoding="utf-8")
    table = "tool.flag-harness" in text or "flag_harness" in text
    assert (read_config(folder / "pyproject.toml") != Config()) is table


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_is_true(page: Path, tmp_path: Path, pytestconfig: pytest.Config) -> None:
    """Commands have options that exist, settings and scenarios are accepted, programs use names that exist."""
    parser = pytestconfig._parser
    options = {name for group in [*parser._groups, parser._anonymous] for one in group.options for name in one.names()}
    marks = {re.split(r"[:(]", line)[0] for line in pytestconfig.getini("markers")}
    sessions = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text("utf-8"), re.MULTILINE))
    unknown = []
    for block in page_blocks(page):
        language, text = block.language, block.text
        folder = tmp_path / str(block.index)
        folder.mkdir()
        if language and page.stem in RUN_PAGES:
            continue
        if language == "python":
            assert [] == [*_wrong_names(text, marks)]
        elif language == "toml" and re.search(r"^\[\[turn\]\]", text, re.MULTILINE):
            assert parse_scenario(text).turns
        elif language == "toml":
            _check_settings(text, "pyproject.toml", folder)
            assert tomllib.loads(text)
        elif language == "ini":
            _check_settings(text, "pytest.ini", folder)
        elif language == "yaml":
            assert yaml.safe_load(text)
        elif language == "sh":
            assert [] == [*_wrong_commands(text, options, sessions)]
        elif page.stem not in SHOWN:
            unknown.append(f"{page.name}: {text[:60]}")
    assert [] == unknown, "run it in a test of its page, or say in SHOWN why that cannot be"


def test_pages_that_are_excused_or_run_as_a_whole_are_there() -> None:
    """No page is excused that is gone."""
    assert {*SHOWN, *RUN_PAGES} <= {page.stem for page in PAGES}
