"""Find quickly in which parts of a text a key may be, so that the slow patterns are applied to those parts only.

Almost every key is one long word. All others follow a name that says that they are keys, such as `password`.
"""

import re
import string
from collections.abc import Iterable, Iterator
from functools import lru_cache

MIN_KEY_LENGTH = 16
"""The shortest key in characters that is recognised without a name before it."""

_WORD_LETTERS = string.ascii_letters + string.digits + "_.~+/%$!@#^*=-:"
_KEY_NAME_STEMS = tuple(
    stem.encode()
    for stem in "key secret token credential connection sessionid pass pwd bearer basic ssws".split()  # noqa: SIM905
)
"""Parts of names: every name that says that its value is a key contains one of these, except unambiguous names."""
_UNAMBIGUOUS_NAME_STEMS = tuple(
    b"auth cookie curl certificate putty- _pat mysql sshpass mnemonic phrase -----begin redis-cli mongo ldap smbclient"
    b" htpasswd openssl sqlplus thin: sudo identified docker contrase senha saml verifier setx setenv apikey".split()
)
_UNAMBIGUOUS_NAME_PATTERN = re.compile(
    rb"auth(?:orization|[=:\"])|cookie|curl |certificate|putty-user-key|_pat[=:\"]|mysql|sshpass|mnemonic"
    rb"|phrase[\"=: ]|-----begin|redis-cli\s|mongo[a-z]{0,7}\s[^\n]{0,102}-p|ldap[a-z]{3,8}\s[^\n]{0,102}-w"
    rb"|smbclient\s|htpasswd\s|openssl\s|sqlplus\s|thin:|sudo\s+-s|identified\s+by|docker\s+login|contrase|senha|saml|verifier|set(?:x|env)\s"
    rb"|apikey\s"
)
"""Matches names that a key follows in one of many forms.

These names are so rare that each of them is a hint of a key, without a look at the text after it.
"""
_VALUE_AFTER_KEY_NAME_PATTERN = re.compile(
    r"[A-Za-z0-9_-]{0,30}(?:[\\\"\x27\s,;]*(?:=>|[:=>,]|value[\\\"\x27\s]{0,6}[:=]|(?:is|was)[\s:])[|>\s\\\"\x27`b+-]*(?=[^\s\x22\x27\\&;,<>()]{0,100}[0-9])"
    r"[^\s\x22\x27\\&;,<>()]{8}|\W{0,8}[A-Za-z0-9/+=%.]{24}|[\s:=\\]{1,5}[\"\x27][^\s\"\x27]{20}|[\s\x22\x27\\nbE>+?|-]{1,200}[A-Za-z0-9._~+/-]{10})"
)
"""Matches the text after a name, such as `api_key`, that may contain a key: an assignment, or a long word."""
_CHARACTERS_BEFORE_ESCAPED_WORD = ("\\", "[", ";")
"""The character before a word that begins with the end of an escape sequence: `\\n`, `ESC[m` or `ESC[1;31m`."""
_END_OF_ESCAPE_PATTERN = re.compile(r"[bfnrtKm]|[0-9]{1,11}m")
_PART_OF_KEY_PATTERN = re.compile(
    r"sk-ant-|:5432:|:\*:|[78]Q~|JQQJ99|Az(?:Se|Fu|Ca)|AZDO|AZEG|APIM|AIoT|\+A[A-Z][A-Za-z]|ACDb"
    r"|azurewebsites\.net|IwEB"
)
"""Matches parts by which a key is recognised anywhere in a word: those of Anthropic, Azure and lines of .pgpass."""
_PASSWORD_IN_URL_PATTERN = re.compile(r"://(?:[^\s/:@]*:[^\s/:@]+|[A-Za-z0-9_-]{20,})@")


def find_letter_runs(text: str, table: bytes, shortest: int) -> Iterator[tuple[int, int]]:
    """Yield `(start, stop)` for each run of at least `shortest` letters in a text.

    `table` says which characters are letters; `make_letter_table` makes it.
    """
    classes = encode_as_latin_1(text).translate(table)
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
    """Return a table for `bytes.translate` that turns the given letters into `x` and all other characters
    into spaces.
    """
    return bytes(ord("x") if chr(code) in letters else ord(" ") for code in range(256))


@lru_cache(maxsize=1)  # each text is asked for several times in a row
def encode_as_latin_1(text: str) -> bytes:
    """Encode a text with one byte for each character. Characters that Latin-1 does not have become `?`."""
    return text.encode("latin-1", "replace")


_WORD_TABLE = make_letter_table(_WORD_LETTERS)


class ApiKeyHints:
    """Finds the parts of a text in which an API key or a password may be.

    `words` is a pattern for keys that are one word.
    """

    def __init__(self, words: str) -> None:
        self._word_pattern, self._escaped_word_pattern = re.compile(rf"(?<![A-Za-z0-9])(?:{words})"), re.compile(words)

    def candidate_spans(
        self, text: str, characters_before: int, characters_after: int
    ) -> Iterator[tuple[int, int, bool]]:
        """Yield `(start, stop, has_word)` for each part of a text in which a key may begin. The parts do not overlap.

        A part surrounds hints, which are words that look like a key and names such as `api_key=`. It reaches from
        `characters_before` characters before the first hint to `characters_after` characters after the last. `has_word`
        is True if a hint is a word that looks like a key.
        """
        first, last, has_word = 0, 0, False
        words = ((position, True) for position in self._word_positions(text))
        for position, is_word in sorted((*words, *((position, False) for position in _name_positions(text)))):
            if position - characters_before > last:
                if last:
                    yield first, last, has_word
                first, has_word = max(position - characters_before, last), False
            last, has_word = position + characters_after, has_word or is_word
        if last:
            yield first, last, has_word

    def _word_positions(self, text: str) -> Iterator[int]:
        """Yield the start of each word that looks like a key, and of each part of a key inside a longer word."""
        for first, stop in find_letter_runs(text, _WORD_TABLE, MIN_KEY_LENGTH):
            start = first
            if (
                text[start - 1 : start] in _CHARACTERS_BEFORE_ESCAPED_WORD
                and (escape := _END_OF_ESCAPE_PATTERN.match(text, start))
                and self._escaped_word_pattern.match(text, escape.end(), stop)
            ):
                yield escape.end()
            while match := self._word_pattern.search(text, start, stop):
                yield match.start()
                start = match.end()
            yield from (part.start() for part in _PART_OF_KEY_PATTERN.finditer(text, first, stop))


def _name_positions(text: str) -> Iterator[int]:
    """Yield the start of each name that says that a key follows, such as `api_key=`, and of passwords in URLs."""
    lowered = encode_as_latin_1(text).lower()
    for stem in _KEY_NAME_STEMS:
        yield from (
            position
            for position in _find_all_positions(lowered, stem)
            if _VALUE_AFTER_KEY_NAME_PATTERN.match(text, position)
        )
    for stem in _UNAMBIGUOUS_NAME_STEMS:
        yield from (
            position
            for position in _find_all_positions(lowered, stem)
            if _UNAMBIGUOUS_NAME_PATTERN.match(lowered, position)
        )
    if "@" in text:
        yield from (match.start() for match in _PASSWORD_IN_URL_PATTERN.finditer(text))


def _find_all_positions(text: bytes, part: bytes) -> Iterable[int]:
    """Yield each position at which `part` occurs in a text."""
    position = text.find(part)
    while position >= 0:
        yield position
        position = text.find(part, position + len(part))
