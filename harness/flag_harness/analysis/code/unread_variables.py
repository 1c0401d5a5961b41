"""Find declared flags whose environment variable occurs nowhere in the code, and the variable that may be meant
instead.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from flag_harness.analysis.code.constants import inline_constants
from flag_harness.analysis.code.python_flags import NON_FLAG_NAME_PATTERN, parse_code
from flag_harness.analysis.code.settings_classes import SettingsField, settings_fields
from flag_harness.analysis.code.syntax import string_constants, string_literal, values_assigned_to_name
from flag_harness.analysis.code.unclear_reads import UNKNOWN_NAME_PART, find_dynamic_flag_reads
from flag_harness.flag import Flag

CODE_SUFFIXES = (
    *(".py", ".js", ".mjs", ".cjs", ".ts", ".mts", ".tsx", ".jsx", ".go", ".rb", ".rs", ".java", ".kt", ".cs", ".php"),
    *(".sh", ".yaml", ".yml", ".json", ".toml", ".ini", ".cfg"),
)
"""The suffixes of the files in which code may read an environment variable."""
_CONFIGURATION_SUFFIXES = (".yaml", ".yml", ".json", ".toml", ".ini", ".cfg")
"""The suffixes of files that read a variable only as `${NAME}`. Any other occurrence of the name sets the variable."""
_VARIABLE_PATTERN = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+|[A-Z]{4,}")
_NODE_VARIABLE_PATTERN = re.compile(r"process\.env(?:\.|\[['\"])([A-Z][A-Z0-9_]*)")
_MIN_PREFIX_LENGTH = 3
"""The length of the shortest text that may be the beginning of a name to which the code adds the rest while it runs."""
_VARIABLE_PREFIX_SETTINGS = ("auto_envvar_prefix", "envvar_prefix")
"""The settings of click and dynaconf that hold the beginning of the names of all variables that they read."""
_MIN_SIMILARITY = 0.7


@dataclass(frozen=True, slots=True)
class UnreadVariable:
    """The environment variable of a declared flag that occurs nowhere in the code of the project.

    Attributes:
        declared_variable: the declared variable.
        nearest_variable: the most similar variable that the code reads and no flag declares, or empty.
        location: the file and line that reads `nearest_variable`.
    """

    declared_variable: str
    nearest_variable: str = ""
    location: str = ""

    def __str__(self) -> str:
        if self.nearest_variable:
            suggestion = f"did you mean {self.nearest_variable} ({self.location})?"
            return f"no code of this project reads {self.declared_variable}; {suggestion}"
        return f"no code of this project reads {self.declared_variable}: it is gone, misspelt, or read by a library."


def find_unread_variables(
    flags: Iterable[Flag], text_by_path: Mapping[str, str], declared: Iterable[Flag] = ()
) -> dict[str, UnreadVariable]:
    """Return the variables of `flags` that occur nowhere in the code, by the flag's name.

    `text_by_path` has the project's files with `CODE_SUFFIXES`, by path; without any code, the result is empty. A
    variable occurs if its name is in the code (not in a comment or docstring), or if the code may compute it from a
    part while it runs. A variable that belongs to a flag in `declared` is not suggested as the nearest one.
    """
    trees: dict[str, ast.Module] = {}
    has_code = any(not path.endswith(_CONFIGURATION_SUFFIXES) for path in text_by_path)
    missing = [
        flag for flag in flags if has_code and flag.env and not _is_variable_mentioned(flag.env, text_by_path, trees)
    ]
    if not missing:
        return {}
    trees = {
        path: tree
        for path, text in text_by_path.items()
        if path.endswith(".py") and (tree := trees.get(path) or parse_code(text))
    }
    inline_constants(trees)
    missing = [flag for flag in missing if not _may_name_be_computed(flag.env, trees.values())]
    taken = {flag.env for flag in (*declared, *missing)}
    known = (
        {name: place for name, place in _variables_read_by_code(text_by_path, trees) if name not in taken}
        if missing
        else {}
    )
    found = {}
    for flag in missing:
        near = next(iter(get_close_matches(flag.env, known, n=1, cutoff=_MIN_SIMILARITY)), "")
        found[flag.name] = UnreadVariable(flag.env, near, known.get(near, ""))
    return found


def _is_variable_mentioned(variable: str, text_by_path: Mapping[str, str], trees: dict[str, ast.Module]) -> bool:
    """Return whether a file has the name of a variable outside comments and docstrings.

    Parsed modules are kept in `trees`, so that each file is parsed once.
    """
    word = re.compile(rf"(?<!\w){re.escape(variable)}(?!\w)")
    for path, text in text_by_path.items():
        if not word.search(text):
            continue
        if path.endswith(_CONFIGURATION_SUFFIXES):
            if re.search(rf"\$\{{?(?:[\w.]+:)?{re.escape(variable)}(?!\w)", text):
                return True
        elif not path.endswith(".py"):
            return True
        else:
            tree = trees.get(path) or parse_code(text)
            if tree is None:
                return True
            trees[path] = tree
            if any(word.search(text) for _, text in string_constants(tree)) or _is_used_as_identifier(tree, variable):
                return True
    return False


def _is_used_as_identifier(tree: ast.Module, variable: str) -> bool:
    """Return whether code uses the variable's name as an identifier or attribute, such as `settings.PLANNER`."""
    return any(variable in (getattr(node, "id", ""), getattr(node, "attr", "")) for node in ast.walk(tree))


