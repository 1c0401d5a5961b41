"""Replace constants in a project's parsed code by their values, so that other modules here see only literals."""

import ast
import copy
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

_COLLECTION_TYPES = ("frozenset", "set", "tuple", "list")
_MAX_REEXPORTS = 3
"""The most modules through which a constant is followed, such as from `flags.py` through `__init__.py` to its user."""


def inline_constants(trees: Mapping[str, ast.Module]) -> None:
    """Replace the names of constants by their values in the parsed modules of a project, in place. `trees` has them by
    path.

    A constant is a text, a boolean or a collection of texts that is assigned once, in a module or a class. Uses in
    modules that import it are replaced, too.
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
    """Yield `(name, value)` for each constant that statements assign. A constant of a class is named `Class.NAME`."""
    for statement in body:
        if isinstance(statement, ast.ClassDef) and not prefix:
            yield from _assigned_constants(statement.body, f"{statement.name}.")
        targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
        value = _constant_value(getattr(statement, "value", None))
        if value is not None and len(targets) == 1 and isinstance(targets[0], ast.Name):
            yield f"{prefix}{targets[0].id}", value


def _constant_value(node: ast.expr | None) -> ast.expr | None:
    """Return a literal with the value of an expression, or None if the value is not constant."""
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in _COLLECTION_TYPES and len(node.args) == 1:
        node = node.args[0]
    if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        return node if node.elts and all(isinstance(getattr(one, "value", None), str) for one in node.elts) else None
    return node if isinstance(node, ast.Constant) and isinstance(node.value, (str, bool)) else None


def _count_assignments_by_name(tree: ast.Module) -> Counter[str]:
    """Return how often each name is bound in a module: by an assignment, as a parameter or as a class."""
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
    """A name that a module imports from `module_name`.

    `member_name` is the name there, or empty if the module itself is imported.
    """

    name: str
    module_name: str
    member_name: str


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
    """Return the paths of the modules by dotted name. One file has several names: `src.bot.flags` and `bot.flags`."""
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
    binding_counts: Mapping[str, int],
) -> dict[str, ast.expr]:
    """Return the constants that a module imports, by the dotted names under which the module can use them.

    `known` has the constants of each module by path, `paths` the paths by dotted name, and `binding_counts` how often
    the module binds each name: a name that is bound again is left out.
    """
    return {
        one.name + constant: value
        for one in names
        if not binding_counts.get(one.name.partition(".")[0])
        for constant, value in _constants_of_import(one, known, paths)
    }


def _absolute_module(node: ast.ImportFrom, path: str) -> str:
    """Return the dotted name of the module from which `from ... import` imports.

    `path` is that of the importing module.
    """
    folders = PurePosixPath(path).parts[: -node.level] if node.level else ()
    return ".".join([*folders, *([node.module] if node.module else [])])


def _constants_of_import(
    imported: _ImportedName, known: Mapping[str, Mapping[str, ast.expr]], paths: Mapping[str, Sequence[str]]
) -> Iterator[tuple[str, ast.expr]]:
    """Yield `(suffix, value)` for each constant that an imported name leads to.

    The suffix is empty if the name itself is a constant, and `.KEY` if a member of the name is.
    """
    module, member = imported.module_name, imported.member_name
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
    """Return an expression such as `settings.FLAG` as a text, or an empty string if it is anything else."""
    if isinstance(node, ast.Attribute):
        base = _dotted_name(node.value)
        return f"{base}.{node.attr}" if base else ""
    return node.id if isinstance(node, ast.Name) else ""
