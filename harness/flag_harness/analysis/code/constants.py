"""Replace the constants of a project's modules by their values, so that other code reads literals only."""

import ast
import copy
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

_COLLECTION_TYPES = ("frozenset", "set", "tuple", "list")
_MAX_REEXPORTS = 3
"""Through how many modules a constant is followed, such as from `flags.py` through `__init__.py`."""


def inline_constants(trees: Mapping[str, ast.Module]) -> None:
    """Replace the names of constants by their values in the modules of a project, in place.

    A constant is a text, a boolean or a collection of texts that is assigned once, in a module or in a class. It is
    also followed into the modules that import it. `trees` has the parsed modules, by path.
    """
    own = {path: dict(_assigned_constants(tree.body)) for path, tree in trees.items()}
    bound = {path: _count_assignments_by_name(tree) for path, tree in trees.items()}
    for path, constants in own.items():
        own[path] = {name: value for name, value in constants.items() if bound[path][name.partition(".")[0]] == 1}
    known = own
    imports = {path: _list_imported_names(tree, path) for path, tree in trees.items()}
    paths = _paths_by_module_name(trees)
    for _ in range(_MAX_REEXPORTS):
        known = {
            path: {**_imported_constants(names, known, paths, bound[path]), **own[path]}
            for path, names in imports.items()
        }
    for path, tree in trees.items():
        if known[path]:
            _ConstantInliner(known[path]).visit(tree)


def _assigned_constants(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.expr]]:
    """Yield the constants that statements assign, those of a class as `Class.NAME`."""
    for statement in body:
        if isinstance(statement, ast.ClassDef) and not prefix:
            yield from _assigned_constants(statement.body, f"{statement.name}.")
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        value = _constant_value(getattr(statement, "value", None))
        if value is not None and len(targets) == 1 and isinstance(targets[0], ast.Name):
            yield f"{prefix}{targets[0].id}", value


def _constant_value(node: ast.expr | None) -> ast.expr | None:
    """Return a literal with the value of a constant, or None if the expression is not constant."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _COLLECTION_TYPES and len(node.args) == 1:
        node = node.args[0]
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return node if node.elts and all(isinstance(getattr(one, "value", None), str) for one in node.elts) else None
    return node if isinstance(node, ast.Constant) and isinstance(node.value, (str, bool)) else None


def _count_assignments_by_name(tree: ast.Module) -> Counter[str]:
    """Return how often each name is assigned, or is a parameter or a class, anywhere in a module."""
    counts: Counter[str] = Counter()
    fields = {
        id(target)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for target in _class_assignment_targets(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) and id(node) not in fields:
            counts[node.id] += 1
        elif isinstance(node, ast.arg):
            counts[node.arg] += 1
        elif isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            counts[node.name] += 1
    return counts


def _class_assignment_targets(node: ast.ClassDef) -> Iterator[ast.expr]:
    """Yield the targets of the assignments in the body of a class."""
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            yield from statement.targets
        elif isinstance(statement, ast.AnnAssign):
            yield statement.target


@dataclass(frozen=True, slots=True)
class _ImportedName:
    """A name that a module imports: the dotted module, and its member or an empty text for the module itself."""

    name: str
    module: str
    member: str


def _list_imported_names(tree: ast.Module, path: str) -> list[_ImportedName]:
    """Return the names that a module imports, anywhere in its code."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [_ImportedName(one.asname or one.name, one.name, "") for one in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = _absolute_module(node, path)
            found += [_ImportedName(one.asname or one.name, module, one.name) for one in node.names]
    return found


def _paths_by_module_name(paths: Iterable[str]) -> dict[str, list[str]]:
    """Return the paths of modules by each dotted name that may import them: `src.bot.flags`, `bot.flags`."""
    found: dict[str, list[str]] = {}
    for path in paths:
        words = path.removesuffix(".py").removesuffix("/__init__").split("/")
        for start in range(len(words)):
            found.setdefault(".".join(words[start:]), []).append(path)
    return found


def _imported_constants(
    names: Iterable[_ImportedName],
    known: Mapping[str, Mapping[str, ast.expr]],
    paths: Mapping[str, Sequence[str]],
    bound: Mapping[str, int],
) -> dict[str, ast.expr]:
    """Return the constants of other modules, by the dotted names under which a module can use them."""
    return {
        one.name + constant: value
        for one in names
        if not bound.get(one.name.partition(".")[0])
        for constant, value in _constants_of_import(one, known, paths)
    }


def _absolute_module(node: ast.ImportFrom, path: str) -> str:
    """Return the dotted name of the module that `from ... import` names, with its folders if it is relative."""
    folders = PurePosixPath(path).parts[: -node.level] if node.level else ()
    return ".".join([*folders, *([node.module] if node.module else [])])


def _constants_of_import(
    imported: _ImportedName, known: Mapping[str, Mapping[str, ast.expr]], paths: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, ast.expr]]:
    """Yield the constants below an imported name: an empty text for the name itself, `.KEY` for a member of it."""
    module, member = imported.module, imported.member
    for path in paths.get(f"{module}.{member}".strip(".") if member else module, ()):
        yield from ((f".{name}", value) for name, value in known[path].items())
    for path in paths.get(module, ()) if member else ():
        for name, value in known[path].items():
            if name == member or name.startswith(f"{member}."):
                yield name.removeprefix(member), value


class _ConstantInliner(ast.NodeTransformer):
    """Replaces the names of constants by their values."""

    def __init__(self, constants: Mapping[str, ast.expr]) -> None:
        self._constants = constants

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._replace_by_constant(node, node.id)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        dotted = _dotted_name(node)
        base, _, last = dotted.rpartition(".")
        if last == "value" and base in self._constants:  # of a member of an enumeration
            dotted = base
        inlined = self._replace_by_constant(node, dotted)
        return inlined if inlined is not node else self._visit_children(node)

    def _visit_children(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        return node

    def _replace_by_constant(self, node: ast.Name | ast.Attribute, dotted: str) -> ast.expr:
        value = self._constants.get(dotted) if isinstance(node.ctx, ast.Load) else None
        return node if value is None else ast.copy_location(copy.deepcopy(value), node)


def _dotted_name(node: ast.expr) -> str:
    """Return the dotted name that an expression is, or an empty string."""
    if isinstance(node, ast.Attribute):
        base = _dotted_name(node.value)
        return f"{base}.{node.attr}" if base else ""
    return node.id if isinstance(node, ast.Name) else ""
