"""Find the parts of a text that are encoded or compressed data, and decode them."""

import binascii
import re
import string
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache, partial

from flag_harness.cassette.redact.body_texts import LOSSLESS_UTF8
from flag_harness.cassette.redact.encodings.bases import (
    ascii85_spans,
    base32_spans,
    base85_spans,
    patterns_of_letters_without_bit,
)
from flag_harness.cassette.redact.encodings.compressed import EncodedSpan, find_compressed_spans
from flag_harness.cassette.redact.encodings.dumps import (
    binary_digit_spans,
    character_dump_spans,
    character_list_spans,
    decimal_spans,
    hex_dump_spans,
    joined_list_spans,
)
from flag_harness.cassette.redact.keys.hints import find_letter_runs, make_letter_table

MIN_BASE64_LENGTH_TO_REDACT, MIN_BASE64_LENGTH_TO_SEARCH = 12, 24
"""The shortest base64 in characters that is decoded: when filters are applied, and when keys are searched."""
_BASE64_LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
_BASE64_SEPARATOR_PATTERN = re.compile(r"[\s=>#*|]+")
_BASE64_TABLE = make_letter_table(_BASE64_LETTERS + "-_")
_BASE64_OF_THREE_ASCII_BYTES = "".join(patterns_of_letters_without_bit(_BASE64_LETTERS, (32, 8, 2)))
"""A pattern for the first three letters of base64 of ASCII text, in which the first bit of every byte is 0."""
_BASE64_OF_ASCII_PATTERN = re.compile(rf"(?:{_BASE64_OF_THREE_ASCII_BYTES}.){{4}}|H4sI|\+LC|fiw[g-j]")
"""Matches base64 of twelve ASCII bytes, or of the first bytes of gzip, which may begin at any of three positions."""

_BASE64_OF_COMPRESSED_DATA_PATTERN = re.compile("e(?:J[w-z]|N[o-r]|A[E-H]|F[4-7])|KLUv/|QlpoO|/Td6WFoA|UEsDB")
"""Matches the beginning of base64 of zlib, zstd, bzip2, xz or zip data."""
_HEX_PATTERN = re.compile("[0-9A-Fa-f]{24,}")
_HEX_OF_ASCII_PATTERN = re.compile(r"(?:[2-7][0-9A-Fa-f]){12}|1[fF]8[bB]08|425[aA]683|[fF][dD]377[aA]585[aA]")
"""Matches hexadecimal digits of twelve printable characters, or of the first bytes of gzip, bzip2 or xz."""
_SPACED_HEX_PATTERN = re.compile(r"(?:0[xX])?[2-7][0-9A-Fa-f](?:[ :,-]{1,2}(?:0[xX])?[0-9A-Fa-f]{2}){11,}+")
_SPACED_HEX_TABLE = make_letter_table(string.hexdigits + "xX :,-")
_MIN_SPACED_HEX_LENGTH = 35
_LINE_END_PATTERN, _NO_HEX_PATTERN = re.compile(r"[\s>#*|]+"), re.compile("[^0-9A-Fa-f]")
_MIN_LONG_TEXT_LENGTH = 4096
_MAX_NON_ASCII_BYTES = 12
_HEX_PAIR_PATTERN = re.compile("[0-9A-Fa-f]{2}")


@lru_cache(maxsize=4)
def _base64_pattern(shortest: int) -> re.Pattern[str]:
    """Return a pattern that matches base64 of at least `shortest` characters, even if it is split into lines."""
    letters = "[A-Za-z0-9+/_-]"
    line_end = r"\r?\n[ \t>#*|]{0,12}"
    lines = rf"(?:{letters}{{40,}}+{line_end}(?!--))++{letters}*+"
    return re.compile(rf"(?:{lines}|{letters}{{{shortest},}}+)={{0,2}}")


def find_encoded_spans(text: str, shortest: int, is_search: bool = False) -> Iterator[EncodedSpan]:
    """Yield the parts of a text that are encoded (as in base64) or compressed, decoded.

    `shortest` is the least length of base64 in characters. With `is_search`, base64 that contains neither a word nor
    compressed data is skipped.
    """
    yield from find_compressed_spans(text)
    pattern, last = _base64_pattern(shortest), 0
    for start, _ in find_letter_runs(text, _BASE64_TABLE, shortest):
        if start >= last and (match := pattern.match(text, start)):
            last = match.end()
            yield from _hex_spans(match)
            yield from _base64_spans(match, is_search)
    for start, stop in find_letter_runs(text, _SPACED_HEX_TABLE, _MIN_SPACED_HEX_LENGTH):
        yield from map(_hex_span_with_separators, _SPACED_HEX_PATTERN.finditer(text, start, stop))
    yield from base32_spans(text)
    yield from base85_spans(text, is_search)
    yield from ascii85_spans(text)
    yield from hex_dump_spans(text)
    yield from character_dump_spans(text)
    yield from decimal_spans(text)
    yield from binary_digit_spans(text)
    yield from joined_list_spans(text)
    yield from character_list_spans(text)


