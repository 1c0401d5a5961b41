"""The fixture that sets the LaunchDarkly flags of a repository, and the functions that it replaces."""

import ast
from collections.abc import Iterator, Mapping, Sequence

from flag_harness.analysis.code.detected_flag import DetectedFlag
from flag_harness.analysis.code.python_flags import function_name
from flag_harness.cli.init.arguments import client_of_api_call

_MAKERS = frozenset({"set_config", "LDClient"})
"""The functions that make a client, or have it made."""

_FIXTURE_IMPORTS = """
import ldclient
{pytest}from ldclient.config import Config
from ldclient.integrations.test_data import TestData
"""
_FIXTURE = """
KEYS = {{{keys}}}


@pytest.fixture
def harness_set_flags({parameter}):
    data = TestData.data_source()
    ldclient.set_config(Config("none", update_processor_class=data, send_events=False)){replacements}

    def set_flags(combination):
        for name, key in KEYS.items():
            data.update(data.flag(key).value_for_all(combination.values[name]))

    yield set_flags
    ldclient.set_config(Config("none", offline=True))  # other tests get the defaults that the code names"""


def launchdarkly_lines(flags: Sequence[DetectedFlag], client_functions: Sequence[str]) -> list[str]:
    """Return the lines of a test module that set flags through the SDK's test data; none if there are no flags.

    The fixture replaces the `client_functions`, as they would make a client without the test data.
    """
    return (_FIXTURE_IMPORTS.format(pytest="") + _fixture_code(flags, client_functions)).splitlines() if flags else []


def launchdarkly_conftest_text(flags: Sequence[DetectedFlag], client_functions: Sequence[str]) -> str:
    """Return the text of a conftest.py that sets flags through the SDK's test data, without the service."""
    docstring = '"""Sets the flags of LaunchDarkly in the tests of this folder."""\n'
    return docstring + _FIXTURE_IMPORTS.format(pytest="import pytest\n") + _fixture_code(flags, client_functions) + "\n"


def _fixture_code(flags: Sequence[DetectedFlag], client_functions: Sequence[str]) -> str:
    replacements = "".join(f'\n    monkeypatch.setattr("{name}", ldclient.get)' for name in client_functions)
    return _FIXTURE.format(
        keys=", ".join(f'"{flag.name}": "{flag.key}"' for flag in flags),
        parameter="monkeypatch" if client_functions else "",
        replacements=replacements,
    )


def find_client_functions(trees: Mapping[str, ast.Module]) -> Iterator[tuple[str, str]]:
    """Yield the path of a module and the name in it, for each function that makes and returns a client.

    A function that a module imports is yielded for that module too: there, a test has to replace it as well.
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
    """Return whether a function without parameters makes a client, and returns that and nothing else."""
    if node.args.args or node.args.kwonlyargs:
        return False
    parts = list(ast.walk(node))
    if not any(function_name(one) in _MAKERS for one in parts) or any(client_of_api_call(one) for one in parts):
        return False
    made = {
        ast.unparse(target)
        for one in parts
        if isinstance(one, ast.Assign) and _is_client(one.value)
        for target in one.targets
    }
    returned = [one.value for one in parts if isinstance(one, ast.Return) and one.value is not None]
    return bool(returned) and all(_is_client(one) or ast.unparse(one) in made for one in returned)


def _is_client(node: ast.expr) -> bool:
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
