"""Find the folder from which a module of a repository can be imported."""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

_EXCEPTIONS_OF_OPTIONAL_IMPORT = ("ImportError", "ModuleNotFoundError", "Exception")


@dataclass(frozen=True, slots=True)
class ModuleImports:
    """What a module imports while it is imported.

    Attributes:
        absolute_names: the dotted names of absolute imports.
        relative_imports: the dots and the dotted name of each relative import.
    """

    absolute_names: tuple[str, ...]
    relative_imports: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True)
class ImportLocation:
    """The folder and module name by which a module of a repository can be imported.

    Attributes:
        import_folder: the folder that must be on `sys.path`, relative to the repository; `..` if the repository is a
            package.
        module_name: the name to import the module by.
        missing_modules: the top-level modules that it imports and that cannot be found, sorted.
    """

    import_folder: str
    module_name: str
    missing_modules: tuple[str, ...]


def read_imports(tree: ast.Module) -> ModuleImports:
    """Return what a module imports while it is imported. Imports that may fail and imports for type checkers are left
    out.
    """
    names: list[str] = []
    relatives: list[tuple[int, str]] = []
    for node in _imports_at_module_level(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif node.level:
            relatives.append((node.level, node.module or ""))
            relatives += [(node.level, alias.name) for alias in node.names if not node.module]
        else:
            names.append(str(node.module))
    return ModuleImports(tuple(names), tuple(relatives))


def find_import_location(path: str, root: Path, modules: Mapping[str, ModuleImports]) -> ImportLocation:
    """Return how to import the module `path`, from the folder in which the fewest of its imports are missing.

    `modules` holds the imports of each Python file of the repository, by its path.
    """
    file = PurePosixPath(path)
    usual = _usual_import_folder(file)
    levels = max((level for level, _ in modules[path].relative_imports), default=0)
    choices = []
    for folder in _possible_folders(file, root, modules):
        parts = (root.name, *file.parts) if folder == ".." else file.relative_to(folder).parts
        missing = _missing_modules(path, folder, modules)
        is_in_package = folder not in (".", "..") and f"{folder}/__init__.py" in modules
        order = (levels >= len(parts), len(missing), is_in_package, folder != usual)
        choices.append((order, ImportLocation(folder, _module_name(parts), tuple(sorted(missing)))))
    return min(choices, key=lambda choice: choice[0])[1]  # the outermost of equals


def _usual_import_folder(file: PurePosixPath) -> str:
    """Return the folder from which a file is usually imported: `src` if the file is in it; else the deepest folder
    above the file whose name cannot be part of an import, such as `my-agent`; else the root.
    """
    if file.parts[0] == "src":
        return "src"
    folders = file.parent.parts
    end = max((index for index, name in enumerate(folders, 1) if not name.isidentifier()), default=0)
    return "/".join(folders[:end]) or "."


def _possible_folders(file: PurePosixPath, root: Path, modules: Mapping[str, ModuleImports]) -> Iterator[str]:
    """Yield the folders that can be on `sys.path` to import a file, the outermost first."""
    yield from [folder.as_posix() for folder in reversed(file.parents)]
    if "__init__.py" in modules and root.name.isidentifier():
        yield ".."


def _module_name(parts: tuple[str, ...]) -> str:
    names = [*parts[:-1], PurePosixPath(parts[-1]).stem]
    return ".".join(names[:-1] if names[-1] == "__init__" and len(names) > 1 else names)


def _missing_modules(path: str, folder: str, modules: Mapping[str, ModuleImports]) -> set[str]:
    """Return the top-level modules that cannot be found if the module `path` is imported with `folder` on
    `sys.path`.
    """
    missing: set[str] = set()
    seen: set[str] = set()
    paths = [path, *_package_init_files(path, folder, modules)]
    while paths:
        current = paths.pop()
        if current in seen:
            continue
        seen.add(current)
        for name in modules[current].absolute_names:
            if local := _files_run_by_import(folder, name, modules):
                paths += local
            elif not _is_installed(name.partition(".")[0]) and not _is_namespace_package(folder, name, modules):
                missing.add(name.partition(".")[0])
        for level, name in modules[current].relative_imports:
            package = PurePosixPath(current).parents[level - 1] if level <= len(PurePosixPath(current).parts) else None
            paths += _files_run_by_import(str(package), name, modules) if package is not None else []
    return missing


def _package_init_files(path: str, folder: str, modules: Mapping[str, ModuleImports]) -> list[str]:
    """Return the `__init__.py` of each package between a folder and a file."""
    files = [(parent / "__init__.py").as_posix() for parent in PurePosixPath(path).parents]
    return [one for one in files if one in modules and (folder in (".", "..") or one.startswith(f"{folder}/"))]


def _files_run_by_import(folder: str, name: str, modules: Mapping[str, ModuleImports]) -> list[str]:
    """Return the files of the repository that are run if `name` is imported with `folder` on `sys.path`."""
    parts = name.split(".") if name else []
    base = PurePosixPath("" if folder == ".." else folder)
    steps = [base.joinpath(*parts[:end]) for end in range(1, len(parts) + 1)] or [base]
    files = [one.as_posix() for step in steps for one in (step.with_name(f"{step.name}.py"), step / "__init__.py")]
    return [one for one in files if one in modules]


def _is_namespace_package(folder: str, name: str, modules: Mapping[str, ModuleImports]) -> bool:
    """Return whether the top-level name of `name` is a folder with Python files but without an `__init__.py`."""
    prefix = PurePosixPath("" if folder == ".." else folder, name.partition(".")[0]).as_posix() + "/"
    return any(path.startswith(prefix) for path in modules)


def _is_installed(name: str) -> bool:
    if name in sys.stdlib_module_names or name in sys.modules:
        return True
    try:
        return find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _imports_at_module_level(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the imports that run with the module itself, except those that may fail or are only for type
    checkers.
    """
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif isinstance(child, (ast.If, ast.Try, ast.With, ast.ClassDef)) and not _has_optional_imports(child):
            yield from _imports_at_module_level(child)


def _has_optional_imports(node: ast.stmt) -> bool:
    """Return whether the imports inside a statement may fail, or do not run when the module is imported."""
    if isinstance(node, ast.If):
        return any(word in ast.dump(node.test) for word in ("TYPE_CHECKING", "__main__"))
    handled = [handler.type for handler in node.handlers] if isinstance(node, ast.Try) else []
    return any(one is None or any(word in ast.dump(one) for word in _EXCEPTIONS_OF_OPTIONAL_IMPORT) for one in handled)
