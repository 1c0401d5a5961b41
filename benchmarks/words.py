"""Count what makes the code hard to read or to find: names, words, crowded folders, imports that lead up or in circles.

`python benchmarks/words.py` prints one line per count; `--list` also prints what was counted; `--check` exits with 1 if
a count is above its limit.
"""

import argparse
import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "harness"
PACKAGE = SOURCE / "flag_harness"

FLOORS_TEST = ROOT / "tests" / "test_floors.py"
"""Holds the table of the floors: which rooms may import which."""

IRREGULAR = frozenset(
    """begun bent born borne bound bought broken brought built cast caught chosen cut done drawn driven drunk eaten
    fallen felt fled flown forgotten found frozen given gone grown heard held hidden hit kept known laid led left lent
    lit lost made meant met overridden paid put rewritten ridden risen run said seen sent shaken shed shown shut sold
    spent split spoken spoilt spread stolen struck stuck sworn swept taken taught thought thrown told torn understood
    undone won worn woven written""".split()  # noqa: SIM905 # a hundred words read better so
)
VERBS = frozenset(("bound", "cast", "cut", "found", "hit", "let", "put", "read", "run", "set", "shut", "split"))
"""Words that are participles and plain verbs alike: not counted if they come first."""
NOT_PARTICIPLES = frozenset(("bleed", "breed", "embed", "exceed", "feed", "heed", "need", "proceed", "seed", "speed"))
PARTICLES = frozenset(
    """across after again alone along anew apart as aside at away back before behind below between by down for from in
    into of off on once out over past round so than through to together too under up upon with within
    without""".split()  # noqa: SIM905
)
PREDICATES = frozenset(("is", "has", "can", "was", "are", "must", "should", "may", "cannot", "does"))
PLACES = frozenset(
    """body cassette column directory document metadata file folder from index know known knows line list matter
    matters module near of offset page path place point position say says section see show shows spot table tell tells
    to word""".split()  # noqa: SIM905
)
"""Words that 'where' follows if it means a place."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Count:
    """One measured number, its limit, and what was counted."""

    what: str
    value: float
    most: float
    found: Sequence[str]
    note: str = ""

    def __str__(self) -> str:
        verdict = "ok" if self.value <= self.most else "TOO MANY"
        return f"{self.what:<58} {self.value:>7.4g}  (at most {self.most:g}) {verdict} {self.note}".rstrip()


@dataclass(frozen=True, slots=True)
class Module:
    """One module of the package, parsed."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def room(self) -> str:
        """Return the first name below the package, or an empty string for the package itself."""
        return self.name.split(".")[1] if "." in self.name else ""

    def at(self, node: ast.AST) -> str:
        """Return where a node stands, as `path:line`."""
        return f"{self.path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def load_modules() -> list[Module]:
    """Parse every module of the package."""
    return [
        Module(
            ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"),
            path,
            ast.parse(path.read_text("utf-8")),
        )
        for path in sorted(PACKAGE.rglob("*.py"))
    ]


def is_participle(word: str) -> bool:
    """Return whether a word is a past participle."""
    regular = len(word) > 3 and word.endswith("ed") and word not in NOT_PARTICIPLES
    return regular or word in IRREGULAR or (word.startswith("un") and word[2:] in IRREGULAR)


def is_named_by_participle(name: str) -> bool:
    """Return whether a function's name is headed by a past participle: `written`, `laid_out`, `body_shown`.

    An adjective before a noun (`recorded_order`) and a predicate (`is_recorded`) are not.
    """
    words = [word for word in name.strip("_").split("_") if word]
    if not words or words[0] in PREDICATES or (name.startswith("__") and name.endswith("__")):
        return False
    if words[0] in VERBS or (len(words) > 1 and words[0] in {"pytest", "test"}):
        return False
    head = next((index for index, word in enumerate(words) if index and word in PARTICLES), len(words))
    return is_participle(words[head - 1])


def functions(module: Module) -> Iterator[Function]:
    """Yield the functions and methods of a module, inner ones included."""
    return (node for node in ast.walk(module.tree) if isinstance(node, Function))


def count_participles(modules: Sequence[Module]) -> Count:
    """Count the functions that are named by a past participle, in percent."""
    every = [(module, node) for module in modules for node in functions(module)]
    found = [f"{module.at(node)} {node.name}" for module, node in every if is_named_by_participle(node.name)]
    note = f"({len(found)} of {len(every)})"
    return Count("functions named by a past participle, percent", 100 * len(found) / len(every), 4, found, note)


