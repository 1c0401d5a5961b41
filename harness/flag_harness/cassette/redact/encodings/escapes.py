"""Decode the escapes in a text, and convert positions in the decoded text to positions in the original text."""

import html
import re
import string
import unicodedata
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

MAX_ENCODING_DEPTH = 4
"""The most encodings inside each other that are decoded. Percent-encoded base64 of gzip of JSON has three."""

_INVISIBLE_CHARACTERS = "".join(
    (
        "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\u034f\ufe0e\ufe0f",
        "\u200e\u200f\u202a\u202b\u202c\u202d\u202e",
        "\u2061\u2062\u2063\u2064\u2066\u2067\u2068\u2069",
    )
)
"""Characters without width, which are removed: spaces of no width, joiners, the soft hyphen, variation selectors and
marks of the direction.
"""
_LOOK_ALIKES = {
    **dict.fromkeys("\u2010\u2011\uff0d", "-"),
    **{chr(ord(letter) + 0xFEE0): letter for letter in f"{string.ascii_letters}{string.digits}_"},
}
"""Full-width characters and unusual hyphens, as in text that was copied from a PDF, and the usual
characters for them.
"""
_LOOK_ALIKES_CLASS = r"\u2010\u2011\uff0d\uff10-\uff19\uff21-\uff3a\uff3f\uff41-\uff5a"
_LOOK_ALIKES_PATTERN = re.compile(f"[{_LOOK_ALIKES_CLASS}]")
_ESCAPE_SIGNS = rf"\x1b\x9b%\0=\\&<`^{_INVISIBLE_CHARACTERS}{_LOOK_ALIKES_CLASS}"
_REST_OF_ESCAPE_PATTERN_TEXT = (
    r"(?<=\x1b)(?:\[[0-9;?]*[A-Za-z]|\][^\x07\x1b]*(?:\x07|\x1b\\))"
    r"|(?<=\x9b)[0-9;?]*[A-Za-z]|(?<=[`^])\r?\n"
    r"|(?<=%)(?:[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4})|(?<==)(?:\r?\n|[0-9A-Fa-f]{2})"
    r"|(?<=\\)(?:x[0-9A-Fa-f]{2}|x\{[0-9A-Fa-f]{1,6}\}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|u\{[0-9A-Fa-f]{1,6}\}"
    r"|N\{[A-Za-z0-9 -]{1,40}\}"
    r"|[0-7]{1,3}|[^0-9\0])"
    r"|(?<=&)(?:#[0-9]{1,7};?|#[xX][0-9A-Fa-f]{1,6};?|[A-Za-z]{2,8};)"
    r"|(?<=<)(?:/?(?:wbr|span|mark|em|[abiqsu]|tt|code|font|strong|small|kbd|samp|var|del|ins|su[bp])"
    r"(?: [^<>]{0,200})?/?"
    r"|!--[^<>]{0,200}--)>"
    rf"|(?<=\0)\0*|(?<=[{_INVISIBLE_CHARACTERS}{_LOOK_ALIKES_CLASS}])"
)
_ESCAPE_PATTERN = re.compile(f"[{_ESCAPE_SIGNS}](?:{_REST_OF_ESCAPE_PATTERN_TEXT})")
"""Matches one escaped character, as in a URL, a program, HTML, UTF-16 or MIME; a colour code of a terminal; or a
character or HTML tag inside a word that is not visible. It begins with a set of characters, which `re` finds fast.
"""
_STRING_BREAK_PATTERN_TEXT = r"(?:[ \t]*\n[ \tE>+?|-]*b?|[ \t]*(?:[+.]|\|\|)\s*|[ \t]+|(?=[\"']\w))"
_ESCAPE_OR_STRING_BREAK_PATTERN = re.compile(
    rf"[{_ESCAPE_SIGNS}\"'](?:{_REST_OF_ESCAPE_PATTERN_TEXT}|(?<=\"){_STRING_BREAK_PATTERN_TEXT}\"|(?<='){_STRING_BREAK_PATTERN_TEXT}')"
)
"""Matches what `_ESCAPE_PATTERN` matches, and the quotes between the parts of a string that `pprint` or
code has split.
"""
_ESCAPE_OR_OVERPRINT_PATTERN = re.compile(rf"[^\n\x08]\x08|{_ESCAPE_OR_STRING_BREAK_PATTERN.pattern}")
"""Matches what `_ESCAPE_OR_STRING_BREAK_PATTERN` matches, and a character with a backspace after it, which is
overprinted.
"""
_TEXTS_THAT_BEGIN_ESCAPES = (
    "\\",
    "%",
    "&",
    "\x1b",
    "\0",
    "=",
    "<wbr",
    "<span",
    "<mark",
    "<em",
    "</",
    "<!--",
    "\x9b",
    "`\n",
    "`\r\n",
    "^\n",
    "^\r\n",
    *_INVISIBLE_CHARACTERS,
)
_TEXTS_IN_STRING_BREAKS = ("'\n", '"\n', "' +", '" +', "' . '", '" . "', "' '", '" "', "' ||", '" ||', "''", '""')
_CHARACTER_BY_ESCAPE_LETTER = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "b": "\b",
    "f": "\f",
    "v": "\v",
    "a": "\a",
    "e": "\x1b",
    "\n": "",
}


