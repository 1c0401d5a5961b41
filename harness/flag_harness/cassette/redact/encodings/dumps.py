"""Find bytes that a program printed as a dump or as numbers, and words that are split over lines or list elements."""

import re
import string
from collections.abc import Iterator

from flag_harness.cassette.redact.body_texts import LOSSLESS_UTF8
from flag_harness.cassette.redact.encodings.compressed import EncodedSpan
from flag_harness.cassette.redact.keys.hints import find_letter_runs, make_letter_table

_HEX_BYTES_PATTERN = (
    r"[0-9A-Fa-f]{4}(?: {1,2}[0-9A-Fa-f]{4}){0,7}(?: [0-9A-Fa-f]{2})?|[0-9A-Fa-f]{2}(?: {1,2}[0-9A-Fa-f]{2}){0,15}"
)
_OFFSET_COLUMN_PATTERN = r"(?:[0-9A-Fa-f]{4,16}(?::[ \t]|[ \t]{2})|[0-9A-Fa-f]{6,16}[ \t])"
_HEX_DUMP_LINE_PATTERN = re.compile(
    rf"(?<![^\s\"'`>]){_OFFSET_COLUMN_PATTERN}[ \t]*({_HEX_BYTES_PATTERN})(?:[ \t]{{2}}.*|[ \t]*)\r?$", re.MULTILINE
)
"""Matches a line of `xxd`, `hexdump -C` or `od -A x -t x1z`: an offset, up to 16 bytes, and their printable
characters.
"""
_HEX_DUMP_START_PATTERN = re.compile("0000[0-9A-Fa-f]{0,12}:?[ \t]")
_BYTES_PER_DUMP_LINE = 16

_DECIMAL_ASCII_CODE_PATTERN = r"(?:9|10|13|3[2-9]|[4-9][0-9]|1[01][0-9]|12[0-6])"
_DECIMAL_BYTES_PATTERN = re.compile(
    rf"(?<![0-9]){_DECIMAL_ASCII_CODE_PATTERN}(?:[, ]\s*{_DECIMAL_ASCII_CODE_PATTERN}(?![0-9])){{15,}}+"
)
"""Matches at least 16 ASCII bytes as decimal numbers, such as the `data` of a Node.js `Buffer`."""
_DECIMAL_BYTES_TABLE = make_letter_table("0123456789, \t\r\n")
_MIN_DECIMAL_BYTES_LENGTH = 48
_NUMBER_PATTERN = re.compile("[0-9]+")

_CHARACTER_FIELD_PATTERN = r"(?:   [!-~]|  \\[0abefnrtv]| [0-7]{3}|    )"
_CHARACTER_DUMP_PATTERN = re.compile(rf"(?<![^\s\"'`>])(?:[0-7]{{7}}(?:{_CHARACTER_FIELD_PATTERN}){{1,16}}\r?\n)++")
"""Matches lines of `od -c`: an octal offset and up to 16 characters, escapes or octal numbers, each four
columns wide.
"""
_BYTE_BY_ESCAPE_LETTER = dict(zip("0abefnrtv", b"\0\a\b\x1b\f\n\r\t\v", strict=True))

_BINARY_DIGITS_PATTERN = re.compile(r"(?<![01])0[01]{7}(?:[ ,]*\n?0[01]{7}(?![01]{1,7}(?![01]))){15,}+")
"""Matches at least 16 ASCII bytes as binary digits."""
_BINARY_DIGITS_TABLE = make_letter_table("01 ,\n")
_MIN_BINARY_DIGITS_LENGTH = 128

_QUOTED_STRING_PATTERN_TEXT = r"""(?:"[^"\n]{0,400}"|'[^'\n]{0,400}')"""
_JOINED_LIST_PATTERN = re.compile(
    rf"(?<=join\()\s*[\[(]\s*({_QUOTED_STRING_PATTERN_TEXT}(?:\s*,\s*{_QUOTED_STRING_PATTERN_TEXT})++)"
    rf"|\[\s*({_QUOTED_STRING_PATTERN_TEXT}(?:\s*,\s*{_QUOTED_STRING_PATTERN_TEXT})++)(?=\s*,?\s*\]\.join\()"
)
"""Matches the strings of a list that code joins: `"".join([...])` in Python, and `[...].join("")` in JavaScript."""
_QUOTED_STRING_PATTERN = re.compile(_QUOTED_STRING_PATTERN_TEXT)

