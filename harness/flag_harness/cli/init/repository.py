"""Read a repository: its flags, its agents, its vcrpy cassettes and its tests."""

import ast
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flag_harness.analysis.code.constants import inline_constants
from flag_harness.analysis.code.detected_flag import DetectedFlag, full_flag_name, possible_flag_names, short_flag_name
from flag_harness.analysis.code.python_flags import find_flag_reading_functions, find_flags, parse_code
from flag_harness.analysis.code.settings_classes import flags_in_settings_class
from flag_harness.analysis.code.unclear_reads import DynamicFlagRead, find_dynamic_flag_reads
from flag_harness.cli.init.first_test_text import FIRST_TEST_ANSWER
from flag_harness.cli.init.flag_fixtures import can_set_flag_attributes
from flag_harness.cli.init.flag_names import name_flags, sort_key_of_location
from flag_harness.cli.init.reading.agents import find_agents, find_api_callers
from flag_harness.cli.init.reading.found_agent import FoundAgent, UncallableFunction
from flag_harness.cli.init.reading.frameworks import NO_FRAMEWORK, read_frameworks
from flag_harness.cli.init.reading.import_time_flags import FlagAttribute, find_flag_attributes
from flag_harness.cli.init.reading.imports import ModuleImports, find_import_location, read_imports
from flag_harness.cli.init.reading.launchdarkly import find_client_functions
from flag_harness.cli.init.reading.structured_answers import find_structured_answers
from flag_harness.config.root import PYPROJECT
from flag_harness.config.settings import read_settings_table
from flag_harness.errors import ConfigError
from flag_harness.flag import SOURCE_KINDS
from flag_harness.source_files import source_texts

_TEST_FOLDER_NAMES = frozenset({"tests", "test"})
_NODE_API_CALL_PATTERN = re.compile(r"\.messages\s*\.\s*(create|stream|toolRunner)\b|/v1/messages\b")
_NODE_FLAG_PATTERN = re.compile(
    r"process\.env(?:\.|\[['\"])([A-Z][A-Z0-9_]*)(?:['\"]\])?(?:\s*===?\s*['\"]([^'\"]*)['\"])?"
)
_NODE_SUFFIXES = (".js", ".mjs", ".cjs")


