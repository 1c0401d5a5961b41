"""What Python files import from the same folder, found without running them."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from flag_harness.errors import GateError
from flag_harness.gate.declared.manifest import read_file


def undeclared_imports(folder: Path, declared: Iterable[str]) -> dict[str, str]:
    """Return the files of `folder` that declared Python files import and that are not declared, each with an importer.

    Imports are followed. Raise `GateError` if a file is not valid Python.
    """
    known = set(declared)
    waiting, found = sorted(path for path in known if path.endswith(".py")), dict[str, str]()
    while waiting:
        importer = waiting.pop()
        for path in _imported_files(folder, importer):
            if path not in known and path not in found:
                found[path] = importer
                waiting.append(path)
    return found


def _imported_files(folder: Path, importer: str) -> Iterator[str]:
    """Yield the files of the folder that one file imports, the packages on the way to a module included."""
    try:
        tree = ast.parse(read_file(folder, importer))
    except (SyntaxError, ValueError) as error:
        raise GateError(f"{folder / importer}: is not valid Python: {error}") from None
    for node in ast.walk(tree):
        for parts in _imported_names(node, importer):
            yield from _files_of_module(folder, parts)


def _imported_names(node: ast.AST, importer: str) -> Iterator[list[str]]:
    """Yield each name that a statement imports, as the parts of its path from the folder."""
    if isinstance(node, ast.Import):
        yield from (alias.name.split(".") for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = importer.split("/")[: -node.level] if node.level else []
        module = [*base, *(node.module.split(".") if node.module else [])]
        yield module
        yield from ([*module, alias.name] for alias in node.names if alias.name != "*")


def _files_of_module(folder: Path, parts: list[str]) -> Iterator[str]:
    for end in range(1, len(parts) + 1):
        stem = "/".join(parts[:end])
        for path in (f"{stem}/__init__.py", f"{stem}.py"):
            if (folder / path).is_file():
                yield path
