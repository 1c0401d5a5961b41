"""Indented JSON for people."""

import json

from hypothesis import given
from hypothesis import strategies as st

from flag_harness.cassette.file.layout import format_json

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    SCALARS | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


@given(VALUES)
def test_any_json_reads_back_as_it_was(value: object) -> None:
    """Key order included, judged by another library's reader."""
    again = json.loads(format_json(value))
    assert value == again
    assert json.dumps(value) == json.dumps(again)


def test_a_list_of_plain_values_stands_on_one_line_and_all_else_on_lines_of_its_own() -> None:
    """Empty values are plain; characters stand as themselves."""
    value = {"b": [1, "é", None, [], {}], "a": [[0.5, "x"], {}], "empty": {}, "deep": {"key": {"k\n": True}}}
    assert """{
  "b": [1, "é", null, [], {}],
  "a": [
    [0.5, "x"],
    {}
  ],
  "empty": {},
  "deep": {
    "key": {
      "k\\n": true
    }
  }
}""" == format_json(value)


@given(st.lists(st.text(), min_size=1), st.data())
def test_one_changed_value_is_one_changed_line(words: list[str], data: st.DataObject) -> None:
    """Whatever the words are."""
    place = data.draw(st.integers(0, len(words) - 1))
    other = [*words[:place], words[place] + "!", *words[place + 1 :]]
    old, new = (format_json([{"text": word} for word in texts]).split("\n") for texts in (words, other))
    assert 1 == sum(one != two for one, two in zip(old, new, strict=True))