@dataclass(frozen=True, slots=True)
class Repository:
    """The flags, agents and test settings that were found in a repository.

    Attributes:
        flags: the flags, by name, in the order in which they are read.
        dynamic_reads: the reads of flags whose names are only known when the code runs.
        agents: the agents that a test can call, the most likely first.
        uncallable_functions: the functions that call the API and need arguments that cannot be guessed.
        vcr_plugin: `pytest-recording` or `pytest-vcr` if tests use the marks of one of them, else empty.
        pyproject_table: the decoded `pyproject.toml`; empty if there is none.
        test_folder: the folder of the tests, relative to the repository; `.` if there is none.
        reason_by_unreadable_file: why files were left out, by their paths.
        outer_root: the folder above from which pytest takes the settings of this package; None if it takes its own.
        client_functions: the functions, as `module.function`, that make a LaunchDarkly client of their own.
        flag_attributes: the attributes that hold the flags which are read at import, by variable.
        has_matrix_tests: True if a test has the mark `flag_matrix`.
    """

    root: Path
    flags: tuple[DetectedFlag, ...]
    agents: tuple[FoundAgent, ...]
    uncallable_functions: tuple[UncallableFunction, ...]
    vcr_plugin: str
    pyproject_table: dict[str, Any]
    test_folder: str
    reason_by_unreadable_file: Mapping[str, str]
    dynamic_reads: tuple[DynamicFlagRead, ...] = ()
    outer_root: Path | None = None
    client_functions: tuple[str, ...] = ()
    flag_attributes: Mapping[str, tuple[FlagAttribute, ...]] = field(default_factory=dict)
    has_matrix_tests: bool = False

    @property
    def tested_flags(self) -> tuple[DetectedFlag, ...]:
        """The flags that the code reads, and the flags that are options of the most likely agent.

        Flags that are read at import have the source `attribute`. If the agent is a program, they keep their own
        source, since each run of the program reads them anew.
        """
        subjects = [*self.agents[:1], *(one.agent for one in self.uncallable_functions[:1])]
        names = {flag.name for flag in self.flags}
        options = subjects[0].option_flags if subjects else ()
        at_import = (
            {
                key
                for key, targets in self.flag_attributes.items()
                if can_set_flag_attributes(targets, subjects[0].import_folder)
            }
            if subjects and subjects[0].kind not in ("program", "node")
            else set()
        )
        return (
            *(replace(one, source_kind="attribute") if one.key in at_import else one for one in self.flags),
            *(replace(one, name=f"{one.name}_option") if one.name in names else one for one in options),
        )

    @property
    def harness_settings(self) -> tuple[Mapping[str, Any], Path] | None:
        """The table of settings with its file, or None if the harness is not configured yet."""
        return read_settings_table(self.root / PYPROJECT)

    @property
    def declared_flag_count(self) -> int:
        """The number of flags that the settings declare."""
        return len(self.harness_settings[0].get("flags", {})) if self.harness_settings else 0

    @property
    def declared_keys(self) -> frozenset[str]:
        """The names, variables and keys of the flags that the settings declare; an empty set without settings."""
        table = self.harness_settings[0].get("flags", {}) if self.harness_settings else {}
        sources = [one if isinstance(one, dict) else {"env": one} for one in table.values()]
        return frozenset([*table, *(str(text) for one in sources for key, text in one.items() if key in SOURCE_KINDS)])

    @property
    def has_flag_table(self) -> bool:
        """Whether the settings have a table of flags, perhaps an empty one."""
        return self.harness_settings is not None and "flags" in self.harness_settings[0]

    @property
    def undeclared_flags(self) -> tuple[DetectedFlag, ...]:
        """The flags that the settings do not declare, under names that no declared flag has."""
        declared = self.declared_keys
        return tuple(
            replace(flag, name=full_flag_name(flag.key)) if flag.name in declared else flag
            for flag in self.tested_flags
            if flag.key not in declared
            and (flag.source_kind in ("env", "openfeature") or declared.isdisjoint(possible_flag_names(flag)))
        )


def read_repository(root: Path) -> Repository:
    """Read the files of a repository without running any of them."""
    flags: list[DetectedFlag] = []
    found: list[FoundAgent | UncallableFunction] = []
    modules: dict[str, ModuleImports] = {}
    trees: dict[str, ast.Module] = {}
    unreadable: dict[str, str] = {}
    paths, tests = list[str](), list[str]()
    for path, text in source_texts(root, (".py", *_NODE_SUFFIXES)):
        paths.append(name := path.as_posix())
        if text is None:
            unreadable[name] = "cannot be read"
        elif _TEST_FOLDER_NAMES & {*path.parts} or path.name.startswith(("test_", "conftest")):
            tests.append(text)
        elif path.suffix == ".py":
            if (tree := parse_code(text)) is None:
                unreadable[name] = "is not valid Python"
            else:
                trees[name], modules[name] = tree, read_imports(tree)
        elif _NODE_API_CALL_PATTERN.search(text):
            flags += _flags_in_node_script(text, name)
            found.append(FoundAgent(name, "", '"Hello."', "node", False, 1, 1))
    placed = [_add_import_location(one, root, modules) for one in (*found, *_find_agents_of_modules(trees))]
    agents, uncallable = _sort_by_rank(placed)
    read, unclear = _find_flags_of_modules(trees)
    pyproject = _read_toml(root / PYPROJECT)
    return Repository(
        root,
        name_flags([*flags, *read], paths),
        agents,
        uncallable,
        _find_vcr_plugin(root, pyproject) if any("mark.vcr" in text for text in tests) else "",
        pyproject,
        next((folder for folder in ("tests", "test") if (root / folder).is_dir()), "."),
        unreadable,
        tuple(sorted(unclear, key=lambda one: sort_key_of_location(one.location, paths))),
        client_functions=tuple(_client_function_names(trees, root, modules)),
        flag_attributes=find_flag_attributes(read, trees),
        has_matrix_tests=any("flag_matrix" in text for text in tests),
    )


