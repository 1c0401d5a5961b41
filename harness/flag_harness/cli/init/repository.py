"""Read a repository: its flags, its agents, its vcrpy cassettes and its tests."""

import ast
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flag_harness.analysis.code.constants import inline_constants
from flag_harness.analysis.code.detected_flag import DetectedFlag, full_flag_name, short_flag_name
from flag_harness.analysis.code.python_flags import find_flag_helpers, find_flags, parse_code
from flag_harness.cli.init.agents import FoundAgent, UncallableFunction, find_agents
from flag_harness.cli.init.imports import ModuleImports, find_import_location, read_imports
from flag_harness.config.root import PYPROJECT
from flag_harness.config.settings import read_settings_table
from flag_harness.errors import ConfigError
from flag_harness.source_files import source_texts

_TEST_FOLDERS = frozenset({"tests", "test"})
_NODE_CALL = re.compile(r"\.messages\s*\.\s*(create|stream|toolRunner)\b|/v1/messages\b")
_NODE_FLAG = re.compile(r"process\.env(?:\.|\[['\"])([A-Z][A-Z0-9_]*)(?:['\"]\])?(?:\s*===?\s*['\"]([^'\"]*)['\"])?")
_NODE_SUFFIXES = (".js", ".mjs", ".cjs")


@dataclass(frozen=True, slots=True)
class Repository:
    """The flags, agents and test settings that were found in a repository.

    Attributes:
        flags: the flags, by name, in the order in which they are read.
        agents: the agents that a test can call, the most likely first.
        uncallable: the functions that call the API and need arguments that cannot be guessed.
        vcr: `pytest-recording` or `pytest-vcr` if tests use the marks of one of them, else empty.
        pyproject: the decoded `pyproject.toml`; empty if there is none.
        tests: the folder of the tests, relative to the repository; `.` if there is none.
        unreadable: why files were left out, by their paths.
    """

    root: Path
    flags: tuple[DetectedFlag, ...]
    agents: tuple[FoundAgent, ...]
    uncallable: tuple[UncallableFunction, ...]
    vcr: str
    pyproject: dict[str, Any]
    tests: str
    unreadable: Mapping[str, str]

    @property
    def settings(self) -> tuple[Mapping[str, Any], Path] | None:
        """The table of settings with its file, or None if the harness is not configured yet."""
        return read_settings_table(self.root / PYPROJECT)


def read_repository(root: Path) -> Repository:
    """Read the files of a repository without running any of them."""
    flags: list[DetectedFlag] = []
    found: list[FoundAgent | UncallableFunction] = []
    modules: dict[str, ModuleImports] = {}
    trees: dict[str, ast.Module] = {}
    unreadable: dict[str, str] = {}
    has_vcr_marks = False
    for path, text in source_texts(root, (".py", *_NODE_SUFFIXES)):
        name = path.as_posix()
        if text is None:
            unreadable[name] = "cannot be read"
        elif _TEST_FOLDERS & {*path.parts} or path.name.startswith(("test_", "conftest")):
            has_vcr_marks = has_vcr_marks or "mark.vcr" in text
        elif path.suffix == ".py":
            if (tree := parse_code(text)) is None:
                unreadable[name] = "is not valid Python"
                continue
            trees[name] = tree
            found += find_agents(tree, name)
            modules[name] = read_imports(tree)
        elif _NODE_CALL.search(text):
            flags += _flags_in_node_script(text, name)
            found.append(FoundAgent(name, "", '"Hello."', "node", False, 1, 1))
    inline_constants(trees)
    helpers = {name: helper for tree in trees.values() for name, helper in find_flag_helpers(tree).items()}
    flags += [flag for name, tree in trees.items() for flag in find_flags(tree, name, helpers)]
    pyproject = _read_toml(root / PYPROJECT)
    tests = next((folder for folder in sorted(_TEST_FOLDERS, reverse=True) if (root / folder).is_dir()), ".")
    agents = [_add_import_location(one, root, modules) for one in found if isinstance(one, FoundAgent)]
    return Repository(
        root,
        _remove_duplicate_flags(flags),
        tuple(sorted(agents, key=lambda agent: (-agent.rank, agent.path, agent.line))),
        tuple(one for one in found if isinstance(one, UncallableFunction)),
        _find_vcr_plugin(root, pyproject) if has_vcr_marks else "",
        pyproject,
        tests,
        unreadable,
    )


def _add_import_location(agent: FoundAgent, root: Path, modules: Mapping[str, ModuleImports]) -> FoundAgent:
    """Return an agent with its folder and module name, and a lower rank if something that it imports is missing."""
    if agent.path not in modules:
        return agent
    place = find_import_location(agent.path, root, modules)
    rank = agent.rank - 3 * bool(place.missing)
    return replace(agent, folder=place.folder, module=place.module, rank=rank)


def _remove_duplicate_flags(flags: Iterable[DetectedFlag]) -> tuple[DetectedFlag, ...]:
    """Drop flags with the same key as an earlier one. Rename a flag to its whole key if its name is taken."""
    by_key: dict[tuple[str, str], DetectedFlag] = {}
    for flag in flags:
        by_key.setdefault((flag.source, flag.key), flag)
    names: dict[str, DetectedFlag] = {}
    for flag in by_key.values():
        name = flag.name if flag.name not in names else full_flag_name(flag.key)
        names.setdefault(name, replace(flag, name=name))
    return tuple(names.values())


def _flags_in_node_script(text: str, path: str) -> Iterator[DetectedFlag]:
    """Yield the variables that a Node script compares with a word such as `true` or `1`."""
    for found in _NODE_FLAG.finditer(text):
        name, word = found[1], found[2]
        if word is not None and word.lower() in ("1", "true", "yes", "on"):
            line = text.count("\n", 0, found.start()) + 1
            yield DetectedFlag(short_flag_name(name), "env", name, word, None, False, f"{path}:{line}")


def _find_vcr_plugin(root: Path, pyproject: dict[str, Any]) -> str:
    """Return the plugin whose `vcr` marks the tests use: pytest-vcr if only that is named, else pytest-recording."""
    words = json.dumps(pyproject, default=str)
    for name in ("requirements.txt", "requirements-dev.txt", "setup.py", "setup.cfg", "tox.ini"):
        path = root / name
        words += path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return "pytest-vcr" if "pytest-vcr" in words and "pytest-recording" not in words else "pytest-recording"


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}; fix the file, then run flag-harness init again") from None
