"""Benchmarks are run by hand, so that nothing else notices a name that they import and nobody defines any more."""

import ast
import importlib
import tomllib
from pathlib import Path

import pytest

BENCHMARKS = sorted((Path(__file__).parents[1] / "benchmarks").glob("*.py"))
OWN = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in BENCHMARKS}


def _defined_names(tree: ast.Module) -> set[str]:
    """Return the names that a module binds at its top level."""
    bound = {one.id for node in tree.body for one in ast.walk(node) if isinstance(one, ast.Name)}
    named = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    aliases = {one.asname or one.name for node in tree.body if isinstance(node, ast.ImportFrom) for one in node.names}
    return bound | named | aliases


def _exists(module: str, name: str) -> bool:
    """Return whether a module has this name, or a submodule of this name."""
    if module in OWN:
        return name in _defined_names(OWN[module])
    if hasattr(importlib.import_module(module), name):
        return True
    try:
        importlib.import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize("name", OWN)
def test_every_imported_name_exists(name: str) -> None:
    """In the package, and in the benchmarks' own modules."""
    imports = [
        (node.module, alias.name)
        for node in ast.walk(OWN[name])
        if isinstance(node, ast.ImportFrom) and node.module is not None
        for alias in node.names
    ]
    known = [one for one in imports if one[0] in OWN or one[0].partition(".")[0] == "flag_harness"]
    assert [] == [".".join(one) for one in known if not _exists(*one)]


def test_every_line_that_a_mutant_changes_exists() -> None:
    """In the file that it names: the benchmark that runs the mutants takes too long to run with the tests."""
    reference = Path(__file__).parents[1] / "harness/flag_harness/reference"
    mutants = tomllib.loads((BENCHMARKS[0].parent / "agent_mutants.toml").read_text(encoding="utf-8"))["mutant"]
    lines = [(mutant["file"], mutant["before"]) for mutant in mutants]
    assert [] == [one for one in lines if one[1] not in (reference / one[0]).read_text(encoding="utf-8")]
    assert len(lines) > 90
