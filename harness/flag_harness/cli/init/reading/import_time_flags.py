"""Find where a test can set flags that are read while a module is imported: constants, and objects with settings."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from flag_harness.analysis.code.detected_flag import DetectedFlag
from flag_harness.analysis.code.inert_reasons import decorator_name, is_main_guard
from flag_harness.analysis.code.python_flags import called_function_name
from flag_harness.analysis.code.settings_classes import settings_fields

_CACHING_DECORATORS = ("cache", "lru_cache")
_DEFERRED_CODE_NODES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@dataclass(frozen=True, slots=True)
class FlagAttribute:
    """An attribute that holds the value of a flag once its module is imported.

    Attributes:
        module_path: the file of the module.
        owner_expression: the expression of the object in the module, such as `settings`; empty for the module itself.
        attribute_name: the name of the attribute.
    """

    module_path: str
    owner_expression: str
    attribute_name: str


def find_flag_attributes(
    flags: Sequence[DetectedFlag], trees: Mapping[str, ast.Module]
) -> dict[str, tuple[FlagAttribute, ...]]:
    """Return the attributes that hold the values of flags which are read at import, by the flags' variables.

    A variable is left out if some code reads it later, or if one of its reads is stored in an unknown place. `flags`
    has each read of a flag, and `trees` the parsed modules, by path.
    """
    found: dict[str, list[tuple[FlagAttribute, ...]]] = {}
    for flag in flags:
        if flag.source_kind == "env" and flag.location.rpartition(":")[0] in trees:
            path, _, line = flag.location.rpartition(":")
            found.setdefault(flag.key, []).append(tuple(_attributes_set_by_read(path, int(line), trees)))
    return {
        key: tuple(dict.fromkeys(target for targets in reads for target in targets))
        for key, reads in found.items()
        if all(reads)
    }


def _attributes_set_by_read(path: str, line: int, trees: Mapping[str, ast.Module]) -> Iterator[FlagAttribute]:
    """Yield the attributes in which the value is stored that line `line` of a module reads while the module is
    imported.
    """
    for node in _module_statements(trees[path]):
        if not _contains_line(node, line):
            continue
        if name := _assigned_name(node):
            if _is_flag_itself(getattr(node, "value", None)):
                yield FlagAttribute(path, "", name)
                yield from _copies_in_importing_modules(path, name, trees)
        elif isinstance(node, ast.ClassDef) and not _is_frozen(node):
            yield from _flag_attributes_in_class(node, path, line, trees)
        elif isinstance(node, ast.FunctionDef) and (attribute := _attribute_of_read(node, line)):
            yield from (FlagAttribute(*one, attribute) for one in _objects_made_once_by(node.name, trees))


def _module_statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield the statements that run while a module is imported, also those below `if` and `try`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, _DEFERRED_CODE_NODES) and not is_main_guard(node):
            yield from _module_statements(node)


def _flag_attributes_in_class(
    node: ast.ClassDef, path: str, line: int, trees: Mapping[str, ast.Module]
) -> Iterator[FlagAttribute]:
    """Yield the attributes that store what a line in a class reads: on the class, or on objects of the class that
    modules make.
    """
    field = next((one.field_name for one in settings_fields(node) if one.line == line), "")
    if not field and "dataclass" in {decorator_name(one) for one in node.decorator_list}:
        return
    for statement in node.body if not field else ():
        if _contains_line(statement, line) and (name := _assigned_name(statement)):
            yield FlagAttribute(path, node.name, name)
            return
    if attribute := field or _attribute_of_read(node, line):
        yield from (FlagAttribute(*one, attribute) for one in _objects_made_once_by(node.name, trees))


def _attribute_of_read(node: ast.AST, line: int) -> str:
    """Return the attribute of `self` to which a function assigns the value that a line reads, or the keyword to which
    it passes the value.
    """
    for one in ast.walk(node):
        if isinstance(one, ast.Assign) and _contains_line(one, line):
            if getattr(getattr(one.targets[0], "value", None), "id", "") == "self":
                return str(getattr(one.targets[0], "attr", ""))
        elif isinstance(one, ast.keyword) and one.arg and one.value.lineno <= line <= (one.value.end_lineno or 0):
            return one.arg
    return ""


def _objects_made_once_by(maker: str, trees: Mapping[str, ast.Module]) -> Iterator[tuple[str, str]]:
    """Yield (path of a module, expression in the module) for each object that the class or function `maker` makes once.

    The expression is a variable of the module, or a call of a cached function that returns the object.
    """
    for path, tree in trees.items():
        for node in _module_statements(tree):
            if (name := _assigned_name(node)) and _is_call_of_maker(getattr(node, "value", None), maker):
                yield path, name
            elif isinstance(node, ast.FunctionDef) and not node.args.args:
                is_cached = any(decorator_name(one) in _CACHING_DECORATORS for one in node.decorator_list)
                returned = [one.value for one in ast.walk(node) if isinstance(one, ast.Return)]
                if is_cached and any(_is_call_of_maker(one, maker) for one in returned):
                    yield path, f"{node.name}()"


def _is_call_of_maker(node: ast.expr | None, maker: str) -> bool:
    """Return whether an expression is `Maker(...)`, `module.Maker(...)` or `Maker.from_env(...)`."""
    return isinstance(node, ast.Call) and maker in ast.unparse(node.func).split(".")


def _copies_in_importing_modules(path: str, name: str, trees: Mapping[str, ast.Module]) -> Iterator[FlagAttribute]:
    """Yield the copies of a constant in the modules that import it by name from the module `path`."""
    stem = path.removesuffix(".py").removesuffix("/__init__").rpartition("/")[2]
    for other, tree in trees.items():
        for node in _module_statements(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").rpartition(".")[2] == stem:
                yield from (FlagAttribute(other, "", one.asname or one.name) for one in node.names if one.name == name)


def _assigned_name(node: ast.stmt) -> str:
    """Return the name of the variable that a statement assigns, or an empty string if it assigns none or several."""
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return str(getattr(targets[0], "id", "")) if len(targets) == 1 else ""


def _is_flag_itself(value: ast.expr | None) -> bool:
    """Return whether an expression that reads a flag has the flag itself as value, and not an object or a text made
    from it.
    """
    parts = list(ast.walk(value)) if value is not None else []
    choices = [branch for one in parts if isinstance(one, ast.IfExp) for branch in (one.body, one.orelse)]
    makes_object = any(isinstance(one, ast.Call) and called_function_name(one)[:1].isupper() for one in parts)
    is_collection = isinstance(value, (ast.Dict, ast.List, ast.Tuple, ast.Set))
    is_text = any(isinstance(one, ast.JoinedStr) for one in parts)
    has_words = any(not isinstance(getattr(one, "value", None), bool) for one in choices)
    return not (makes_object or is_collection or is_text or has_words)


def _contains_line(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


def _is_frozen(node: ast.ClassDef) -> bool:
    """Return whether the fields of a class's objects cannot be set."""
    words = [one for one in ast.walk(node) if isinstance(one, ast.keyword) and one.arg == "frozen"]
    return any(getattr(one.value, "value", None) is True for one in words)
