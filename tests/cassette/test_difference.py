"""Where two JSON values differ."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.cassette.match.difference import ABSENT, Difference, PathSteps, find_differences, format_json_path
from flag_harness.cassette.match.excerpts import find_changed_words, make_excerpts

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | st.text("ab", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=2), inner, max_size=3)
    ),
)


@given(JSON)
def test_equal_values_do_not_differ(value: Any) -> None:
    """However deep."""
    assert [] == list(find_differences(value, copy.deepcopy(value)))


@given(JSON, JSON)
def test_each_difference_is_what_stands_at_its_path(recorded: Any, sent: Any) -> None:
    """Following the steps in each value leads to what the difference shows, and each place is named once."""
    found = list(find_differences(recorded, sent))
    assert len(found) == len({(difference.recorded_steps, difference.sent_steps) for difference in found})
    for difference in found:
        if difference.recorded_value is not ABSENT:
            assert _repr(difference.recorded_value) == _repr(_followed(recorded, difference.recorded_steps))
            assert format_json_path(difference.recorded_steps) == difference.path
        if difference.sent_value is not ABSENT:
            assert _repr(difference.sent_value) == _repr(_followed(sent, difference.sent_steps))
        assert _repr(difference.recorded_value) != _repr(difference.sent_value)
    assert bool(found) == (repr(_sorted(recorded)) != repr(_sorted(sent)))


def _followed(value: Any, steps: PathSteps) -> Any:
    for step in steps:
        value = value[step]
    return value


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value + 0.0 if _is_float(value) else value


def _repr(value: Any) -> str:
    return repr(_sorted(value))


def _is_float(value: Any) -> bool:
    return isinstance(value, float)


@pytest.mark.parametrize(
    ("recorded", "sent", "shown"),
    [
        ({"max_tokens": 4096}, {"max_tokens": 16384}, "max_tokens: recorded 4096, sent 16384"),
        ({"stream": True}, {}, "stream: recorded True, sent nothing"),
        ({}, {"a": {"b": [1]}}, "a: recorded nothing, sent {'b': [1]}"),
        ({"n": 1}, {"n": True}, "n: recorded 1, sent True"),
        ({"m": [{"c": "old word"}]}, {"m": [{"c": "new word"}]}, "m[0].c: recorded 'old word', sent 'new word'"),
        ([1], [1, 2], "[1]: recorded nothing, sent 2"),
        (b"x", {"a": 1}, "body: recorded b'x', sent {'a': 1}"),
        (
            "x" * 100 + "old" + "y" * 100,
            "x" * 100 + "new" + "y" * 100,
            f"body: 1 word, recorded …'{'x' * 24}old{'y' * 53}'…, sent …'{'x' * 24}new{'y' * 53}'…",
        ),
        ("abc", "abcdef", "body: recorded 'abc', sent 'abcdef'"),
        (list(range(9)), "z" * 99, f"body: recorded {list(range(9))}, sent '{'z' * 78}…"),
    ],
)
def test_a_difference_reads_as_one_line(recorded: Any, sent: Any, shown: str) -> None:
    """Long values are shortened around the first change."""
    assert [shown] == [str(difference) for difference in find_differences(recorded, sent)]


def test_differences_come_in_the_order_of_the_recorded_value() -> None:
    """What was only sent comes last."""
    found = find_differences({"b": 1, "a": [1, 2]}, {"c": 0, "a": [1, 3, 4], "b": 2})
    assert [
        Difference("b", 1, 2),
        Difference("a[1]", 2, 3),
        Difference("a[2]", ABSENT, 4),
        Difference("c", ABSENT, 0),
    ] == list(found)


@pytest.mark.parametrize(
    ("recorded", "sent", "shown"),
    [
        (["a", "b", "c"], ["a", "x", "b", "c"], ["[1]: recorded nothing, sent 'x'"]),
        (["a", "b", "c"], ["b", "c"], ["[0]: recorded 'a', sent nothing"]),
        (["a", "b", "c"], ["b", "c", "d"], ["[0]: recorded 'a', sent nothing", "[2]: recorded nothing, sent 'd'"]),
        (
            {"m": [{"r": 1, "t": "old"}, {"r": 2, "t": "last"}]},
            {"m": [{"x": 0}, {"r": 1, "t": "new"}, {"r": 2, "t": "last"}]},
            ["m[0]: recorded nothing, sent {'x': 0}", "m[0].t: recorded 'old', sent 'new'"],
        ),
        (
            {"m": [{"x": 0}, {"r": 1, "t": "old"}, {"r": 2}]},
            {"m": [{"r": 1, "t": "new"}, {"r": 2}]},
            ["m[0]: recorded {'x': 0}, sent nothing", "m[1].t: recorded 'old', sent 'new'"],
        ),
        (
            {"m": [{"r": 1, "t": "old"}, {"x": 0}, {"r": 2}]},
            {"m": [{"r": 1, "t": "new"}, {"r": 2}]},
            ["m[0].t: recorded 'old', sent 'new'", "m[1]: recorded {'x': 0}, sent nothing"],
        ),
    ],
)
def test_lists_are_aligned(recorded: Any, sent: Any, shown: list[str]) -> None:
    """A member more, or less, is one difference; what changed beside it is paired with what it was."""
    assert shown == [str(difference) for difference in find_differences(recorded, sent)]


def test_very_long_lists_are_compared_place_by_place() -> None:
    """Between what they share at both ends."""
    recorded, sent = list(range(1000)), [-n for n in range(1000)]
    assert 999 == len(list(find_differences(recorded, sent)))


def test_what_counts_as_equal_does_not_differ() -> None:
    """Though it is not the same."""
    found = find_differences({"a": "x1", "b": "x2"}, {"a": "y1", "b": "z3"}, lambda one, other: one[1:] == other[1:])
    assert [Difference("b", "x2", "z3")] == list(found)


@pytest.mark.parametrize(
    ("recorded", "sent", "shown"),
    [
        ("a careful assistant here", "a helper here", "2 words"),
        ("one two three four five", "one 2 three 4 five", "2 words"),
        ("one two", "one", "1 word"),
        ("one  two", "one two", "white space"),
    ],
)
def test_words_are_counted(recorded: str, sent: str, shown: str) -> None:
    """Those that only one of the texts has, on the side that has more."""
    assert shown == str(find_changed_words(recorded, sent))


def test_of_very_long_texts_only_what_differs_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the words at both ends that they share; if that is long too, the number of words is a lower bound."""
    monkeypatch.setattr("flag_harness.cassette.match.excerpts._MAX_COMPARED_TEXT", 20)
    same = "the same words "
    assert find_changed_words(f"{same}a beta{same}", f"{same}a betting{same}") == (("betathe",), ("bettingthe",), False)
    assert "white space" == str(find_changed_words(same * 2, same + " " + same))
    assert "more than 9 words" == str(find_changed_words("a " * 50, "five six seven eight" + " b" * 50))
    assert "more than 1 words" == str(find_changed_words("a" * 50, "b" * 50))


