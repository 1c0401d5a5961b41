"""Read small parts of Python syntax trees."""

import ast
from collections.abc import Iterator


def string_literal(node: ast.AST | None) -> str | None:
    """Return the value of a string literal, or None if the node is anything else."""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def string_constants(tree: ast.AST) -> Iterator[tuple[ast.Constant, str]]:
    """Yield each string literal of a module with its text. Docstrings are left out."""
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node, node.value


def values_assigned_to_name(tree: ast.AST, name: str) -> Iterator[ast.expr]:
    """Yield the expressions that code gives to `name`: as a keyword argument, in a dictionary, or by an assignment."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == name:
            yield node.value
        elif isinstance(node, ast.Dict):
            yield from (value for key, value in zip(node.keys, node.values, strict=True) if string_literal(key) == name)
        elif isinstance(node, ast.Assign) and any(getattr(target, "id", "") == name for target in node.targets):
            yield node.value