def _sort_by_rank(
    found: Sequence[FoundAgent | UncallableFunction],
) -> tuple[tuple[FoundAgent, ...], tuple[UncallableFunction, ...]]:
    """Return the agents that a test can call, and the functions that it cannot call, the most likely first."""
    agents = [one for one in found if isinstance(one, FoundAgent)]
    uncallable = [one for one in found if isinstance(one, UncallableFunction)]
    return (
        tuple(sorted(agents, key=lambda agent: (-agent.likelihood_rank, agent.file_path, agent.line_number))),
        tuple(sorted(uncallable, key=lambda one: -one.agent.likelihood_rank)),
    )


def _client_function_names(
    trees: Mapping[str, ast.Module], root: Path, modules: Mapping[str, ModuleImports]
) -> Iterator[str]:
    """Yield the functions that make a LaunchDarkly client of their own, as `module.function`."""
    for path, name in find_client_functions(trees):
        yield f"{find_import_location(path, root, modules).module_name}.{name}"


def _find_flags_of_modules(trees: Mapping[str, ast.Module]) -> tuple[list[DetectedFlag], list[DynamicFlagRead]]:
    """Return the flags that all modules read, and the reads of flags whose names are unknown.

    If a class of settings declares flags, reads of attributes are not among the latter, since they read such flags.
    """
    inline_constants(trees)
    helpers = {name: helper for tree in trees.values() for name, helper in find_flag_reading_functions(tree).items()}
    flags = [flag for path, tree in trees.items() for flag in find_flags(tree, path, helpers)]
    unclear = [read for path, tree in trees.items() for read in find_dynamic_flag_reads(tree, path, helpers)]
    classes = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    has_settings = any(True for node in classes for _ in flags_in_settings_class(node, ""))
    return flags, [read for read in unclear if not (has_settings and read.is_attribute)]


def _find_agents_of_modules(trees: Mapping[str, ast.Module]) -> Iterator[FoundAgent | UncallableFunction]:
    """Yield the functions and programs of all modules that call the API, by themselves or through other modules."""
    frameworks = read_frameworks(trees)
    classes = {node.name: node for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef)}
    modules = {path: frameworks.get(path, NO_FRAMEWORK) for path in trees}
    callers = {path: find_api_callers(tree, modules[path].run_expressions) for path, tree in trees.items()}
    for path, tree in trees.items():
        others = {name for other, names in callers.items() if other != path for name in names}
        tools = find_structured_answers(modules[path].agent_maker_calls, tree, classes, FIRST_TEST_ANSWER)
        for one in find_agents(tree, path, others, modules[path], classes):
            yield _add_answer_tools(one, tools)


def _add_answer_tools(
    found: FoundAgent | UncallableFunction, tools: Mapping[str, Mapping[str, Any]]
) -> FoundAgent | UncallableFunction:
    if isinstance(found, UncallableFunction):
        return replace(found, agent=replace(found.agent, answer_tools=tools))
    return replace(found, answer_tools=tools)


def _add_import_location(
    agent: FoundAgent | UncallableFunction, root: Path, modules: Mapping[str, ModuleImports]
) -> FoundAgent | UncallableFunction:
    """Return an agent with its folder and module name, and a lower rank if something that it imports is missing."""
    if isinstance(agent, UncallableFunction):
        placed = _add_import_location(agent.agent, root, modules)
        return replace(agent, agent=placed) if isinstance(placed, FoundAgent) else agent
    if agent.file_path not in modules:
        return agent
    place = find_import_location(agent.file_path, root, modules)
    rank = agent.likelihood_rank - 3 * bool(place.missing_modules)
    return replace(agent, import_folder=place.import_folder, module_name=place.module_name, likelihood_rank=rank)


def _flags_in_node_script(text: str, path: str) -> Iterator[DetectedFlag]:
    """Yield the variables that a Node script compares with a word such as `true` or `1`."""
    for found in _NODE_FLAG_PATTERN.finditer(text):
        name, word = found[1], found[2]
        if word is not None and word.lower() in ("1", "true", "yes", "on"):
            line = text.count("\n", 0, found.start()) + 1
            yield DetectedFlag(short_flag_name(name), "env", name, word, None, False, f"{path}:{line}")


def _find_vcr_plugin(root: Path, pyproject: dict[str, Any]) -> str:
    """Return the plugin whose `vcr` marks the tests use: pytest-vcr if the project names only that one, else
    pytest-recording.
    """
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
