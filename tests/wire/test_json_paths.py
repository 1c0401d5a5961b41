"""JSON paths: what they name, as steps, as a pattern and in a value."""

from typing import Any

import pytest

from flag_harness.wire.json_paths import (
    PathWildcard,
    join_json_paths,
    json_path_pattern,
    parse_json_path,
    replace_at_json_path,
)


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("metadata.user_id", ("metadata", "user_id")),
        ("messages[12].content", ("messages", 12, "content")),
        ("messages[*]", ("messages", PathWildcard.ELEMENT)),
        ("*.id", (PathWildcard.MEMBER, "id")),
        ("**.created_at", (PathWildcard.ANY_DEPTH, "created_at")),
        ("[0][1]", (0, 1)),
    ],
)
def test_a_path_is_parsed_into_steps(path: str, steps: tuple[object, ...]) -> None:
    """Names are separated by dots, indices stand in brackets."""
    assert steps == parse_json_path(path)


@pytest.mark.parametrize("path", ["", ".", "a..b", "a.", "a[b]", "a[0]b", ".a", "a.[0]", "***"])
def test_what_is_not_a_path_is_refused_with_examples(path: str) -> None:
    """The message shows how to write one."""
    with pytest.raises(ValueError, match=r"is not a JSON path; separate names by dots .* 'messages\[\*\]\.content'"):
        parse_json_path(path)


@pytest.mark.parametrize(
    ("path", "matching", "others"),
    [
        ("a.b", ["a.b", "a.b.c", "a.b[0]"], ["a", "a.bc", "x.a.b"]),
        ("a[*]", ["a[0]", "a[10].b"], ["a", "a.b"]),
        ("a.*", ["a.b", "a.b.c"], ["a", "a[0]"]),
        ("**.id", ["id", "a.id", "a[0].id.x"], ["a.ids", "kid"]),
        ("a[1]", ["a[1]", "a[1].b"], ["a[10]", "a[0]"]),
    ],
)
def test_a_pattern_matches_the_values_named_and_all_below_them(
    path: str, matching: list[str], others: list[str]
) -> None:
    """A name is matched whole, never its beginning only."""
    pattern = json_path_pattern(path)
    assert matching == [one for one in [*matching, *others] if pattern.match(one)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", {"a": "X", "b": {"id": 3}}),
        ("a[0].id", {"a": [{"id": "X"}, 2], "b": {"id": 3}}),
        ("a[*]", {"a": ["X", "X"], "b": {"id": 3}}),
        ("**.id", {"a": [{"id": "X"}, 2], "b": {"id": "X"}}),
        ("*", {"a": "X", "b": "X"}),
        ("c.d", {"a": [{"id": 1}, 2], "b": {"id": 3}}),
    ],
)
def test_all_values_that_a_path_names_are_replaced(path: str, expected: Any) -> None:
    """The rest of the document stays as it is."""
    document = {"a": [{"id": 1}, 2], "b": {"id": 3}}
    assert expected == replace_at_json_path(document, parse_json_path(path), "X")
    assert {"a": [{"id": 1}, 2], "b": {"id": 3}} == document


def test_paths_are_joined_by_a_dot_unless_an_index_follows() -> None:
    """An empty path is that of the whole document."""
    joined = [join_json_paths(*pair) for pair in (("a", "b"), ("a", "[0]"), ("", "b"), ("a", ""))]
    assert ["a.b", "a[0]", "b", "a"] == joined
