"""The names of cassettes."""

import enum
import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.config import Config
from flag_harness.flag import SHIPPED_FLAGS
from flag_harness.matrix import Combination
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.run.cassette_paths import default_cassette_path
from flag_harness.plugin.run.names import MAX_NAME_LENGTH, cassette_name, find_duplicate_names, safe_file_name


class Colour(enum.Enum):
    """Values with names."""

    RED = 1
    BLUE = 2


@dataclass(frozen=True)
class Point:
    """A value whose parts tell it from others."""

    x: Any
    y: int


class Plain:
    """A value that nothing tells from others."""


def _named(value: Any, position: int = 0) -> str:
    return cassette_name([], "test_ask", {"value": value}, {"value": position})


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("haiku", "haiku"),
        ("claude-haiku-4-5", "claude-haiku-4-5"),
        (3, "3"),
        (-2.5, "-2.5"),
        (1e300, "1e+300"),
        (True, "true"),
        (None, "none"),
        ("3", "3-8d073a54"),
        ("true", "true-3218c26c"),
        ("Haiku", "haiku-34c5a571"),
        ("a b/c", "a-b-c-609b616e"),
        ("", "3ae4fec1"),
        ("ends.", "ends-23365ca0"),
        (b"x", "bytes-1d7f8e47"),
        (Colour.RED, "red-49418379"),
        (dict, "dict-a0699a88"),
        (Point(1, 2), "point-00f5f5aa"),
        ((1, "a"), "tuple-78df19ec"),
        ({"b", "a", "c"}, "set-c2f01252"),
        ({"a": [1]}, "dict-8a9da660"),
    ],
)
def test_a_value_is_shown_as_it_is_or_with_a_hash(value: Any, shown: str) -> None:
    """Whatever reads as another value, or differs from one in case alone, has a hash; so has what is no plain value."""
    assert f"test_ask[value={shown}]" == _named(value)


@pytest.mark.parametrize("value", [Plain(), lambda: 1, [Plain()], {1: Plain()}, {Plain()}, Point(Plain(), 1)])
def test_what_nothing_tells_from_others_is_named_by_its_place(value: Any) -> None:
    """Never by an address, which the next run would not have."""
    assert f"test_ask[value={type(value).__name__.lower()}-3]" == _named(value, 3)


def test_parameters_are_sorted_by_name_and_flags_come_first() -> None:
    """A matrix alone keeps its id; order in the source does not matter."""
    flags = Combination(SHIPPED_FLAGS, (1, 1, 0))
    assert "test_ask[streaming+prompt_cache]" == cassette_name([], "test_ask", {"harness_combination": flags}, {})
    parameters = {"turns": 3, "harness_combination": flags, "model": "haiku"}
    assert "test_ask[streaming+prompt_cache,model=haiku,turns=3]" == cassette_name([], "test_ask", parameters, {})


def test_classes_stand_before_the_test() -> None:
    """So that equal names in two classes are two cassettes."""
    assert "TestRefund.TestInner.test_ask" == cassette_name(["TestRefund", "TestInner"], "test_ask", {}, {})


@pytest.mark.parametrize(
    "pair", [("a", "A"), ("1", 1), ("none", None), (True, 1), (1, 1.0), ("a,b", "a-b"), ([1], (1,))]
)
def test_values_that_are_not_the_same_have_names_that_are_not_the_same(pair: tuple[Any, Any]) -> None:
    """Also where a file system ignores case."""
    one, other = map(_named, pair)
    assert one.casefold() != other.casefold()


def test_tests_that_differ_in_case_have_names_that_differ_in_more() -> None:
    """A function's name with a capital has a hash."""
    assert "test_get" == cassette_name([], "test_get", {}, {})
    assert re.fullmatch("test_GET-[0-9a-f]{8}", cassette_name([], "test_GET", {}, {}))


@pytest.mark.parametrize(
    "text", ["con", "NUL", "aux.py", "x" * (MAX_NAME_LENGTH + 1), "a:b", "ends.", "ümlaut", "a\nb"]
)
def test_a_name_that_some_file_system_refuses_has_a_hash(text: str) -> None:
    """And is short, of plain characters, and not what Windows keeps to itself."""
    name = safe_file_name(text)
    assert re.fullmatch(r"[A-Za-z0-9_.,=+\-\[\]]*-[0-9a-f]{8}", name)
    assert len(name) <= MAX_NAME_LENGTH + 9


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text(), inner),
)


@given(st.lists(VALUES, min_size=2, max_size=2, unique_by=lambda value: f"{type(value)} {value!r}"))
def test_no_two_values_have_the_same_name(values: list[Any]) -> None:
    """As a file system sees them that ignores case; and every name is legal on all."""
    names = {_named(value).casefold() for value in values}
    assert len(values) == len(names)
    assert all(re.fullmatch(r"[a-z0-9_.,=+\-\[\]]+", name) and len(name) <= MAX_NAME_LENGTH + 9 for name in names)


def test_owners_of_the_same_name_are_found() -> None:
    """Whatever the case; the first is named with each other."""
    names = [("a", "x.json"), ("b", "y.json"), ("c", "X.json"), ("a", "x.json"), ("d", "x.json")]
    assert [("a", "c", "X.json"), ("a", "d", "x.json")] == list(find_duplicate_names(names))


def test_nothing_of_a_secret_value_is_in_the_name() -> None:
    """A hash stands for it, other than that of another secret; the values beside it are readable."""
    names = [
        cassette_name([], "test_ask", {"key": key, "model": "haiku"}, {}, lambda text: text.startswith("corp-"))
        for key in ("corp-1234", "corp-1235", "plain")
    ]
    assert "test_ask[key=plain,model=haiku]" == names.pop()
    assert 2 == len(set(names))
    assert all(re.fullmatch(r"test_ask\[key=[0-9a-f]{8},model=haiku\]", name) for name in names)


@pytest.mark.parametrize("key", ["sk-ant-api03-0123456789abcdefghij", "corp-12345678"])
def test_no_path_shows_a_key_or_what_a_filter_matches(key: str, tmp_path: Path) -> None:
    """A parameter may hold one whose id hides it; the path has a hash of it."""
    config: Any = SimpleNamespace(
        rootpath=tmp_path, stash={CONFIG_KEY: Config(filters={"patterns": ("corp-[0-9]{8}",)})}
    )
    spec = SimpleNamespace(params={"key": key, "model": "haiku"}, indices={})
    node: Any = SimpleNamespace(
        config=config,
        path=tmp_path / "test_a.py",
        callspec=spec,
        name="test_ask[a]",
        stash={},
        listchain=list,
        iter_markers=lambda name: (),
    )
    path = default_cassette_path(node)
    assert re.search(r"\[key=[0-9a-f]{8},model=haiku\]$", path.stem)
    assert key not in str(path)
