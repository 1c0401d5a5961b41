"""Find quickly where a text may contain a key, so that the slow patterns read only those parts.

Almost every key is one long word. All others follow a name that says that they are keys, such as `password`.
"""

import re
import string
from collections.abc import Iterable, Iterator
from functools import lru_cache

MIN_KEY_LENGTH = 16
"""The length of the shortest key that is recognised without a name before it, in characters."""

_WORD_LETTERS = string.ascii_letters + string.digits + "_.~+/%$!@#^*=-:"
_KEY_NAME_STEMS = tuple(
    stem.encode()
    for stem in "key secret token credential connection sessionid pass pwd bearer basic ssws".split()  # noqa: SIM905
)
"""Every name that announces a key contains one of these."""
_RARE_NAMES = (b"authorization", b"auth=", b"auth:", b'auth"', b"cookie", b"curl ", b"certificate", b"putty-user-key")
"""Names that announce a key of any form; they are too rare to look at what follows."""
_VALUE_AFTER_NAME = re.compile(
    r"[A-Za-z0-9_-]{0,30}(?:[\\\"\x27\s]*(?:=>|[:=])[\s\\\"\x27b]*(?=[^\s\x22\x27\\&;,<>()]*[0-9])"
    r"[^\s\x22\x27\\&;,<>()]{8}|\W{0,8}[A-Za-z0-9/+=%.]{24}|[\s\x22\x27\\nbE>+?|-]{1,200}[A-Za-z0-9._~+/-]{10})"
)
"""Matches the value after a name that announces a key: an assignment, or a long word."""
_CHARACTERS_BEFORE_ESCAPED_WORD = ("\\", "[", ";")
"""The characters before a word that begins with the end of an escape: `\\n`, `ESC[m` and `ESC[1;31m`."""
_KEY_LITERALS = ("-----BEGIN", "sk-ant-")
_PASSWORD_IN_URL = re.compile(r"://[^\s/:@]*:[^\s/:@]+@")


def find_letter_runs(text: str, table: bytes, shortest: int) -> Iterator[tuple[int, int]]:
    """Yield the (start, stop) spans of `shortest` or more letters in a row; `make_letter_table` makes the table."""
    classes = ascii_bytes(text).translate(table)
    run = b"x" * shortest
    start = classes.find(run)
    while start >= 0:
        stop = classes.find(b" ", start)
        if stop < 0:
            yield start, len(text)
            return
        yield start, stop
        start = classes.find(run, stop)


def make_letter_table(letters: str) -> bytes:
    """Return a table for `bytes.translate` that turns these letters into `x` and all others into spaces."""
    return bytes(ord("x") if chr(code) in letters else ord(" ") for code in range(256))


@lru_cache(maxsize=1)  # each text is asked for several times in a row
def ascii_bytes(text: str) -> bytes:
    """Encode a text with one byte for each character, which is `?` if the character is not ASCII."""
    return text.encode("ascii", "replace")


_WORD_TABLE = make_letter_table(_WORD_LETTERS)


class ApiKeyHints:
    """Finds the parts of a text in which an API key or a password may be.

    `words` is a pattern for keys that are one word. `start` is a pattern for the start of a word after an escape
    sequence, such as one that sets a colour.
    """

    def __init__(self, words: str, start: str) -> None:
        self._words, self._escaped_words = (
            re.compile(rf"(?<![A-Za-z0-9])(?:{words})"),
            re.compile(f"{start}(?:{words})"),
        )

    def candidate_spans(self, text: str, before: int, behind: int) -> Iterator[tuple[int, int]]:
        """Yield the spans of a text in which a key may begin, without overlaps.

        Each span reaches from `before` characters before a hint to `behind` characters after it.
        """
        first, last = 0, 0
        for position in sorted(self._hint_positions(text)):
            if position - before > last:
                if last:
                    yield first, last
                first = max(position - before, last)
            last = position + behind
        if last:
            yield first, last

    def _hint_positions(self, text: str) -> Iterator[int]:
        """Yield the positions of hints: words that look like keys, names such as `api_key=`, and passwords in URLs."""
        for start, stop in find_letter_runs(text, _WORD_TABLE, MIN_KEY_LENGTH):
            words = self._escaped_words if text[start - 1 : start] in _CHARACTERS_BEFORE_ESCAPED_WORD else self._words
            while match := words.search(text, start, stop):
                yield match.start()
                start = match.end()
        lowered = ascii_bytes(text).lower()
        for stem in _KEY_NAME_STEMS:
            yield from (
                position for position in _positions_of(lowered, stem) if _VALUE_AFTER_NAME.match(text, position)
            )
        for name in _RARE_NAMES:
            yield from _positions_of(lowered, name)
        for literal in _KEY_LITERALS:
            yield from _positions_of(text, literal)
        if "@" in text:
            yield from (match.start() for match in _PASSWORD_IN_URL.finditer(text))


def _positions_of(text: "str | bytes", wanted: "str | bytes") -> Iterable[int]:
    """Yield the position of each occurrence of `wanted` in a text."""
    position = text.find(wanted)  # type: ignore[arg-type]
    while position >= 0:
        yield position
        position = text.find(wanted, position + len(wanted))  # type: ignore[arg-type]
