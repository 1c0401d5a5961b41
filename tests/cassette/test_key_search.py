"""The search for keys takes time in proportion to the text, whatever the text is full of."""

import base64
import bz2
import re
import time

import pytest

from flag_harness.cassette.redact.body_texts import LOSSLESS_UTF8
from flag_harness.cassette.redact.encodings import contains_secret
from flag_harness.cassette.redact.encodings.compressed import find_compressed_spans
from flag_harness.cassette.redact.keys.search import find_api_keys
from flag_harness.cassette.redact.keys.shapes import KEY_SHAPES

CHARACTERS = 40_000
WORD = "A1b2C3d4E5f6G7h8"


@pytest.mark.parametrize(
    "part",
    [
        *("token=", "api_key=", "passwd=", "sk-", "sk_live_", "saml=", "sessionid=", "a:5432:b:", "abc:*:abc:abc:"),
        *("ldapa", "mongo ", "jdbc:oracle:thin:", "'a', ", "\\u006bey=\\u0041", "token=example-", "key=xxxxxxxxx-"),
        *("eyJa-", "authorization: ", "curl -u ", "htpasswd -bbbbbbbbb", "token: key: secret: ", "A" * 50 + " "),
    ],
)
def test_a_text_full_of_beginnings_of_keys_is_searched_quickly(part: str) -> None:
    """Each took from 1 to 400 CPU seconds when the patterns read on to the end of the text at each of them."""
    text = part * (CHARACTERS // len(part))
    contains_secret(f"token={WORD}", find_api_keys)  # compiles the patterns
    start = time.process_time()
    assert not contains_secret(text, find_api_keys)
    assert time.process_time() - start < 0.7


@pytest.mark.parametrize("kind", sorted(KEY_SHAPES))
def test_no_pattern_looks_for_a_character_without_end(kind: str) -> None:
    """A lookahead such as `(?=[a-z]*[0-9])` reads a long word again from each of its positions."""
    assert not re.search(r"\]\*\[(?:0-9|a-z|A-Z|A-Za-z)\]", KEY_SHAPES[kind])


def test_a_key_behind_an_example_in_the_same_word_is_found() -> None:
    """An example is recognised by its first 300 characters, and a key is returned to its end."""
    text = f"password=https://example.com/{'x' * 250}/?token={WORD}{'9' * 400}"
    (found,) = find_api_keys(text)
    assert (text.index("token="), len(text)) == found[:2]


def test_a_long_key_is_no_example_because_its_first_part_ends_in_zeros() -> None:
    """Nor because a word that marks an example comes after its first 300 characters."""
    for middle in ("0" * 8 + "1" * 200, "1" * 200 + "example"):
        text = f"token={'Ab1' * 95}z{middle}"
        (found,) = find_api_keys(text)
        assert (0, len(text)) == found[:2]


def test_a_small_bomb_of_zstd_is_decompressed_up_to_the_limit_and_searched_quickly() -> None:
    """The library makes 32 MB of a kilobyte at once. To search those took 9 CPU seconds."""
    zstandard = pytest.importorskip("zstandard")
    bomb = zstandard.compress(bytes(100 << 20))
    (span,) = find_compressed_spans(bomb.decode(*LOSSLESS_UTF8))
    assert len(span.text) == (64 << 10) + 32 * len(bomb) + 1
    assert not contains_secret(base64.b64encode(bomb).decode(), find_api_keys)


def test_many_small_bombs_are_searched_quickly() -> None:
    """Their NUL bytes were removed one by one, which took 14 CPU seconds for a file of 180 kB."""
    bombs = " ".join([base64.b64encode(bz2.compress(bytes(30 << 20))).decode()] * 1500)
    start = time.process_time()
    assert not contains_secret(bombs, find_api_keys)
    assert time.process_time() - start < 2
