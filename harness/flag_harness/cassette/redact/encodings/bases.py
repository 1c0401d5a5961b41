"""Find parts of a text that are base32, base85 or ascii85, and decode them."""

import base64
import re
import string
from collections.abc import Iterable, Iterator
from contextlib import suppress

from flag_harness.cassette.redact.body_texts import LOSSLESS_UTF8
from flag_harness.cassette.redact.encodings.compressed import EncodedSpan
from flag_harness.cassette.redact.keys.hints import find_letter_runs, make_letter_table

_BASE32_LETTERS = string.ascii_uppercase + "234567"
_BASE32_TABLE = make_letter_table(_BASE32_LETTERS)
_MIN_BASE32_LENGTH = 26
"""The shortest base32 in characters that is decoded: the length of 16 encoded bytes."""
_BASE32_PATTERN = re.compile(r"(?:(?:[A-Z2-7]{40,}+\r?\n)++[A-Z2-7]*+|[A-Z2-7]{26,}+)={0,6}")


def patterns_of_letters_without_bit(letters: str, bits: Iterable[int]) -> Iterator[str]:
    """Yield, for each bit in `bits`, a pattern of those letters of an encoding's alphabet whose value has this bit 0.

    ASCII bytes have the first bit 0, so such letters stand in certain positions if ASCII text was encoded.
    """
    for bit in bits:
        yield f"[{''.join(letter for value, letter in enumerate(letters) if not value & bit)}]"


_BASE32_OF_ASCII_PATTERN = re.compile(
    "{}{}.{}{}.{}.".format(*patterns_of_letters_without_bit(_BASE32_LETTERS, (16, 2, 8, 1, 4)))
)
"""Matches the beginning of base32 of ASCII text.

It is recognised by the first bit of each byte, which is 0 in ASCII.
"""

_MIN_BASE85_LENGTH_TO_REDACT, _MIN_BASE85_LENGTH_TO_SEARCH = 20, 40
"""The shortest base85 in characters that is decoded: when filters are applied, and when keys are searched (which is
slow).
"""
_MAX_BASE85_LENGTH = 8192
"""The longest word in characters that is decoded as base85. A longer word is something else, such as minified code."""
_BASE85_ONLY_CHARACTER_PATTERN = re.compile(r"[^A-Za-z0-9+/=_.-]")
"""Matches a character that occurs in base85, but not in base64 or names."""

_ASCII85_PATTERN = re.compile(r"<~([!-uz\s]{20,8192})~>")
"""Matches Adobe's variant of base85, as in PDF files."""

_BASE85_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase + "!#$%&()*+-;<=>?@^_`{|}~"
"""The alphabet of RFC 1924, which Python's `b85encode` and git use."""
_BASE85_TABLE = make_letter_table(_BASE85_LETTERS)
_FIRST_BASE85_LETTERS_OF_ASCII = _BASE85_LETTERS[: 2**31 // 85**4 + 1]
"""The letters with which base85 of ASCII text can begin, because the first bit of an ASCII byte is 0."""


def base32_spans(text: str) -> Iterator[EncodedSpan]:
    """Yield the parts of a text that are base32 of ASCII text, decoded."""
    last = 0
    for start, _ in find_letter_runs(text, _BASE32_TABLE, _MIN_BASE32_LENGTH):
        if start >= last and (match := _BASE32_PATTERN.match(text, start)):
            last = match.end()
            letters = re.sub(r"[\r\n=]", "", match[0])
            if _BASE32_OF_ASCII_PATTERN.match(letters):
                letters = letters[: len(letters) - (len(letters) % 8 in (1, 3, 6))]  # no base32 has such a length
                data = base64.b32decode(letters + "=" * (-len(letters) % 8))
                yield EncodedSpan(start, last, data.decode(*LOSSLESS_UTF8), _encode_base32)


def _encode_base32(text: str) -> str:
    return base64.b32encode(text.encode(*LOSSLESS_UTF8)).decode("ascii")


def base85_spans(text: str, is_search: bool) -> Iterator[EncodedSpan]:
    """Yield the words of a text that are base85 of ASCII text, decoded.

    With `is_search`, short words are skipped, because the text is only searched for keys.
    """
    for start, stop in find_letter_runs(
        text, _BASE85_TABLE, _MIN_BASE85_LENGTH_TO_SEARCH if is_search else _MIN_BASE85_LENGTH_TO_REDACT
    ):
        if stop - start > _MAX_BASE85_LENGTH:
            continue
        for first in range(start, start + 5):  # up to four characters may precede it
            # to save time, see whether it can be ASCII text before decoding it
            if not text[first : stop - 5 : 5].strip(_FIRST_BASE85_LETTERS_OF_ASCII):
                yield from _base85_spans_of_word(text[first:stop], first)


def _base85_spans_of_word(word: str, start: int) -> Iterator[EncodedSpan]:
    """Yield a word decoded as base85, if that is possible. `start` is its position in the text.

    Up to five characters at the end of the word, such as punctuation, may be left out.
    """
    for stop in range(len(word), len(word) - 6, -1) if _BASE85_ONLY_CHARACTER_PATTERN.search(word) else ():
        with suppress(ValueError):
            text = base64.b85decode(word[:stop]).decode(*LOSSLESS_UTF8)
            yield EncodedSpan(start, start + len(word), text, _encode_base85)
            return


def _encode_base85(text: str) -> str:
    return base64.b85encode(text.encode(*LOSSLESS_UTF8)).decode("ascii")


def ascii85_spans(text: str) -> Iterator[EncodedSpan]:
    """Yield the parts of a text that are ascii85 between `<~` and `~>`, decoded."""
    for match in _ASCII85_PATTERN.finditer(text) if "<~" in text else ():
        with suppress(ValueError):
            decoded = base64.a85decode(match[1]).decode(*LOSSLESS_UTF8)
            yield EncodedSpan(*match.span(), decoded, _encode_ascii85)


def _encode_ascii85(text: str) -> str:
    return base64.a85encode(text.encode(*LOSSLESS_UTF8), adobe=True).decode("ascii")
