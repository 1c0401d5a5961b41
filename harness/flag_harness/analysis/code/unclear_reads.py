"""Find reads of flags whose names are computed while the code runs. A person has to declare these flags."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flag_harness.analysis.code.python_flags import (
    NON_FLAG_NAME_PATTERN,
    FlagReadingFunction,
    called_function_name,
    find_flag_reading_functions,
    flag_source_kind_of_method,
    is_on_or_off_word,
    parent_by_node,
    variable_name_expression,
)
from flag_harness.analysis.code.syntax import string_literal

UNKNOWN_NAME_PART = "NAME"
"""Written in place of the part of a name that is computed while the code runs."""
_MAX_CODE_LENGTH = 70
_SETTINGS_OBJECT_NAME_PATTERN = re.compile(r"(^|_)(settings|config|configuration|conf|flags?|features?|toggles?)$")
"""Matches the names of objects that usually hold flags as attributes, such as `settings`."""
_SETTINGS_CLASS_NAME_PATTERN = re.compile(r"(Settings|Config|Flags|Features|Toggles)$")


@dataclass(frozen=True, slots=True)
class DynamicFlagRead:
    """A read of a flag whose name is computed while the code runs.

    Attributes:
        location: the file and line.
        code: the expression that reads the flag.
        source_kind: the kind of source from which it reads: `env`, `openfeature` or `set`.
        key: the variable, or the key of the flag service, with `NAME` in place of the part that is not known.
    """

    location: str
    code: str
    source_kind: str
    key: str

    @property
    def is_attribute(self) -> bool:
        """Whether the expression reads an attribute of an object that holds settings."""
        return self.code.startswith("getattr(")

    @property
    def toml_line(self) -> str:
        """A line for `[tool.flag-harness.flags]` that a person has to complete."""
        if self.source_kind == "env":
            return f'name = "{self.key}"'
        value = f'openfeature = "{self.key}"' if self.source_kind == "openfeature" else 'set = "harness_set_flags"'
        return f"name = {{ {value} }}"

    def may_read(self, key: str) -> bool:
        """Return whether the expression may read the variable or key `key`."""
        return re.fullmatch(re.escape(self.key).replace(UNKNOWN_NAME_PART, ".+"), key) is not None


def find_dynamic_flag_reads(
    tree: ast.Module, path: str, helpers: Mapping[str, FlagReadingFunction]
) -> Iterator[DynamicFlagRead]:
    """Yield the expressions of the module at `path` that read flags whose names are computed while the code runs.

    `helpers` are the functions of the project that read the flag which their first argument names.
    """
    parents = parent_by_node(tree)
    own_helpers = find_flag_reading_functions(tree)
    for node in ast.walk(tree):
        found = _parse_dynamic_flag_read(node, helpers, parents)
        if found is None:
            continue
        source, name = found
        key = _computed_name_pattern(name)
        is_parameter = isinstance(name, ast.Name) and _is_parameter_of_helper(name.id, node, parents, own_helpers)
        if is_parameter or _reads_non_flag(node, key):
            continue
        code = ast.unparse(node)
        shown = code if len(code) <= _MAX_CODE_LENGTH else f"{code[:_MAX_CODE_LENGTH]}..."
        yield DynamicFlagRead(f"{path}:{getattr(node, 'lineno', 1)}", shown, source, key)


def _parse_dynamic_flag_read(
    node: ast.AST, helpers: Mapping[str, FlagReadingFunction], parents: Mapping[ast.AST, ast.AST]
) -> tuple[str, ast.expr] | None:
    """Return `(source kind, name)` if an expression reads a flag whose name is computed, else None.

    The kind is `env`, `openfeature` or `set`; the name is the expression that computes the flag's name.
    """
    name = variable_name_expression(node)
    source = "env"
    if name is None and isinstance(node, ast.Call) and node.args:
        called = called_function_name(node)
        if called == "getattr" and len(node.args) > 1 and _is_settings_object(node.args[0], parents):
            name, source = node.args[1], "set"
        elif helper := helpers.get(called):
            name, source = node.args[0], helper.source_kind
        elif service := flag_source_kind_of_method(called):
            name, source = node.args[0], service
    return None if name is None or isinstance(name, (ast.Constant, ast.Starred)) else (source, name)


def _is_settings_object(node: ast.expr, parents: Mapping[ast.AST, ast.AST]) -> bool:
    """Return whether an expression is an object that holds settings: `settings`, `get_settings()`, or `self` in its
    class.
    """
    called = node.func if isinstance(node, ast.Call) else node
    name = str(getattr(called, "attr", getattr(called, "id", "")))
    if name != "self":
        return bool(_SETTINGS_OBJECT_NAME_PATTERN.search(name.lower()) or _SETTINGS_CLASS_NAME_PATTERN.search(name))
    around = _enclosing_nodes(node, parents)
    owner = next((one.name for one in around if isinstance(one, ast.ClassDef)), "")
    return bool(_SETTINGS_CLASS_NAME_PATTERN.search(owner))


def _is_parameter_of_helper(
    name: str, node: ast.AST, parents: Mapping[ast.AST, ast.AST], helpers: Mapping[str, FlagReadingFunction]
) -> bool:
    """Return whether `name` is a parameter of the helper that contains `node`.

    Then calls of the helper say which flag is read.
    """
    around = _enclosing_nodes(node, parents)
    function = next((one for one in around if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef))), None)
    return (
        function is not None and function.name in helpers and name in [argument.arg for argument in function.args.args]
    )


def _enclosing_nodes(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    while (parent := parents.get(node)) is not None:
        yield parent
        node = parent


def _reads_non_flag(node: ast.AST, key: str) -> bool:
    """Return whether an expression reads something other than a flag: an API key, an address or the like, or a
    value whose default is neither on nor off.
    """
    default = node.args[1] if isinstance(node, ast.Call) and len(node.args) > 1 else None
    text = string_literal(default)
    has_other_default = text is not None and called_function_name(node) != "getattr" and not is_on_or_off_word(text)
    return has_other_default or bool(NON_FLAG_NAME_PATTERN.search(key.replace(UNKNOWN_NAME_PART, "x").upper()))


def _computed_name_pattern(node: ast.expr) -> str:
    """Return the name that an expression computes, with `NAME` in place of each part that is unknown until it runs."""
    return re.sub(rf"({UNKNOWN_NAME_PART})+", UNKNOWN_NAME_PART, _join_name_parts(node))


def _join_name_parts(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_join_name_parts, node.values))
    if isinstance(node, ast.FormattedValue):
        return _join_name_parts(node.value)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _join_name_parts(node.left) + _join_name_parts(node.right)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return re.sub(r"%[sr]", UNKNOWN_NAME_PART, _join_name_parts(node.left))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        text = _join_name_parts(node.func.value)
        if node.func.attr == "format":
            return re.sub(r"\{\w*\}", UNKNOWN_NAME_PART, text)
        return text.upper() if node.func.attr == "upper" else text
    return UNKNOWN_NAME_PART
