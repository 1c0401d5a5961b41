"""Find secrets in encoded texts: behind escapes, in base64, UTF-16 and gzip, and in nestings of these.

An edit of the decoded text is turned into an edit of the original text.
"""

import binascii
import gzip
import html
import re
import string
from array import array
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial

from flag_harness.cassette.redact.body_texts import UTF8
from flag_harness.cassette.redact.edits import REDACTED, TextEdit, edit_text, merge_edits
from flag_harness.cassette.redact.hints import letter_runs, letter_table
from flag_harness.wire.compression import codecs

MAX_ENCODING_DEPTH = 4
"""The most encodings that are seen through. Percent-encoded base64 of gzip of JSON has three."""
EXPANDED_BYTES, EXPANDED_RATIO = 64 << 10, 32
"""How much gzip data is searched: so many bytes, plus this many times its compressed size."""

Finder = Callable[[str], Iterable[tuple[int, int, str]]]
"""A function that yields the start, stop and kind of every secret in a text."""
SEPARATOR = " \x02 "
"""The text between texts that are joined to be searched together, so that no match spans two of them."""

_ESCAPE = re.compile(
    r"\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|%[0-9A-Fa-f]{2}|\0|=\r?\n|=[0-9A-F]{2}"
    r"|\\(?:x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|u\{[0-9A-Fa-f]{1,6}\}|[0-7]{3}|[^0-9\0])"
    r"|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});"
)
"""One escaped character, as in a URL, a program, HTML, UTF-16 or MIME, or a terminal's colour code."""
_ESCAPE_MARKS = ("\\", "%", "&", "\x1b", "\0", "=")
_CONTROL_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b", "\n": ""}
_BASE64_LETTERS = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
_BASE64_SEPARATORS = re.compile(r"[\s=]+")
_SHORTEST_EDITED, _SHORTEST_SEARCHED = 12, 24
"""The shortest base64 that is decoded, in characters: to apply filters, and to search for keys."""
_BASE64_TABLE = letter_table(_BASE64_LETTERS + "-_")
_ASCII_TRIPLE = "".join(
    f"[{''.join(letter for place, letter in enumerate(_BASE64_LETTERS) if not place & bit)}]" for bit in (32, 8, 2)
)
"""The first three letters of base64 of three ASCII bytes, the first bit of each of which is 0."""
_BASE64_OF_TEXT = re.compile(rf"(?:{_ASCII_TRIPLE}.){{4}}|H4sI|\+LC|fiw[g-j]")
"""Base64 of twelve ASCII bytes, or of the first bytes of gzip at any of three positions."""
_PRINTABLE = re.compile(r"[\t\r\n -~]{12,}")
"""Printable text within binary data: 12 random bytes are printable once in a hundred thousand times."""
_GZIP_MAGICS = (("\x1f\udc8b\x08", UTF8), ("\x1f\x8b\x08", ("latin-1", "strict")))


@dataclass(frozen=True, slots=True)
class EscapeLevel:
    """A text after some rounds of removing escapes; `below` is the text before the last round, if any."""

    text: str
    below: "EscapeLevel | None" = None
    offsets: list["array[int]"] = field(default_factory=list)

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """Convert a span of this text to the span of the original text, from which it was decoded."""
        if self.below is None or start >= stop:
            return start, stop
        if not self.offsets:
            self.offsets.extend(_source_offsets(self.below.text))
        starts, stops = self.offsets
        return self.below.span(starts[start], stops[stop - 1])


@dataclass(frozen=True, slots=True)
class EncodedRun:
    """A stretch of base64 or gzip in a text, with its decoded text; `encode` encodes a changed text again."""

    start: int
    stop: int
    text: str
    encode: Callable[[str], str]
    is_text: bool = True


def escape_levels(text: str, is_text: bool = True) -> Iterator[EscapeLevel]:
    """Yield the text, then the text after each round of removing escapes; of binary data, only the text."""
    level = EscapeLevel(text)
    for _ in range(MAX_ENCODING_DEPTH + 1):
        yield level
        if not is_text or not any(mark in level.text for mark in _ESCAPE_MARKS):
            return
        plain = _ESCAPE.sub(_decode_escape, level.text)
        if plain == level.text:
            return
        level = EscapeLevel(plain, level)


