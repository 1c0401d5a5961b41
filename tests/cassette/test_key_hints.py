"""Hints of where a key may be: they make the search quick and leave out no key."""

import json
import re

from hypothesis import example, given
from hypothesis import strategies as st

from flag_harness.cassette.redact.body_strings import body_strings
from flag_harness.cassette.redact.keys.hints import find_letter_runs, make_letter_table
from flag_harness.cassette.redact.keys.search import find_api_keys
from flag_harness.cassette.redact.keys.shapes import KEY_SHAPES
from flag_harness.wire.sse import encode_event
from tests.cassette.test_key_shapes import EXAMPLES

WORDS = [
    "the",
    "token:",
    "password:",
    "basic",
    "key =",
    "{",
    '"a": "',
    "é",
    "漢字",
    "\n",
    "\\n",
    "\x1b[1;31m",
    "https://example.org/a?b=",
    "12",
]


@given(
    st.sampled_from(sorted(EXAMPLES)), st.lists(st.sampled_from(WORDS)), st.lists(st.sampled_from(WORDS)), st.booleans()
)
def test_every_key_is_found_whatever_stands_around_it(
    provider: str, before: list[str], after: list[str], is_spaced: bool
) -> None:
    """Words, other languages, escapes and colours, with and without a space."""
    space = " " if is_spaced or not (before and before[-1] in ("\\n", "\x1b[1;31m", "{", "漢字")) else ""
    key = EXAMPLES[provider]
    text = " ".join(before) + space + key + " " + " ".join(after)
    start = len(" ".join(before) + space)
    assert any(first < start + len(key) and stop > start for first, stop, _ in find_api_keys(text))


@given(st.text("abcxyz09_-+/= \n.é漢", max_size=200), st.integers(min_value=1, max_value=30))
@example("a" * 30, 30)
def test_runs_of_letters_are_those_that_a_pattern_finds(text: str, shortest: int) -> None:
    """Also at both ends, and after characters that are not ASCII."""
    found = list(find_letter_runs(text, make_letter_table("abcxyz09_-"), shortest))
    assert [match.span() for match in re.finditer(rf"[abcxyz09_-]{{{shortest},}}", text)] == found


@given(st.lists(st.text(min_size=1), min_size=1))
def test_the_deltas_of_a_stream_are_one_string(parts: list[str]) -> None:
    """A key may be split over them anywhere."""
    events = [
        json.dumps({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": part}})
        for part in parts
    ]
    document = b"".join(encode_event("content_block_delta", event) for event in events).decode()
    assert "".join(parts) in body_strings(document.encode())


def test_prose_is_not_read_by_the_slow_patterns() -> None:
    """No name with a value, and no word that is as long as a key."""
    assert [] == list(find_api_keys("The token and the key of a password are words, says the basic manual. " * 100))
    assert len(KEY_SHAPES) > 90