def docstrings(module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Yield each docstring of a module, those below assignments included, with the node that it stands at."""
    for node in ast.walk(module.tree):
        for statement in getattr(node, "body", ()) if isinstance(getattr(node, "body", ()), list) else ():
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield statement, value.value


def wheres_as_if(text: str) -> list[str]:
    """Return the phrases of a text in which 'where' stands for 'if', by a rule of thumb.

    It means a place after a word of place (`the line where`, `says where`), and at the start of a sentence that has no
    other clause ("Where the cassette stands.").
    """
    flat = " ".join(text.split())
    found = []
    for match in re.finditer(r"\bwhere\b", flat, re.IGNORECASE):
        before, rest = flat[: match.start()].rstrip(), re.split(r"[.;]", flat[match.end() :], maxsplit=1)[0]
        word = before.split(" ")[-1].strip("`*(").lower() if before else ""
        starts = not before or before[-1] in ".:;("
        if word not in PLACES and not (starts and "," not in rest):
            found.append(flat[max(0, match.start() - 30) : match.end() + 20])
    return found


def count_wheres(modules: Sequence[Module]) -> tuple[Count, Count]:
    """Count 'where' as 'if' in docstrings, and every 'where'."""
    texts = [(module, node, text) for module in modules for node, text in docstrings(module)]
    found = [f"{module.at(node)} …{phrase}…" for module, node, text in texts for phrase in wheres_as_if(text)]
    every = [f"{module.at(node)}" for module, node, text in texts for _ in re.finditer(r"\bwhere\b", text, re.I)]
    whens = sum(len(re.findall(r"\bwhen\b", text, re.I)) for _, _, text in texts)
    return (
        Count("'where' as 'if' in docstrings (rule of thumb)", len(found), 40, found),
        Count("'where' in docstrings, of any kind", len(every), float("inf"), every, f"('when': {whens})"),
    )


def count_shared_names(modules: Sequence[Module], kinds: type | tuple[type, ...], what: str) -> Count:
    """Count the public names that more than one top-level class (or function) of the package has."""
    places: dict[str, list[str]] = defaultdict(list)
    for module in modules:
        if any(part.startswith("_") for part in module.name.split(".")):
            continue
        for node in module.tree.body:
            if isinstance(node, kinds) and not node.name.startswith("_"):  # type: ignore[attr-defined]
                places[node.name].append(module.at(node))  # type: ignore[attr-defined]
    shared = {name: where for name, where in places.items() if len(where) > 1 and not name.startswith("pytest_")}
    return Count(what, len(shared), 0, [f"{name}: {', '.join(where)}" for name, where in sorted(shared.items())])


def count_crowded_folders() -> Count:
    """Count the folders of the package with more than 14 modules."""
    crowds = {folder: len(list(folder.glob("*.py"))) for folder in [PACKAGE, *PACKAGE.rglob("*/")] if folder.is_dir()}
    found = [f"{folder.relative_to(ROOT)}: {count}" for folder, count in sorted(crowds.items()) if count > 14]
    return Count("folders of more than 14 files", len(found), 0, found, f"(most: {max(crowds.values())})")


def imports(module: Module, names: frozenset[str], *, at_load: bool) -> set[str]:
    """Return the modules of the package that a module imports; `at_load` leaves out those inside functions."""
    found: set[str] = set()
    pending: list[ast.AST] = [module.tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found.update(name if name in names else node.module or "" for name in inner)
        elif isinstance(node, ast.If) and at_load and ast.unparse(node.test) == "TYPE_CHECKING":
            pending.extend(node.orelse)
        elif not (at_load and isinstance(node, (*Function.__args__, ast.Lambda))):
            pending.extend(ast.iter_child_nodes(node))
    return found & names - {module.name}


def load_floors() -> dict[str, int]:
    """Return the floor of each room, 0 for the lowest."""
    for node in ast.parse(FLOORS_TEST.read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FLOORS":
            return {room: number for number, rooms in enumerate(ast.literal_eval(node.value)) for room in rooms}
    raise SystemExit(f"{FLOORS_TEST.relative_to(ROOT)} has no table FLOORS any more")


def count_upward_arrows(modules: Sequence[Module]) -> Count:
    """Count the imports that lead to a higher floor, or to another room of the same one (the lowest may share)."""
    names, floors = frozenset(module.name for module in modules), load_floors()
    highest = max(floors.values()) + 1
    found = []
    for module in (one for one in modules if one.room):
        here = floors.get(module.room, highest)
        for target in sorted(imports(module, names, at_load=False)):
            room = target.split(".")[1] if "." in target else ""
            there = floors.get(room, highest)
            if room and room != module.room and not (there < here or there == here == 0):
                found.append(f"{module.name} → {target}")
    return Count("imports that lead up or across", len(found), 0, found)


def count_circles(modules: Sequence[Module]) -> Count:
    """Count the modules that stand in or behind a circle of imports at load."""
    names = frozenset(module.name for module in modules)
    graph = {module.name: imports(module, names, at_load=True) for module in modules}
    while leaves := {module for module, needed in graph.items() if not needed}:
        graph = {module: needed - leaves for module, needed in graph.items() if module not in leaves}
    found = [f"{module} → {', '.join(sorted(needed))}" for module, needed in graph.items()]
    return Count("modules in a circle of imports", len(found), 0, found)


def count_long(modules: Sequence[Module]) -> tuple[Count, Count]:
    """Count the functions over 40 lines and the files over 300."""
    long = [
        f"{module.at(node)} {node.name}: {(node.end_lineno or 0) - node.lineno + 1}"
        for module in modules
        for node in functions(module)
        if (node.end_lineno or 0) - node.lineno + 1 > 40
    ]
    files = {module.path.relative_to(ROOT): len(module.path.read_text("utf-8").splitlines()) for module in modules}
    big = [f"{path}: {lines}" for path, lines in files.items() if lines > 300]
    return Count("functions over 40 lines", len(long), 0, long), Count("files over 300 lines", len(big), 0, big)


def measure() -> list[Count]:
    """Return every count over the package as it stands."""
    modules = load_modules()
    return [
        count_participles(modules),
        *count_wheres(modules),
        count_shared_names(modules, ast.ClassDef, "names of public classes that two classes share"),
        count_shared_names(modules, Function.__args__, "names of public functions that two functions share"),
        count_crowded_folders(),
        count_upward_arrows(modules),
        count_circles(modules),
        *count_long(modules),
    ]


def main() -> int:
    """Print the counts; return 1 if `--check` was given and one is above its limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--list", metavar="WORD", nargs="?", const="", help="print what was counted, or lines with WORD"
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if a count is above its limit")
    options = parser.parse_args()
    counts = measure()
    for count in counts:
        print(count)
        shown = [] if options.list is None or count.most == float("inf") else count.found
        for line in (one for one in shown if options.list in one):
            print(f"    {line}")
    return int(options.check and any(count.value > count.most for count in counts))


if __name__ == "__main__":
    sys.exit(main())
