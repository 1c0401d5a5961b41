"""Find which files of their own folder Python files import, without running them."""

import ast
from collections.abc import Iterable, Iterator
from importlib.machinery import all_suffixes
from pathlib import Path

from flag_harness.errors import GateError
from flag_harness.gate.declared.manifest import read_declared_file


def find_undeclared_imports(folder: Path, declared: Iterable[str]) -> dict[str, str]:
    """Return the files in `folder` that are missing from `declared` although a declared Python file imports them.

    The values are the files that import them, one for each, and may themselves be missing from `declared`. Raise
    `GateError` if a file is not valid Python.
    """
    known = set(declared)
    waiting, found = sorted(path for path in known if path.endswith(".py")), dict[str, str]()
    while waiting:
        importer = waiting.pop()
        for path in _files_imported_by(folder, importer):
            if path not in known and path not in found:
                found[path] = importer
                waiting += [path] if path.endswith(".py") else []
    return found


def _files_imported_by(folder: Path, importer: str) -> Iterator[str]:
    """Yield the files of the folder that the file `importer` imports, including the `__init__.py` of each package."""
    try:
        tree = ast.parse(read_declared_file(folder, importer))
    except (SyntaxError, ValueError) as error:
        raise GateError(f"{folder / importer}: is not valid Python: {error}") from None
    yield from _package_files_above(folder, importer)
    places = list(_import_folders(folder, importer))
    for node in ast.walk(tree):
        for base, name in _names_in_import(node, importer):
            for place in places if base is None else [base]:
                yield from _files_of_module(folder, place, name)


def _package_files_above(folder: Path, importer: str) -> Iterator[str]:
    """Yield the `__init__.py` of each package that contains the file `importer`."""
    parts = importer.split("/")[:-1]
    for end in range(1, len(parts) + 1):
        path = "/".join([*parts[:end], "__init__.py"])
        if (folder / path).is_file():
            yield path


def _import_folders(folder: Path, importer: str) -> Iterator[list[str]]:
    """Yield the folders in which a file's absolute imports may be found, each as a list of the parts of its path.

    These are `folder` itself and the folders between it and the file that are not packages, such as `src`.
    """
    parts = importer.split("/")[:-1]
    for end in range(len(parts) + 1):
        if not (folder.joinpath(*parts[:end]) / "__init__.py").is_file():
            yield parts[:end]


def _names_in_import(node: ast.AST, importer: str) -> Iterator[tuple[list[str] | None, list[str]]]:
    """Yield `(base, parts)` for each imported name: the base folder of a relative import, and the parts of the dotted
    name.

    The base is None for an absolute import.
    """
    if isinstance(node, ast.Import):
        yield from ((None, alias.name.split(".")) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = importer.split("/")[: -node.level] if node.level else None
        module = node.module.split(".") if node.module else []
        yield base, module
        yield from ((base, [*module, alias.name]) for alias in node.names if alias.name != "*")


def _files_of_module(folder: Path, place: list[str], name: list[str]) -> Iterator[str]:
    for end in range(1, len(name) + 1):
        stem = "/".join([*place, *name[:end]])
        for path in (f"{stem}/__init__.py", *(f"{stem}{suffix}" for suffix in all_suffixes())):
            if (folder / path).is_file():
                yield path