@lru_cache(maxsize=4)
def _base64_pattern(shortest: int) -> re.Pattern[str]:
    """Return a pattern for base64 of at least `shortest` characters, also if it is broken into lines."""
    letters = "[A-Za-z0-9+/_-]"
    line_end = r"\r?\n[ \t]*"
    lines = rf"(?:{letters}{{40,}}+{line_end}(?!--))++{letters}*+"
    return re.compile(rf"(?:{lines}|{letters}{{{shortest},}}+)={{0,2}}")


def encoded_runs(text: str, shortest: int, is_search: bool = False) -> Iterator[EncodedRun]:
    """Yield the parts of a text that are base64 or gzip, decoded.

    With `is_search`, skip base64 that contains neither a word nor gzip.
    """
    for magic, codec in _GZIP_MAGICS:
        yield from _gzip_runs(text, magic, codec)
    pattern, last = _base64_pattern(shortest), 0
    for start, _ in letter_runs(text, _BASE64_TABLE, shortest):
        if start >= last and (match := pattern.match(text, start)):
            last = match.end()
            yield from _base64_runs(match, is_search)


def finding_edits(
    text: str, find: Finder, depth: int = MAX_ENCODING_DEPTH, is_text: bool = True, *, in_binary: bool = True
) -> list[TextEdit]:
    """Return the edits that redact everything that `find` finds in a text, however it is encoded.

    Without `in_binary`, only the printable parts of base64 are searched if it decodes to binary data, since ordinary
    words can be decoded as base64, too.
    """
    edits: list[TextEdit] = []
    for level in escape_levels(text, is_text):
        for start, stop, _ in find(level.text) if is_text or in_binary else _find_in_printable(level.text, find):
            edits.append(_redaction_edit(text, *level.span(start, stop)))
        for run in encoded_runs(level.text, _SHORTEST_EDITED) if depth else ():
            if inner := finding_edits(run.text, find, depth - 1, run.is_text, in_binary=in_binary):
                new = run.encode(edit_text(run.text, inner))
                edits.append(TextEdit(*level.span(run.start, run.stop), new))
    return merge_edits(edits)


def _find_in_printable(text: str, find: Finder) -> Iterator[tuple[int, int, str]]:
    """Yield the findings of `find` in the printable parts of binary data."""
    for part in _PRINTABLE.finditer(text):
        yield from ((part.start() + start, part.start() + stop, kind) for start, stop, kind in find(part[0]))


def first_finding(
    text: str, find: Finder, depth: int = MAX_ENCODING_DEPTH, is_text: bool = True
) -> tuple[int, int, str, str] | None:
    """Return the start, stop, kind and value of the first finding of `find`, however encoded, or None."""
    for level in escape_levels(text, is_text):
        for start, stop, kind in find(level.text):
            return *level.span(start, stop), kind, level.text[start:stop]
        for run in encoded_runs(level.text, _SHORTEST_SEARCHED, True) if depth else ():
            if inner := first_finding(run.text, find, depth - 1, run.is_text):
                return *level.span(run.start, run.stop), *inner[2:]
    return None


def has_finding(text: str, find: Finder, depth: int = MAX_ENCODING_DEPTH, is_text: bool = True) -> bool:
    """Return whether `find` finds anything in a text, however encoded; parts are searched together."""
    for level in escape_levels(text, is_text):
        if any(True for _ in find(level.text)):
            return True
        inner: dict[bool, list[str]] = {}
        for run in encoded_runs(level.text, _SHORTEST_SEARCHED, True) if depth else ():
            inner.setdefault(run.is_text, []).append(run.text)
        if any(has_finding(SEPARATOR.join(texts), find, depth - 1, kind) for kind, texts in inner.items()):
            return True
    return False


def _redaction_edit(text: str, start: int, stop: int) -> TextEdit:
    """Return the edit that redacts a span; if the span is in UTF-16, so is the replacement."""
    wide = text.count("\0", start, stop) * 2 >= stop - start - 1 > 0
    return TextEdit(start, stop, "\0".join(REDACTED) if wide else REDACTED)


def _decode_escape(unit: re.Match[str]) -> str:
    """Return the character that an escape stands for, or an empty string for a terminal's colour code."""
    text = unit[0]
    match text[0]:
        case "\x1b":
            return ""
        case "\0":
            return ""
        case "%":
            return chr(int(text[1:], 16))
        case "=":
            return chr(int(text[1:], 16)) if text[1] not in "\r\n" else ""
        case "&":
            return html.unescape(text)
    kind = text[1]
    if kind in "xuU" and len(text) > 2:
        return chr(min(int(text[2:].strip("{}"), 16), 0x10FFFF))
    return chr(int(text[1:], 8)) if kind in "01234567" else _CONTROL_ESCAPES.get(kind, kind)


