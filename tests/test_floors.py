"""The floors: what may import what, over every module of the package."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "harness" / "flag_harness"

FLOORS = (
    {
        "errors",
        "fault_arguments",
        "flag",
        "models",
        "audit_hook",
        "clock",
        "durations",
        "files",
        "callers",
        "imports",
        "owner",
        "source_files",
        "toml_tables",
        "wire",
        "wording",
    },
    {"matrix", "record"},
    {"config"},
    {"cassette", "simulator", "faults"},
    {"analysis", "transports"},
    {"sources"},
    {"report", "gate", "sweep", "vcr"},
    {"reference"},
    {"plugin", "cli", "demo"},
)
"""Rooms of `flag_harness/`, lowest floor first. A room imports lower floors only; those of the lowest may share."""

ONLY_IN = {"pytest": {"plugin"}, "streamlit": {"reference"}, "httpx": {"transports"}, "httpx2": {"transports"}}
"""Libraries that only these rooms know, wherever in a module the import stands."""

NEVER_AT_LOAD = {"anthropic", "httpx", "httpx2", "httpcore", "httpcore2"}
"""Libraries that loading a module must not load."""

MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if PACKAGE / "demo" / "project" not in path.parents
}


def _room(module: str) -> str:
    """The room of a module: `agent` for `flag_harness.reference.loop`; nothing for the package itself."""
    return module.split(".")[1] if "." in module else ""


def _floor(room: str) -> int | None:
    return next((number for number, rooms in enumerate(FLOORS) if room in rooms), None)


def _statements(node: ast.AST, *, at_load: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements below a node; `at_load` leaves out functions and what only type checkers see."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Import, ast.ImportFrom)):
            yield child
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            for inner in child.orelse if at_load else child.body + child.orelse:
                yield from _statements(ast.Module([inner], []), at_load=at_load)
        elif not (at_load and isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))):
            yield from _statements(child, at_load=at_load)


@cache
def _imports(module: str, *, at_load: bool = False) -> set[str]:
    """The modules that a module imports, by their absolute names."""
    found: set[str] = set()
    for statement in _statements(ast.parse(MODULES[module].read_text()), at_load=at_load):
        if isinstance(statement, ast.Import):
            found.update(alias.name for alias in statement.names)
        else:
            assert 0 == statement.level, f"{module}: a relative import hides where it leads"
            base = statement.module or ""
            names = {f"{base}.{alias.name}" for alias in statement.names}
            found.update(name if name in MODULES else base for name in names)
    return found


def test_every_module_stands_on_a_floor() -> None:
    """A room that the table does not know must be given its place first."""
    homeless = [module for module in MODULES if _room(module) and _floor(_room(module)) is None]
    assert [] == homeless


def test_a_module_imports_lower_floors_only() -> None:
    """No import leads up, or across to another room of the same floor."""
    wrong = [
        (module, target)
        for module in MODULES
        for target in sorted(_imports(module))
        if target.partition(".")[0] == "flag_harness"
        and not _allowed(_room(module), _floor(_room(module)), _room(target))
    ]
    assert [] == wrong


def _allowed(room: str, here: int | None, target: str) -> bool:
    if not room or target == room:
        return True
    there = _floor(target)
    return here is not None and there is not None and (there < here or here == there == 0)


def test_the_judge_and_the_judged_import_none_of_each_other() -> None:
    """Cassette, simulator and faults share no code above the lower floors, so they share no bug there."""
    apart = {"cassette", "simulator", "faults"}
    shared = [
        (module, target)
        for module in MODULES
        for target in sorted(_imports(module))
        if _room(module) in apart and target.startswith("flag_harness.") and _room(target) in apart - {_room(module)}
    ]
    assert [] == shared


def test_no_import_leads_in_a_circle() -> None:
    """The modules can be put in an order in which each is loaded after what it needs."""
    graph = {
        module: {name for name in _imports(module, at_load=True) if name in MODULES} - {module} for module in MODULES
    }
    while leaves := {module for module, needed in graph.items() if not needed}:
        graph = {module: needed - leaves for module, needed in graph.items() if module not in leaves}
    assert {} == graph


@pytest.mark.parametrize(("library", "rooms"), ONLY_IN.items())
def test_a_library_is_known_in_its_rooms_only(library: str, rooms: set[str]) -> None:
    """pytest in the plugin, streamlit in the screen, HTTP clients in the transports."""
    strangers = [
        module
        for module in MODULES
        if _room(module) not in rooms and library in {name.partition(".")[0] for name in _imports(module)}
    ]
    assert [] == strangers


def test_loading_a_module_imports_no_client() -> None:
    """The SDK costs two CPU seconds: it and its HTTP libraries are imported where they are first used."""
    wrong = [
        (module, name)
        for module in MODULES
        for name in sorted(_imports(module, at_load=True))
        if name.partition(".")[0] in NEVER_AT_LOAD
    ]
    assert [] == wrong


@pytest.mark.parametrize("statement", ["import flag_harness", "import flag_harness.plugin.features"])
def test_a_fresh_process_stays_free_of_the_sdk(statement: str) -> None:
    """`import flag_harness` and the plugin's load bring neither the SDK nor its HTTP library."""
    script = f"{statement}\nimport sys\nprint(sorted(sys.modules.keys() & {NEVER_AT_LOAD}))"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "[]\n" == shown.stdout


def test_importing_the_package_loads_nothing_of_it() -> None:
    """`import flag_harness` is lazy: its rooms are entered when they are needed."""
    script = "import flag_harness, sys\nprint([name for name in sys.modules if name.startswith('flag_harness.')])"
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "[]\n" == shown.stdout


def test_the_declared_packages_are_those_that_exist() -> None:
    """A package that is not declared would be missing from the wheel."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    existing = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    declared = {name for name in document["packages"] if not name.startswith("flag_harness.conformance.")}
    assert existing | {"flag_harness.conformance"} == declared
    assert {"fixtures", "recordings"} == set(document["package-dir"].values()) - {"harness/flag_harness", "cases"}


def test_all_that_the_cases_are_made_of_is_in_the_wheel() -> None:
    """Every folder of fixtures and recordings is declared as a part of the installed suite."""
    document = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    declared = {name for name in document["packages"] if name.startswith("flag_harness.conformance.")}
    folders = {
        file.parent.relative_to(ROOT) for top in ("fixtures", "recordings") for file in (ROOT / top).rglob("*.*")
    }
    assert {f"flag_harness.conformance.{'.'.join(folder.parts)}" for folder in folders} | {
        "flag_harness.conformance.recordings"
    } == declared
