"""Small changes of a source file, and calls in the same places that say which test runs them."""

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.And: ("and", "or"),
    ast.Or: ("or", "and"),
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
}
"""Each operator, and what a mutant has in its place."""

Span = tuple[int, int]
"""Where something starts and ends, in bytes."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of a file: the bytes of `span`, which are `before`, become `after`. `node` is what is evaluated."""

    file: str
    line: int
    span: Span
    before: str
    after: str
    kind: str
    node: Span
    in_function: bool

    @property
    def name(self) -> str:
        """Where it is, and what it changes."""
        return f"{self.file}:{self.line}:{self.span[0]}:{self.after}"

    def change(self, source: bytes) -> bytes:
        """Return the changed file."""
        return source[: self.span[0]] + self.after.encode() + source[self.span[1] :]

    def is_valid(self, source: bytes) -> bool:
        """Return whether the changed file can be compiled, and says something else."""
        try:
            changed = ast.parse(self.change(source))
        except (SyntaxError, ValueError):
            return False
        return ast.dump(changed) != ast.dump(ast.parse(source))


class Source:
    """A file, with the places of its nodes in bytes."""

    def __init__(self, path: Path, file: str) -> None:
        self.bytes = path.read_bytes()
        self.file = file
        self.tree = ast.parse(self.bytes)

    @cached_property
    def starts(self) -> list[int]:
        """Where each line starts."""
        lengths = [len(line) for line in self.bytes.split(b"\n")]
        return [sum(lengths[:number]) + number for number in range(len(lengths))]

    @cached_property
    def in_function(self) -> set[ast.AST]:
        """The nodes that run when a function is called, not when it is defined."""
        functions = [one for one in ast.walk(self.tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
        return {node for one in functions for statement in one.body for node in ast.walk(statement)}

    @cached_property
    def in_text(self) -> set[ast.AST]:
        """The nodes inside f-strings, whose places Python 3.11 does not know."""
        texts = [one for one in ast.walk(self.tree) if isinstance(one, ast.JoinedStr)]
        return {node for one in texts for node in ast.walk(one) if node is not one}

    def span(self, node: ast.AST) -> Span:
        """Return where a node starts and ends."""
        start = self.starts[node.lineno - 1] + node.col_offset  # type: ignore[attr-defined]
        return start, self.starts[node.end_lineno - 1] + node.end_col_offset  # type: ignore[attr-defined]

    def mutants(self) -> Iterator[Mutant]:
        """Yield the mutants, of which some may be no valid Python."""
        for node in ast.walk(self.tree):
            if node in self.in_text:
                continue
            for kind, evaluated, (start, end), change in self._changes(node):
                before = self.bytes[start:end].decode()
                after = change(before)
                if after != before:
                    place = (self.file, node.lineno, (start, end), before, after)  # type: ignore[attr-defined]
                    yield Mutant(*place, kind, self.span(evaluated), node in self.in_function)

    def _changes(self, node: ast.AST) -> Iterator[tuple[str, ast.expr, Span, Callable[[str], str]]]:
        match node:
            case ast.Compare(left=left, ops=[operator], comparators=[right]):
                yield "comparison", node, self._between(left, right), _swap(operator)
            case ast.BoolOp(op=operator, values=[left, right, *_]):
                yield "and/or", node, self._between(left, right), _swap(operator)
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as operator, right=right):
                yield "plus/minus", node, self._between(left, right), _swap(operator)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                yield "not", node, (self.span(node)[0], self.span(operand)[0]), lambda before: before.replace("not", "")
            case ast.Constant(value=bool() | int() as value):
                other = not value if isinstance(value, bool) else value + 1
                yield "constant", node, self.span(node), lambda before: before.replace(str(value), str(other))
            case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
                yield "condition", test, self.span(test), lambda before: f"(not ({before}))"
            case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
                yield "return", value, self.span(value), lambda _: "None"

    def _between(self, left: ast.AST, right: ast.AST) -> Span:
        return self.span(left)[1], self.span(right)[0]


def _swap(operator: ast.AST) -> Callable[[str], str]:
    one, other = OPERATORS[type(operator)]
    return lambda before: before.replace(one, other, 1)


def mutants_of(path: Path, file: str) -> list[Mutant]:
    """Return the mutants of one file."""
    return list(Source(path, file).mutants())


def weave(source: bytes, numbered: Iterable[tuple[int, Mutant]], call: str) -> tuple[bytes, set[int]]:
    """Return a file that holds several mutants, and the numbers of those that it could take.

    A mutant is run where `call(NUMBER)` is true. A pattern of `match` can hold no call.
    """
    woven: list[tuple[int, int, bytes]] = []
    numbers = set()
    for number, mutant in sorted(numbered, key=lambda one: one[1].node[1] - one[1].node[0]):
        start, end = mutant.node
        inside = [one for one in woven if start <= one[0] and one[1] <= end]
        changed = mutant.change(source)[start : end + len(mutant.change(source)) - len(source)]
        original = _replace(source[start:end], [(low - start, high - start, text) for low, high, text in inside])
        both = b"((%b) if %b(%d) else (%b))" % (changed, call.encode(), number, original)
        attempt = [*(one for one in woven if one not in inside), (start, end, both)]
        try:
            compile(_replace(source, attempt), mutant.file, "exec")
        except (SyntaxError, ValueError):
            continue
        woven = attempt
        numbers.add(number)
    return _replace(source, woven), numbers


def _replace(source: bytes, replacements: list[tuple[int, int, bytes]]) -> bytes:
    for start, end, text in sorted(replacements, reverse=True):
        source = source[:start] + text + source[end:]
    return source