def _source_offsets(text: str) -> tuple["array[int]", "array[int]"]:
    """Return where each character of the decoded text starts, and where it stops, in the escaped `text`."""
    starts, stops, position = array("Q"), array("Q"), 0
    for unit in _ESCAPE.finditer(text):
        starts.extend(range(position, unit.start()))
        stops.extend(range(position + 1, unit.start() + 1))
        position = unit.end()
        for _ in _decode_escape(unit):
            starts.append(unit.start())
            stops.append(position)
    starts.extend(range(position, len(text)))
    stops.extend(range(position + 1, len(text) + 1))
    return starts, stops


def _base64_runs(match: re.Match[str], is_search: bool) -> Iterator[EncodedRun]:
    """Yield the match decoded from each of its first four characters, as a preceding word may run into it."""
    packed = _BASE64_SEPARATORS.sub("", match[0]) if "\n" in match[0] or "=" in match[0] else match[0]
    url_safe = "-" in packed or "_" in packed
    standard = packed.replace("-", "+").replace("_", "/") if url_safe else packed
    if is_search and not _BASE64_OF_TEXT.search(standard):
        return
    for phase in range(4):
        data = binascii.a2b_base64(_pad_base64(standard[phase:]))
        try:
            text, codec = data.decode("utf-8"), UTF8
        except UnicodeDecodeError:
            text, codec = data.decode("latin-1"), ("latin-1", "replace")
        encode = partial(_encode_base64, before=match[0][:phase], codec=codec, url_safe=url_safe)
        is_text = codec is UTF8 or text.count("\0") * 4 > len(text)
        yield EncodedRun(match.start(), match.end(), text, encode, is_text)


def _pad_base64(text: str) -> str:
    cut = len(text) - (len(text) % 4 == 1)
    return text[:cut] + "=" * (-cut % 4)


def _encode_base64(text: str, before: str, codec: tuple[str, str], url_safe: bool) -> str:
    packed = b64encode(text.encode(*codec)).decode("ascii")
    return before + (packed.replace("+", "-").replace("/", "_") if url_safe else packed)


def _gzip_runs(text: str, magic: str, codec: tuple[str, str]) -> Iterator[EncodedRun]:
    if magic not in text:
        return
    encoding, errors = codec
    data = text.encode(encoding, "replace" if errors == "strict" else errors)
    mark, position, last = magic.encode(*codec), 0, 0  # `position` is in characters, all others in bytes
    left = EXPANDED_BYTES + EXPANDED_RATIO * len(data)
    start = data.find(mark)
    while start >= 0:
        position += len(data[last:start].decode(*codec))
        plain, stop = _gzip_member(data, start, left)
        size = len(data[start:stop].decode(*codec))
        if stop > start + len(mark):
            encode = partial(_encode_gzip, codec=codec)
            yield EncodedRun(position, position + size, plain.decode(*UTF8), encode)
        left -= max(len(plain), _GZIP_STEP)
        position, last = position + size, stop
        start = data.find(mark, stop) if left > 0 else -1


def _gzip_member(data: bytes, start: int, limit: int) -> tuple[bytes, int]:
    """Decompress the gzip data at `start`, up to `limit` bytes; return the bytes and where the data ends.

    Invalid data gives no bytes, and ends after the three bytes by which gzip is recognised.
    """
    member, plain = codecs("gzip")[0](), bytearray()
    for position in range(start, len(data), _GZIP_STEP):
        try:
            plain += member.decompress(data[position : position + _GZIP_STEP], limit - len(plain))
        except Exception:  # the three bytes begin something else
            return b"", start + 3
        if member.eof:
            return bytes(plain), min(position + _GZIP_STEP, len(data)) - len(member.unused_data)
        if len(plain) >= limit:
            break
    return bytes(plain), len(data)


_GZIP_STEP = 1024
"""The number of bytes that are decompressed at once; what follows the gzip data is copied each time."""


def _encode_gzip(text: str, codec: tuple[str, str]) -> str:
    return gzip.compress(text.encode(*UTF8), mtime=0).decode(*codec)
