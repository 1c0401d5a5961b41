"""Change the package in one small way at a time, and count the changes that the tests notice.

`python benchmarks/mutants.py --count=40 --seed=1` draws mutants and runs, for each, the tests that mirror its module.
`--also=FOLDER` runs another checkout (with its own `.venv`) on the same mutants, as far as it has the same lines.
"""

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "harness/flag_harness"
LEFT_OUT = shutil.ignore_patterns(".venv", ".git", ".*_cache", "__pycache__", ".coverage*", ".hypothesis")
PATIENCE = 600
"""Seconds after which a mutant counts as noticed: it hangs."""

COMPARISONS: dict[type[ast.AST], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Lt: "<=",
    ast.LtE: "<",
    ast.Gt: ">=",
    ast.GtE: ">",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one line: `before` at `column` of the line `text` becomes `after`."""

    file: str
    line: int
    text: str
    column: int
    before: str
    after: str

    def apply(self, checkout: Path, file: str, line: int) -> None:
        """Write the change to a file."""
        path = checkout / file
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        old = lines[line - 1]
        indent = len(old) - len(old.lstrip())
        start = indent + self.column
        assert old[start : start + len(self.before)] == self.before
        lines[line - 1] = old[:start] + self.after + old[start + len(self.before) :]
        path.write_text("".join(lines), encoding="utf-8")


def mutants_of(path: Path, file: str) -> Iterator[Mutant]:
    """Yield the mutants of one file."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    if not source.isascii():
        return  # ast counts bytes
    for node in ast.walk(ast.parse(source)):
        for start, end, after in _changes(node):
            if start[0] != end[0]:
                continue
            text = lines[start[0] - 1]
            before = text[start[1] : end[1]]
            column = start[1] - (len(text) - len(text.lstrip()))
            yield Mutant(file, start[0], text.strip(), column, before, after(before))


def _changes(node: ast.AST) -> Iterator[tuple[tuple[int, int], tuple[int, int], Callable[[str], str]]]:
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
            yield _end(left), _start(right), lambda _: f" {COMPARISONS[type(op)]} "
        case ast.BoolOp(op=op, values=[first, second, *_]):
            yield _end(first), _start(second), lambda before: _swapped(before, " and ", " or ")
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield _start(node), _start(operand), lambda _: ""
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub(), right=right):
            yield _end(left), _start(right), lambda before: _swapped(before, "+", "-")
        case ast.Constant(value=bool() as value):
            yield _start(node), _end(node), lambda _: str(not value)
        case ast.Constant(value=int() as value):
            yield _start(node), _end(node), lambda _: str(value + 1)
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            yield _start(test), _end(test), lambda before: f"(not ({before}))"
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield _start(value), _end(value), lambda _: "None"


def _swapped(before: str, one: str, other: str) -> str:
    return before.replace(one, other) if one in before else before.replace(other, one)


def _start(node: ast.AST) -> tuple[int, int]:
    return node.lineno, node.col_offset  # type: ignore[attr-defined]


def _end(node: ast.AST) -> tuple[int, int]:
    return node.end_lineno, node.end_col_offset  # type: ignore[attr-defined]


def draw(count: int, seed: int, rooms: list[str]) -> list[Mutant]:
    """Draw mutants of the package, each of which changes something."""
    found = [
        mutant
        for path in sorted((ROOT / PACKAGE).rglob("*.py"))
        for mutant in mutants_of(path, str(path.relative_to(ROOT)))
        if mutant.before != mutant.after and (not rooms or mutant.file.split("/")[2] in rooms)
    ]
    return random.Random(seed).sample(found, min(count, len(found)))


def mirror(checkout: Path, file: str) -> str:
    """Return the tests of a module: its room's folder or file, or all tests."""
    room = file.removeprefix(PACKAGE + "/").removeprefix("harness/").split("/")[0].removesuffix(".py")
    names = [f"tests/{room}", f"tests/test_{room}.py"]
    return next((name for name in names if (checkout / name).exists()), "tests")


def locate(mutant: Mutant, checkout: Path) -> tuple[str, int] | None:
    """Return the file and line of a mutant in another checkout, or None if it has no such line, or several."""
    places = [
        (str(path.relative_to(checkout)), number)
        for path in sorted((checkout / "harness").rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if line.strip() == mutant.text
    ]
    same = [place for place in places if Path(place[0]).name == Path(mutant.file).name]
    best = same if len(same) == 1 else places
    return best[0] if len(best) == 1 else None


def is_killed(mutant: Mutant, checkout: Path, file: str, line: int) -> bool:
    """Whether the tests of a module notice its mutant."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy = Path(folder, "checkout")
        shutil.copytree(checkout, copy, ignore=LEFT_OUT)
        mutant.apply(copy, file, line)
        source = copy / "harness" if (copy / PACKAGE).exists() else copy
        environ = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [checkout / ".venv/bin/python", "-m", "pytest", "-x", "-q", "-n2", mirror(copy, file)]
        try:
            run = subprocess.run(command, cwd=copy, env=environ, capture_output=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            return True
        return run.returncode != 0


def main() -> int:
    """Print a line for each mutant, and how many were killed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=40, help="how many mutants to draw (40)")
    parser.add_argument("--seed", type=int, default=1, help="seed of the draw (1)")
    parser.add_argument("--room", action="append", default=[], help="draw from this folder of the package; repeatable")
    parser.add_argument("--also", type=Path, help="another checkout, with its own .venv, to compare")
    options = parser.parse_args()
    killed = {"this": 0, "other": 0}
    drawn = 0
    for mutant in draw(options.count, options.seed, options.room):
        other = locate(mutant, options.also) if options.also else None
        if options.also and other is None:
            continue
        drawn += 1
        row = {"file": mutant.file, "line": mutant.line, "before": mutant.before, "after": mutant.after}
        row["this"] = is_killed(mutant, ROOT, mutant.file, mutant.line)
        killed["this"] += bool(row["this"])
        if other:
            row["other"] = is_killed(mutant, options.also, *other)
            killed["other"] += bool(row["other"])
        print(json.dumps(row), flush=True)
    print(f"{killed['this']} of {drawn} killed" + (f"; there {killed['other']}" if options.also else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
