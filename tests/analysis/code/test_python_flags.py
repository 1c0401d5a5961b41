"""Flags that are read by helpers of the project, in the same module or in another."""

import ast

import pytest

from flag_harness.analysis.code.detected_flag import DetectedFlag
from flag_harness.analysis.code.python_flags import find_flag_reading_functions, find_flags

HELPERS = """
import os

def is_on(name):
    return os.getenv(name, "0") == "1"

def switch(name):
    value = os.environ[name].lower()
    return value in ("yes", "no")

class Flags:
    def is_off(self, name):
        return os.environ.get(name) != "1"

    def has(self, key, user, default=True):
        return self.client.variation(key, user, default)

def beta(key):
    return api.get_client().get_boolean_value(key, False)

def is_on_for(key, default):
    return client.variation(key, user, default)

def get(name):
    return os.environ.get(name)

def unrelated(name):
    return print(name) or ldclient.get().variation(name, None, "a text")

def without_parameters():
    return os.environ["DIRECT_FLAG"] == "1"
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("if is_on('DESK_TOOLS'): pass", [("env", "DESK_TOOLS", "1", False)]),
        ("x = helpers.is_on('DESK_TOOLS')", [("env", "DESK_TOOLS", "1", False)]),
        ("x = switch('PLANNER')", [("env", "PLANNER", "yes", False)]),
        ("x = flags.is_off('PLANNER')", [("env", "PLANNER", "true", True)]),
        ("x = flags.has('new-planner', user)", [("set", "new-planner", "true", True)]),
        ("x = flags.has('new-planner', user, False)", [("set", "new-planner", "true", False)]),
        ("x = beta('new-planner')", [("openfeature", "new-planner", "true", False)]),
        ("x = is_on_for('new-planner', True)", [("set", "new-planner", "true", True)]),
        ("x = client.variation('new-planner', user, default=True)", [("set", "new-planner", "true", True)]),
        ("x = beta(key)", []),
        ("x = {}.get('ENABLE_PLANNER')", []),
        ("x = unrelated('ENABLE_PLANNER')", []),
    ],
)
def test_a_helper_of_another_module_reads_the_flag_that_is_named(
    code: str, expected: list[tuple[str, str, str, bool]]
) -> None:
    """With the text that the helper compares the variable with, and the default of the flag service's call."""
    found: list[DetectedFlag] = [
        *find_flags(ast.parse(code), "agent.py", find_flag_reading_functions(ast.parse(HELPERS)))
    ]
    assert expected == [(one.source_kind, one.key, one.on, one.is_on_by_default) for one in found]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("x = os.getenv('PLANNER') == 'on'", [("PLANNER", "on", None, False)]),
        ("x = os.getenv('PLANNER', 'true') != 'false'", [("PLANNER", "true", "false", True)]),
        ("x = os.getenv('PLANNER', '1') not in ('0', 'off')", [("PLANNER", "true", "0", True)]),
        ("if os.getenv('PLANNER'): pass", [("PLANNER", "true", None, False)]),
        ("x = os.getenv('ENABLE_PLANNER')", [("ENABLE_PLANNER", "true", None, False)]),
        ("x = os.getenv('PLANNER_MODE')", []),
        ("x = client.variation('limit', user, 3)", []),
    ],
)
def test_a_variable_that_is_read_as_a_switch_is_a_flag(
    code: str, expected: list[tuple[str, str, str | None, bool]]
) -> None:
    """With the texts that the code compares. A variable of another kind, or a number of a service, is none."""
    assert expected == [
        (one.key, one.on, one.off, one.is_on_by_default) for one in find_flags(ast.parse(code), "agent.py")
    ]