def test_excerpts_of_long_texts_begin_where_these_differ() -> None:
    """Dots stand for what is left out at either end."""
    same = "word " * 5_000
    assert ("…'ord word word word word word'", "…'ord word word word word one more'") == make_excerpts(
        same[:-1], same[:-5] + "one more"
    )
    recorded, sent = make_excerpts("a" + same * 4, "b" + same * 4)
    assert ("'aword", "'…", "'bword", "'…") == (recorded[:6], recorded[-2:], sent[:6], sent[-2:])


def test_a_key_that_is_no_name_stands_in_brackets() -> None:
    """Its path can be read back."""
    assert "a['b c'][0].d" == format_json_path(("a", "b c", 0, "d"))
    assert "['']" == format_json_path(("",))


def test_no_key_is_shown_however_it_is_cut() -> None:
    """Two keys that begin alike would lose their beginning, by which they are known."""
    keys = ["sk-ant-api03-" + "Ab3" * 20 + end * 10 for end in "pq"]
    assert "a: 1 word, recorded 'REDACTED', sent 'REDACTED'" == str(Difference("a", *keys))
    assert "a: recorded nothing, sent {'k': 'REDACTED'}" == str(Difference("a", ABSENT, {"k": keys[0]}))


@pytest.mark.parametrize(
    ("value", "other"),
    [
        ([0] * 20_000, [1] * 20_000),
        ({f"k{number}": 0 for number in range(60_000)}, {f"k{number}": 1 for number in range(60_000)}),
        ([[0] * 5_000] * 30, [[1] * 5_000] * 30),
        ({f"k{number}": 0 for number in range(60_000)}, {f"j{number}": 0 for number in range(60_000)}),
    ],
    ids=["a long list", "many members", "lists in a list", "other names"],
)
def test_values_that_differ_in_very_many_places_are_one_difference(value: Any, other: Any) -> None:
    """So that a small file needs neither much memory nor much time."""
    recorded, sent = {"model": "m", "x": value, "y": 1}, {"model": "m", "x": other}
    assert ["x", "y"] == [difference.path for difference in find_differences(recorded, sent)]


def test_a_very_large_value_that_is_equal_does_not_differ() -> None:
    """Its members are not compared one by one."""
    value = {"x": [list(range(9_000)) for _ in range(30)]}
    assert [] == list(find_differences(value, copy.deepcopy(value)))
    assert ["y"] == [difference.path for difference in find_differences(value, value | {"y": 1})]


def test_objects_with_very_many_members_differ_as_a_whole() -> None:
    """The path is empty, as for values of two types."""
    one, other = ({name + str(number): 0 for number in range(60_000)} for name in "ab")
    assert [""] == [difference.path for difference in find_differences(one, other)]