_WORD_LETTERS = string.ascii_letters + string.digits + "_+/=.-"
_LINE_BREAK_PATTERN_TEXT = r"(?:[ \t]*\|)?\r?\n[ \t>#+*|]{0,12}"
"""Matches the end of a line and the sign that begins the next line in a quotation, comment, diff or table."""
_LINE_BREAK_PATTERN = re.compile(_LINE_BREAK_PATTERN_TEXT)
_CONTINUATION_LINES_PATTERN = re.compile(rf"(?:{_LINE_BREAK_PATTERN_TEXT}[A-Za-z0-9_+/=.-]{{4,}}+)++")
_LIST_OF_CHARACTERS_PATTERN = re.compile(r"""(?:(["'])[!-~]\1\s*,\s*){15,}+(?:["'][!-~]["'])?""")
_LIST_OF_CODES_PATTERN = re.compile(r"chr\([0-9]{2,3}\)(?:\s*[+.&,]\s*chr\([0-9]{2,3}\)){15,}+", re.IGNORECASE)
"""The last two patterns match at least 16 single characters: in a list of strings, and as calls of `chr` that are
joined.
"""
_LETTER_AND_DIGIT_PATTERN = re.compile(r"(?=.*[0-9]).*[A-Za-z]", re.DOTALL)
_MIN_BROKEN_WORD_LENGTH, _MAX_BROKEN_WORD_LENGTH = 16, 400
"""The shortest and the longest word in characters that is joined from several lines.

Longer ones are taken for base64.
"""


def hex_dump_spans(text: str) -> Iterator[EncodedSpan]:
    """Yield the hexadecimal dumps in a text, such as those of `xxd`, decoded.

    To save time, texts without four zeros at the start of an offset are skipped.
    """
    if not _HEX_DUMP_START_PATTERN.search(text):
        return
    lines: list[re.Match[str]] = []
    for line in _HEX_DUMP_LINE_PATTERN.finditer(text):
        if lines and line.start() > lines[-1].end() + 2:
            yield _hex_dump_span(lines)
            lines = []
        lines.append(line)
    if lines:
        yield _hex_dump_span(lines)


def _hex_dump_span(lines: list[re.Match[str]]) -> EncodedSpan:
    """Return one dump, decoded, given the matches of its lines."""
    data = b"".join(bytes.fromhex(line[1]) for line in lines)
    return EncodedSpan(lines[0].start(), lines[-1].end(), data.decode(*LOSSLESS_UTF8), _encode_hex_dump)


def _encode_hex_dump(text: str) -> str:
    """Return a text as a dump in the form that `hexdump -C` prints."""
    data = text.encode(*LOSSLESS_UTF8)
    parts = [(start, data[start : start + _BYTES_PER_DUMP_LINE]) for start in range(0, len(data), _BYTES_PER_DUMP_LINE)]
    return "\n".join(
        f"{start:08x}  {part.hex(' '):<48}  |{re.sub(rb'[^ -~]', b'.', part).decode('ascii')}|" for start, part in parts
    )


def character_dump_spans(text: str) -> Iterator[EncodedSpan]:
    """Yield the dumps of `od -c` in a text, decoded."""
    if not _HEX_DUMP_START_PATTERN.search(text):
        return
    for lines in _CHARACTER_DUMP_PATTERN.finditer(f"{text}\n"):
        fields = [line[at : at + 4].strip() for line in lines[0].splitlines() for at in range(7, len(line), 4)]
        data = bytes(map(_byte_of_field, fields))
        yield EncodedSpan(lines.start(), min(lines.end(), len(text)), data.decode(*LOSSLESS_UTF8), _encode_hex_dump)


def _byte_of_field(field: str) -> int:
    """Return the byte that one column of `od -c` shows."""
    if len(field) == 3:
        return int(field, 8) & 0xFF
    return _BYTE_BY_ESCAPE_LETTER[field[1]] if len(field) == 2 else ord(field or " ")


