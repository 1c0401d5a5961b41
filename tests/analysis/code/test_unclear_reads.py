"""Reads of flags whose names are made when the code runs."""

import ast

import pytest

from flag_harness.analysis.code.python_flags import find_flag_reading_functions
from flag_harness.analysis.code.unclear_reads import find_dynamic_flag_reads

HELPERS = """
def is_on(name):
    return os.getenv(name) == "1"

def serve(key):
    return client.get_boolean_value(key, False)
"""
SET = 'name = { set = "harness_set_flags" }'


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("os.environ['BOT_' + name]", ['name = "BOT_NAME"']),
        ("os.getenv(f'BOT_{name.upper()}_{kind}_ON')", ['name = "BOT_NAME_NAME_ON"']),
        ("os.getenv(('bot_' + name).upper(), 'true')", ['name = "BOT_NAME"']),
        ("os.getenv('BOT_%s' % name)", ['name = "BOT_NAME"']),
        ("os.getenv('BOT_{}'.format(name))", ['name = "BOT_NAME"']),
        ("os.getenv('BOT_' + name.strip())", ['name = "BOT_NAME"']),
        ("os.getenv(prefix + name)", ['name = "NAME"']),
        ("is_on(name)", ['name = "NAME"']),
        ("serve('new-' + name)", ['name = { openfeature = "new-NAME" }']),
        ("client.get_boolean_value(key, False)", ['name = { openfeature = "NAME" }']),
        ("client.variation(key, context, False)", [SET]),
        ("getattr(get_settings(), name, False)", [SET]),
        ("class Settings:\n    def is_on(self, name):\n        return getattr(self, name)", [SET]),
        ("class Tool:\n    def value(self, name):\n        return getattr(self, name)", []),
        ("getattr(message, name)", []),
        ("os.environ[name] = 'true'", []),
        ("os.getenv(*names)", []),
        ("os.getenv(name + '_API_KEY')", []),
        ("os.getenv('BOT_' + name, 'haiku')", []),
        ("os.getenv('BOT_FAST') or is_on('BOT_FAST')", []),
        (HELPERS, []),
    ],
)
def test_the_line_to_add_has_what_is_known_of_the_name(code: str, expected: list[str]) -> None:
    """A key, an address, a default that is no switch, and the parameter of a helper are not listed."""
    helpers = find_flag_reading_functions(ast.parse(HELPERS))
    assert expected == [read.toml_line for read in find_dynamic_flag_reads(ast.parse(code), "agent.py", helpers)]


def test_a_long_expression_is_shortened() -> None:
    """The place says where the rest is."""
    (read,) = find_dynamic_flag_reads(ast.parse(f"\nos.getenv({' + '.join(['part'] * 50)})"), "agent.py", {})
    assert "agent.py:2" == read.location
    assert read.code.startswith("os.getenv(part + part")
    assert read.code.endswith("...")