def _may_name_be_computed(variable: str, trees: Iterable[ast.Module]) -> bool:
    """Return whether the code may compute the name of the variable while it runs, so that the whole name occurs
    nowhere.
    """
    unclear = [one for tree in trees for one in find_dynamic_flag_reads(tree, "", {}) if one.source_kind == "env"]
    if any(one.key != UNKNOWN_NAME_PART and one.may_read(variable) for one in unclear):
        return True
    has_any_name = any(one.key == UNKNOWN_NAME_PART for one in unclear)
    for tree in trees:
        if any(one.environment_variable == variable for one in _settings_fields(tree)):
            return True
        opaque = {id(value) for name in _VARIABLE_PREFIX_SETTINGS for value in values_assigned_to_name(tree, name)}
        strings = list(string_constants(tree))
        is_nested = any(text == "__" for _, text in strings)  # the delimiter of pydantic's nested settings
        known = {id(value) for value in values_assigned_to_name(tree, "env_prefix")} if not is_nested else set[int]()
        for one, text in strings:
            if has_any_name and text == variable.lower():
                return True
            is_prefix = id(one) in opaque or (text.endswith("_") and id(one) not in known)
            prefix = f"{text.rstrip('_')}_"
            if is_prefix and len(prefix) > _MIN_PREFIX_LENGTH and variable.startswith(prefix):
                return True
    return False


def _settings_fields(tree: ast.Module) -> Iterator[SettingsField]:
    """Yield the fields of all settings classes of a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield from settings_fields(node)


def _variables_read_by_code(
    text_by_path: Mapping[str, str], trees: Mapping[str, ast.Module]
) -> Iterator[tuple[str, str]]:
    """Yield `(variable, place)` for each environment variable that the code reads. The place is the file and line."""
    for path, text in text_by_path.items():
        if not path.endswith((".py", *_CONFIGURATION_SUFFIXES)):
            for found in _NODE_VARIABLE_PATTERN.finditer(text):
                yield found[1], f"{path}:{text.count(chr(10), 0, found.start()) + 1}"
    for path, tree in trees.items():
        yield from ((one.environment_variable, f"{path}:{one.line}") for one in _settings_fields(tree))
        for node in ast.walk(tree):
            first = node.args[0] if isinstance(node, ast.Call) and node.args else getattr(node, "slice", None)
            name = string_literal(first) or ""
            if _VARIABLE_PATTERN.fullmatch(name) and not NON_FLAG_NAME_PATTERN.search(name):
                yield name, f"{path}:{getattr(node, 'lineno', 1)}"