def binary_digit_spans(text: str) -> Iterator[EncodedSpan]:
    """Yield the parts of a text that are ASCII text written as binary digits, decoded."""
    for start, stop in find_letter_runs(text, _BINARY_DIGITS_TABLE, _MIN_BINARY_DIGITS_LENGTH):
        for match in _BINARY_DIGITS_PATTERN.finditer(text, start, stop):
            digits = re.sub("[^01]", "", match[0])
            decoded = "".join(chr(int(digits[at : at + 8], 2)) for at in range(0, len(digits), 8))
            yield EncodedSpan(*match.span(), decoded, _encode_binary_digits)


def _encode_binary_digits(text: str) -> str:
    return " ".join(f"{byte:08b}" for byte in text.encode(*LOSSLESS_UTF8))


def joined_list_spans(text: str) -> Iterator[EncodedSpan]:
    """Yield each list of strings in a text with code such as `"".join(["sk-", "ant-..."])`, decoded to the joined
    string.
    """
    for match in _JOINED_LIST_PATTERN.finditer(text) if "join(" in text else ():
        group = match.lastindex or 1
        joined = "".join(quoted[1:-1] for quoted in _QUOTED_STRING_PATTERN.findall(match[group]))
        yield EncodedSpan(*match.span(group), joined, lambda changed: f'"{changed}"')


def character_list_spans(text: str) -> Iterator[EncodedSpan]:
    """Yield the lists of single characters in a text, and the joined calls of `chr`, each as the string
    that it makes.
    """
    if "', '" in text or '", "' in text or '","' in text:
        for match in _LIST_OF_CHARACTERS_PATTERN.finditer(text):
            joined = "".join(quoted[1] for quoted in re.findall(r"""["'].["']""", match[0]))
            yield EncodedSpan(*match.span(), joined, lambda changed: f'"{changed}"')
    if "chr(" in text or "Chr(" in text:
        for match in _LIST_OF_CODES_PATTERN.finditer(text):
            codes = _NUMBER_PATTERN.findall(match[0])
            yield EncodedSpan(*match.span(), "".join(map(chr, map(int, codes))), lambda changed: f'"{changed}"')


def decimal_spans(text: str) -> Iterator[EncodedSpan]:
    """Yield the parts of a text that are ASCII text written as a list of decimal numbers, decoded."""
    for start, stop in find_letter_runs(text, _DECIMAL_BYTES_TABLE, _MIN_DECIMAL_BYTES_LENGTH):
        for match in _DECIMAL_BYTES_PATTERN.finditer(text, start, stop):
            decoded = "".join(chr(int(number[0])) for number in _NUMBER_PATTERN.finditer(match[0]))
            yield EncodedSpan(*match.span(), decoded, _encode_decimals)


def _encode_decimals(text: str) -> str:
    return ", ".join(map(str, text.encode(*LOSSLESS_UTF8)))


def _word_end_before(text: str, position: int) -> int:
    """Return the position at which the last word of a line ends. `position` is the end of the line."""
    before = text[max(0, position - 8) : position]
    cut = before.removesuffix("\r")
    return position - len(before) + len(cut.removesuffix("|").rstrip(" \t") if cut.endswith("|") else cut)


def find_words_broken_over_lines(text: str) -> Iterator[EncodedSpan]:
    """Yield each word that is split over lines and may be a key (it has letters and digits), joined.

    A word counts as split if it ends a line and the next line begins with a word, without spaces.
    """
    position = text.find("\n")
    while position >= 0:
        lines = _CONTINUATION_LINES_PATTERN.match(text, _word_end_before(text, position))
        if lines is None:
            position = text.find("\n", position + 1)
            continue
        before = text[max(0, lines.start() - _MAX_BROKEN_WORD_LENGTH) : lines.start()]
        start = lines.start() - len(before) + len(before.rstrip(_WORD_LETTERS))
        position = text.find("\n", lines.end())
        word = _LINE_BREAK_PATTERN.sub("", text[start : lines.end()])
        if _MIN_BROKEN_WORD_LENGTH <= len(word) <= _MAX_BROKEN_WORD_LENGTH and _LETTER_AND_DIGIT_PATTERN.match(word):
            yield EncodedSpan(start, lines.end(), word, str)
