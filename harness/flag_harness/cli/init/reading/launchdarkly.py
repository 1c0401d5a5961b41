"""Find the functions of a repository that make a LaunchDarkly client of their own."""

import ast
from collections.abc import Iterator, Mapping

from flag_harness.analysis.code.python_flags import called_function_name
from flag_harness.cli.init.reading.arguments import client_of_api_call

_CLIENT_MAKER_NAMES = frozenset({"set_config", "LDClient"})
"""The functions that make a LaunchDarkly client, or configure one that is then made."""


def find_client_functions(trees: Mapping[str, ast.Module]) -> Iterator[tuple[str, str]]:
    """Yield (path of a module, name in the module) for each function that makes and returns a LaunchDarkly client.

    A function is also yielded for each module that imports it, because a test has to replace it there as well.
    """
    names = {
        (path, node.name)
        for path, tree in trees.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and _is_client_function(node)
    }
    yield from sorted(names)
    makers = {(path.rpartition("/")[2].removesuffix(".py"), name) for path, name in names}
    for path, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ImportFrom):
                module = (node.module or "").rpartition(".")[2]
                yield from ((path, one.asname or one.name) for one in node.names if (module, one.name) in makers)


def _is_client_function(node: ast.FunctionDef) -> bool:
    """Return whether a function without parameters does nothing but make a LaunchDarkly client and return it."""
    if node.args.args or node.args.kwonlyargs:
        return False
    parts = list(ast.walk(node))
    if not any(called_function_name(one) in _CLIENT_MAKER_NAMES for one in parts) or any(
        client_of_api_call(one) for one in parts
    ):
        return False
    made = {
        ast.unparse(target)
        for one in parts
        if isinstance(one, ast.Assign) and _is_launchdarkly_client(one.value)
        for target in one.targets
    }
    returned = [one.value for one in parts if isinstance(one, ast.Return) and one.value is not None]
    return bool(returned) and all(_is_launchdarkly_client(one) or ast.unparse(one) in made for one in returned)


def _is_launchdarkly_client(node: ast.expr) -> bool:
    """Return whether an expression is `ldclient.get()` or `LDClient(...)`."""
    if not isinstance(node, ast.Call):
        return False
    return ast.unparse(node.func) in (
        "ldclient.get",
        "get",
        "LDClient",
        "ldclient.LDClient",
        "ldclient.client.LDClient",
    )