@dataclass(frozen=True, slots=True)
class UnescapedText:
    """A text after some rounds of decoding its escapes.

    `before_last_round` is the text before the last of these rounds, or None if there was no round. `offsets` has the
    positions of each character in that text.
    """

    text: str
    before_last_round: "UnescapedText | None" = None
    offsets: list["array[int]"] = field(default_factory=list)

    def source_span(self, start: int, stop: int) -> tuple[int, int]:
        """Return the start and stop in the original text of the characters from `start` to `stop` of this text."""
        if self.before_last_round is None or start >= stop:
            return start, stop
        if not self.offsets:
            self.offsets.extend(_source_offsets(self.before_last_round.text))
        starts, stops = self.offsets
        return self.before_last_round.source_span(starts[start], stops[stop - 1])


def unescape_in_rounds(text: str, is_text: bool = True) -> Iterator[UnescapedText]:
    """Yield the text, and then the text after each round of decoding escapes, until there are no more.

    Binary data (`is_text` is False) is not decoded.
    """
    level = UnescapedText(text)
    for _ in range(MAX_ENCODING_DEPTH + 1):
        yield level
        pattern = _escape_pattern(level.text) if is_text else None
        plain = pattern.sub(_decode_escape, level.text) if pattern else level.text
        if plain == level.text:
            return
        level = UnescapedText(plain, level)


def _escape_pattern(text: str) -> re.Pattern[str] | None:
    """Return the pattern that matches the escapes in a text, or None if the text has none."""
    if "\b" in text:
        return _ESCAPE_OR_OVERPRINT_PATTERN
    if any(mark in text for mark in _TEXTS_IN_STRING_BREAKS):
        return _ESCAPE_OR_STRING_BREAK_PATTERN
    has_escapes = any(mark in text for mark in _TEXTS_THAT_BEGIN_ESCAPES)
    return _ESCAPE_PATTERN if has_escapes or (not text.isascii() and _LOOK_ALIKES_PATTERN.search(text)) else None


def _decode_escape(match: re.Match[str]) -> str:
    """Return the character for which an escape stands, or an empty string if it stands for none, as an escaped line
    end.
    """
    return _decode_escape_text(match[0])


@lru_cache(maxsize=1024)  # texts have the same escapes again and again
def _decode_escape_text(text: str) -> str:
    if text[-1] == "\b":
        return ""
    match text[0]:
        case "%":
            return chr(int(text[1:].removeprefix("u"), 16))
        case "=":
            return chr(int(text[1:], 16)) if text[1] not in "\r\n" else ""
        case "&":
            return html.unescape(text)
        case "\\":
            return _decode_backslash(text)
    return _LOOK_ALIKES.get(text, "")


def _decode_backslash(text: str) -> str:
    kind = text[1]
    if kind in "xuU" and len(text) > 2:
        return chr(min(int(text[2:].strip("{}"), 16), 0x10FFFF))
    if kind == "N" and len(text) > 2:
        try:
            return unicodedata.lookup(text[3:-1])
        except KeyError:
            return "N"
    return chr(int(text[1:], 8)) if kind in "01234567" else _CHARACTER_BY_ESCAPE_LETTER.get(kind, kind)


def _source_offsets(text: str) -> tuple["array[int]", "array[int]"]:
    """Return, for each character of the decoded text, where it starts and where it stops in the escaped `text`."""
    starts, stops, position = array("Q"), array("Q"), 0
    pattern = _escape_pattern(text)
    for unit in pattern.finditer(text) if pattern else ():
        starts.extend(range(position, unit.start()))
        stops.extend(range(position + 1, unit.start() + 1))
        position = unit.end()
        for _ in _decode_escape(unit):
            starts.append(unit.start())
            stops.append(position)
    starts.extend(range(position, len(text)))
    stops.extend(range(position + 1, len(text) + 1))
    return starts, stops
