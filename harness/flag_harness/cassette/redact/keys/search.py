"""Find API keys in texts: first the parts in which one may be, then where one begins, and last its kind and its end."""

import re
from collections.abc import Iterator
from functools import cache

from flag_harness.cassette.redact.keys.hints import ApiKeyHints
from flag_harness.cassette.redact.keys.named_values import KINDS_KNOWN_BY_NAME, is_placeholder
from flag_harness.cassette.redact.keys.shapes import KEY_SHAPES

_MULTI_WORD_KINDS = (
    KINDS_KNOWN_BY_NAME
    | {"a private key", "a bearer token", "a basic authorization", "a token in a wrapped string", "an Okta token"}
    | {"a password in a URL", "a password of .netrc", "a phrase of a wallet", "an AWS secret key", "a PuTTY key"}
    | {"an AWS session token", "a Kaggle key", "an authentication of a registry", "an Azure key"}
)
"""The kinds of keys that are not a single word (they contain a name, a space or a quote), or whose start is not
certain.
"""
_COLOUR_CODE_LOOKBEHIND = "|".join(rf"(?<=\x1b\[.{{{width}}}m)" for width in range(12))
_KEY_START_PATTERN = (
    rf"(?:(?<![A-Za-z0-9])|(?<=[bfnrtKm])(?:(?<=\\[bfnrt])|(?<=\x1b\[K)|{_COLOUR_CODE_LOOKBEHIND})"
    r"|(?=sk-ant-[a-z]+[0-9]+-))(?=[A-Za-z0-9_$*.<~+/-])"
)
"""Matches the position at which a key can begin: at the start of a word, or after an escape sequence of JSON or a
terminal. A key of Anthropic can begin anywhere. No key begins with a space or a quote.
"""
_ALL_KINDS = tuple(KEY_SHAPES)
_NAMED_KINDS = tuple(kind for kind, shape in KEY_SHAPES.items() if kind in _MULTI_WORD_KINDS or r"\W" in shape)
"""The kinds of keys that can consist of more than one word."""
_WORD_IN_ANY_CASE_PATTERN = re.compile(r"\(\?i:([a-z])([a-z_-]*)\)")
_MAX_EXAMPLE_LENGTH = 300
"""The number of characters at the beginning of a key that are searched for words that mark an example."""


def _first_letters_in_both_cases(shape: str) -> str:
    """Return a pattern in which `(?i:bearer)` is `[bB](?i:earer)`, because `re` rejects a wrong first letter at once if
    it is in a set.
    """
    return _WORD_IN_ANY_CASE_PATTERN.sub(lambda word: f"[{word[1]}{word[1].upper()}](?i:{word[2]})", shape)


@cache  # compiled on first use, as most runs search no text: it takes a tenth of a second
def _start_pattern(kinds: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern that matches keys of all these kinds. It has no groups, because these make `re` slow."""
    return re.compile(
        _KEY_START_PATTERN + f"(?:{'|'.join(_first_letters_in_both_cases(KEY_SHAPES[kind]) for kind in kinds)})"
    )


@cache
def _kind_pattern(kinds: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern that matches keys of all these kinds, with a group for each kind."""
    return re.compile(_KEY_START_PATTERN + "(?:" + "|".join(f"({KEY_SHAPES[kind]})" for kind in kinds) + ")")


@cache
def _key_hints() -> ApiKeyHints:
    """Return the object that finds the parts of a text in which a key may be. It is created only once."""
    return ApiKeyHints("|".join(shape for kind, shape in KEY_SHAPES.items() if kind not in _MULTI_WORD_KINDS))


_MARGIN_BEFORE_HINT, _MARGIN_AFTER_HINT = 90, 300
"""The most characters before and after a hint (a word that looks like a key, or a name such as `api_key=`) at which a
key can begin.
"""


def find_api_keys(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield `(start, stop, kind)` for everything in a text that looks like an API key."""
    for start, window_stop, has_word in _key_hints().candidate_spans(text, _MARGIN_BEFORE_HINT, _MARGIN_AFTER_HINT):
        kinds = _ALL_KINDS if has_word else _NAMED_KINDS
        while near := _start_pattern(kinds).search(text, start, window_stop):
            start = near.start() + 1
            if match := _match_key(kinds, text, near.start()):
                start = match.end()
                yield match.start(), match.end(), kinds[(match.lastindex or 1) - 1]


def _match_key(kinds: tuple[str, ...], text: str, start: int) -> re.Match[str] | None:
    """Return the match of the key that begins at `start`, or None if there is none, or only an example.

    A key may be inside an example: `password: https://...?token=...`. So an example is recognised by its beginning: to
    match all of it would take long if many examples are in one long word.
    """
    match = None
    for stop in (start + _MAX_EXAMPLE_LENGTH, len(text)):
        match = _kind_pattern(kinds).match(text, start, stop)
        if match and is_placeholder(kinds[(match.lastindex or 1) - 1], _beginning_of_key(match[0])):
            return None
    return match


def _beginning_of_key(key: str) -> str:
    """Return a short key, or the beginning of a long one without letters at its end that could mark an example."""
    return key if len(key) < _MAX_EXAMPLE_LENGTH else key[:_MAX_EXAMPLE_LENGTH].rstrip("xX*.0=")
