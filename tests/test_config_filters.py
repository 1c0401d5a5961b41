"""`[tool.flag-harness.filters]` in a project's `pyproject.toml`."""

from pathlib import Path

import pytest

from flag_harness.config.table import parse_config
from flag_harness.errors import ConfigError


def test_filters_are_read() -> None:
    """Lists of strings, by kind."""
    table = {"headers": ["x"], "query": ["q"], "json": ["a.b"], "patterns": ["c+"]}
    expected = {"headers": ("x",), "query": ("q",), "json": ("a.b",), "patterns": ("c+",)}
    assert expected == parse_config({"filters": table}, Path("p.toml")).filters
    assert {} == parse_config({}, Path("p.toml")).filters


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("x", ' must be a table of lists: patterns = ["internal-[0-9]+"]'),
        (
            {"pattern": []},
            " has no key 'pattern'; the nearest is 'patterns' (all: headers, query, json, patterns)",
        ),
        ({"json": "a.b"}, " json = 'a.b' must be a list of strings"),
        ({"query": [1]}, " query = [1] must be a list of strings"),
        (
            {"patterns": ["a", "["]},
            " patterns: '[' is not a regular expression: unterminated character set at position 0",
        ),
    ],
)
def test_what_cannot_be_understood_is_named(table: object, message: str) -> None:
    """With the file, the key, and the pattern."""
    with pytest.raises(ConfigError) as refused:
        parse_config({"filters": table}, Path("p.toml"))
    assert f"p.toml: [tool.flag-harness.filters]{message}" == str(refused.value)


def test_headers_to_keep_are_read() -> None:
    """A list of names."""
    assert {"keep": ("x-trace",)} == parse_config({"headers": {"keep": ["x-trace"]}}, Path("p.toml")).headers


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("x", ' must be a table of lists: keep = ["x-gateway-*"]'),
        ({"kept": []}, " has no key 'kept'; the nearest is 'keep' (all: keep)"),
        (
            {"keep": ["Set-Cookie"]},
            " keep: 'Set-Cookie' carries a credential and is never kept; remove it from the list",
        ),
    ],
)
def test_a_wrong_list_of_headers_is_an_error_that_says_what_to_write(table: object, message: str) -> None:
    """With the file and the key."""
    with pytest.raises(ConfigError) as refused:
        parse_config({"headers": table}, Path("p.toml"))
    assert f"p.toml: [tool.flag-harness.headers]{message}" == str(refused.value)