def _hex_spans(match: re.Match[str]) -> Iterator[EncodedSpan]:
    """Yield the hexadecimal digits in a match, decoded twice: from the first digit on, and from the second digit on."""
    packed = match[0]
    # to save time, a long text must begin with them
    if (_HEX_OF_ASCII_PATTERN.search if len(packed) <= _MIN_LONG_TEXT_LENGTH else _HEX_OF_ASCII_PATTERN.match)(
        packed
    ) is None:
        return
    if "\n" in packed and (joined := _LINE_END_PATTERN.sub("", packed)) and not _NO_HEX_PATTERN.search(joined):
        text = bytes.fromhex(joined[: len(joined) - len(joined) % 2]).decode(*LOSSLESS_UTF8)
        yield EncodedSpan(*match.span(), text, _encode_hex)
        return
    for digits in _HEX_PATTERN.finditer(packed):
        for start in (digits.start(), digits.start() + 1):
            stop = digits.end() - (digits.end() - start) % 2
            text = bytes.fromhex(packed[start:stop]).decode(*LOSSLESS_UTF8)
            yield EncodedSpan(match.start() + start, match.start() + stop, text, _encode_hex)


def _hex_span_with_separators(match: re.Match[str]) -> EncodedSpan:
    """Return pairs of hexadecimal digits with spaces, colons, commas or hyphens between them, decoded."""
    pairs = _HEX_PAIR_PATTERN.findall(match[0])
    separator = match[0][len(pairs[0]) : match[0].index(pairs[1], len(pairs[0]))]
    text = bytes.fromhex("".join(pairs)).decode(*LOSSLESS_UTF8)
    return EncodedSpan(match.start(), match.end(), text, lambda changed: _encode_hex(changed, separator))


def _encode_hex(text: str, separator: str = "") -> str:
    return separator.join(f"{byte:02x}" for byte in text.encode(*LOSSLESS_UTF8))


def _base64_spans(match: re.Match[str], is_search: bool) -> Iterator[EncodedSpan]:
    """Yield the matched base64, decoded four times: from each of its first four characters on.

    The characters before the base64 may belong to a word in front of it. For `is_search` see `find_encoded_spans`.
    """
    packed = _BASE64_SEPARATOR_PATTERN.sub("", match[0]) if "\n" in match[0] or "=" in match[0] else match[0]
    url_safe = "-" in packed or "_" in packed
    standard = packed.replace("-", "+").replace("_", "/") if url_safe else packed
    if is_search and not (
        _BASE64_OF_ASCII_PATTERN.search(standard) or _BASE64_OF_COMPRESSED_DATA_PATTERN.match(standard)
    ):
        return
    for phase in range(4):
        data = binascii.a2b_base64(_pad_base64(standard[phase:]))
        try:
            text, codec = data.decode("utf-8"), LOSSLESS_UTF8
        except UnicodeDecodeError:
            text, codec = data.decode("latin-1"), ("latin-1", "replace")
        encode = partial(_encode_base64, prefix=match[0][:phase], codec=codec, url_safe=url_safe)
        is_text = codec is LOSSLESS_UTF8 or text.count("\0") * 4 > len(text) or _is_mostly_ascii(text)
        yield EncodedSpan(match.start(), match.end(), text, encode, is_text)


def _is_mostly_ascii(text: str) -> bool:
    """Return whether a text that was decoded from base64 is ASCII, except for a few characters.

    They can result from letters that stand directly beside the base64, because these were decoded with it.
    """
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    return foreign <= _MAX_NON_ASCII_BYTES and foreign * 8 <= len(text)


def _pad_base64(text: str) -> str:
    """Return base64 with the right padding. A last character that does not complete a byte is left out."""
    cut = len(text) - (len(text) % 4 == 1)
    return text[:cut] + "=" * (-cut % 4)


def _encode_base64(text: str, prefix: str, codec: tuple[str, str], url_safe: bool) -> str:
    """Return the characters `prefix`, followed by the text in base64.

    `codec` is the encoding and error handler of the text.
    """
    packed = b64encode(text.encode(*codec)).decode("ascii")
    return prefix + (packed.replace("+", "-").replace("/", "_") if url_safe else packed)
