"""Recognise differences in values that vary from run to run, such as ids and dates, and suggest patterns that mask
them.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from flag_harness.cassette.match.difference import Difference
from flag_harness.cassette.match.normalisers import Normalisers
from flag_harness.cassette.match.order import has_words_in_another_order
from flag_harness.errors import ConfigError

_MONTH_PATTERN = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*"
_WEEKDAY_PATTERN = "(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?"
_TIME_PATTERN = (
    r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]+)?)?(?: ?[AP]M)?(?: ?(?:Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2}))?"
)
_PATTERNS_BY_KIND: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("an id", ("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", "0x[0-9a-fA-F]{6,16}")),
    (
        "a temporary path",
        (
            r"(?:/private)?/(?:tmp|var/tmp|var/folders|dev/shm)/[^\s\"'`,;:)\]}>]+",
            r"[A-Za-z]:\\(?:[^\\\s\"']+\\)*Te?mp\\[^\s\"'`,;:)\]}>]+",
        ),
    ),
    (
        "an address",
        (
            r"\b[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}\b",
            r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?::[0-9]{1,5})?\b",
            r"\blocalhost:[0-9]{1,5}\b",
            r"\b(?:[0-9a-fA-F]{1,4}:){1,7}:(?:[0-9a-fA-F]{1,4}:){0,6}[0-9a-fA-F]{1,4}\b",
            r"\b(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}\b",
        ),
    ),
    (
        "a date or time",
        (
            rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[T ]{_TIME_PATTERN})?",
            rf"(?:{_WEEKDAY_PATTERN},? )?(?:[0-9]{{1,2}}\.? {_MONTH_PATTERN}|{_MONTH_PATTERN} {{1,2}}[0-9]{{1,2}}),? "
            f"(?:{_TIME_PATTERN} )?[0-9]{{4}}",
            r"[0-9]{1,2}[./][0-9]{1,2}[./][0-9]{4}",
            _TIME_PATTERN,
            f"{_WEEKDAY_PATTERN}\\b",
            r"\b1[0-9]{9}(?:[0-9]{3})?(?:\.[0-9]+)?\b",
        ),
    ),
    (
        "a duration or size",
        (
            r"\b(?:[0-9]+h)?(?:[0-9]+m)?[0-9]+(?:\.[0-9]+)?(?:[num\u00b5]?s|min|h)\b",
            r"\b[0-9]+(?:\.[0-9]+)?(?:[KMGT]i?)?B\b",
        ),
    ),
    ("a number", (r"\b[0-9]{1,3}(?:,[0-9]{3})+\b",)),
    ("an id", (r"(?<![\w+/-])(?=[\w+/-]*[0-9+/])[\w+/-]{10,}={1,2}(?![\w=])",)),
)
"""The regular expressions that match each kind of variable text, the most specific kind first."""
_LONG_ID_LENGTH = 16
"""The length from which an id of mixed characters may have any character of URL-safe base64."""
_RANDOM_LETTERS_PATTERN = re.compile(r"(?i)(?=.*[bcdfghjklmnpqrstvwxz]{4})[a-z]{8,}")
"""Letters that no word has: four consonants after each other."""
_TOKEN_PATTERN = re.compile(r"[0-9]+(?:\.[0-9]+)?(?![\w-])|[\w-]+|\W")
_NUMBER_PATTERN = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_CHARACTER_CLASSES = ("0-9", "0-9a-f", "0-9A-F", "0-9A-Z", "0-9a-z", "0-9A-Za-z", "0-9A-Za-z_-")
_MIN_ID_LENGTH = 6
_MEMBERS_THAT_PROGRAMS_CHOOSE = frozenset(
    {"max_tokens", "model", "stop_sequences", "stream", "temperature", "thinking", "tool_choice", "top_k", "top_p"}
)
"""The members of a body whose values a program chooses.

If one differs, the program has changed, so this is not random.
"""
_MEMBERS_WITH_NAMES = frozenset({"model", "name", "role", "type"})
"""Members of a body that hold names, which do not vary from run to run."""


@dataclass(frozen=True, slots=True)
class VariablePart:
    """A part of requests that varies from run to run, and the rules for `Normalisers` that make matching ignore it.

    `kind` is a description such as `an id`.
    """

    kind: str
    patterns: tuple[str, ...] = ()
    json_paths: tuple[str, ...] = ()


def find_variable_part(difference: Difference) -> VariablePart | None:
    """Return the part of a request that a difference shows to vary from run to run. Return None if it does not look
    random.

    Ids, dates, temporary paths, long numbers and the order of lists are recognised.
    """
    recorded, sent, at = difference.recorded_value, difference.sent_value, difference.recorded_steps
    if (at and (at[0] in _MEMBERS_THAT_PROGRAMS_CHOOSE or at[-1] in _MEMBERS_WITH_NAMES)) or difference.path in (
        "method",
        "anthropic-beta",
    ):
        return None
    if difference.is_reordered:
        return _variable_part_at_path("an order", difference.path) if at[:1] != ("messages",) or len(at) > 1 else None
    if isinstance(recorded, str) and isinstance(sent, str):
        if has_words_in_another_order(recorded, sent):
            return None
        found = _patterns_of_differing_texts(recorded, sent)
        kinds = " and ".join(dict.fromkeys(kind for kind, _ in found))
        return VariablePart(kinds, tuple(dict.fromkeys(pattern for _, pattern in found))) if found else None
    return (
        _variable_part_at_path("a number", difference.path)
        if at and _is_long_number(recorded) and _is_long_number(sent)
        else None
    )


def _variable_part_at_path(kind: str, path: str) -> VariablePart | None:
    """Return the variable part at a path in the body, with the rule that makes matching ignore it.

    The rule has `[*]` in place of each index. Return None if no rule can express the path.
    """
    path = re.sub(r"\[[0-9]+\]", "[*]", path)
    try:
        Normalisers(json=(path,))
    except ConfigError:
        return None
    return VariablePart(kind, json_paths=(path,))


def _is_long_number(value: Any) -> bool:
    """Return whether a value is a number with as many digits as an id. Shorter numbers are not taken for random."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and len(str(value)) >= _MIN_ID_LENGTH


def normaliser_setting_lines(parts: Iterable[VariablePart]) -> tuple[str, ...]:
    """Return the lines for `pyproject.toml` that make matching ignore the parts. Without parts, there are no lines."""
    parts = list(parts)
    lists = {
        "patterns": dict.fromkeys(one for part in parts for one in part.patterns),
        "json": dict.fromkeys(one for part in parts for one in part.json_paths),
    }
    lines = [f"{name} = [{', '.join(map(_quote_as_toml_string, values))}]" for name, values in lists.items() if values]
    return ("[tool.flag-harness.normalise]", *lines) if lines else ()


def _quote_as_toml_string(text: str) -> str:
    return f"'{text}'" if "'" not in text and text.isprintable() else json.dumps(text)


def _patterns_of_differing_texts(recorded: str, sent: str) -> tuple[tuple[str, str], ...]:
    """Return `(kind, pattern)` pairs: if all matches of the patterns are masked, the two texts are equal.

    The result is empty if there are no such patterns.
    """
    found: list[tuple[str, str]] = []
    ours, theirs = recorded, sent
    for kind, patterns in _PATTERNS_BY_KIND:
        for pattern in patterns:
            if re.findall(pattern, ours) != re.findall(pattern, theirs):
                found.append((kind, pattern))
                ours, theirs = re.sub(pattern, "\0", ours), re.sub(pattern, "\0", theirs)
    found += _patterns_of_differing_words(_TOKEN_PATTERN.findall(ours), _TOKEN_PATTERN.findall(theirs))
    normalisers = Normalisers(tuple(dict.fromkeys(pattern for _, pattern in found)))
    is_enough = normalisers.normalise_value(recorded) == normalisers.normalise_value(sent)
    return tuple(found) if found and is_enough else ()


def _patterns_of_differing_words(recorded: list[str], sent: list[str]) -> list[tuple[str, str]]:
    """Return a `(kind, pattern)` pair for each word that differs.

    Return an empty list if the numbers of words differ.
    """
    if len(recorded) != len(sent):
        return []
    found = []
    for index, (one, other) in enumerate(zip(recorded, sent, strict=True)):
        if one != other and (pattern := _pattern_that_matches_both(one, other, "".join(recorded[:index]))):
            found.append(pattern)
    return found


def _pattern_that_matches_both(recorded: str, sent: str, text_before: str) -> tuple[str, str] | None:
    """Return `(kind, pattern)` of a pattern that matches both words, or None if they do not look like ids or numbers.

    `text_before` is the text before the recorded word. If the words are short numbers, the pattern begins with the end
    of this text, so that it matches no other number.
    """
    if _NUMBER_PATTERN.fullmatch(recorded) and _NUMBER_PATTERN.fullmatch(sent):
        if len(recorded) >= _MIN_ID_LENGTH and len(recorded) == len(sent):
            shortest = max(len(recorded) - 2, _MIN_ID_LENGTH)
            return "an id or a random number", rf"\b[0-9]{{{shortest},{len(recorded) + 2}}}\b"
        context = re.search(r"[^\W\d_]+\W*$", text_before)
        start = re.escape(context[0].removesuffix("-")) if context else ""
        return ("a number", rf"{start}-?[0-9]+(?:\.[0-9]+)?") if start else None
    prefix = re.match(r"(?:[A-Za-z]+[_-])*", recorded)
    start = prefix[0] if prefix and sent.startswith(prefix[0]) else ""
    ids = recorded[len(start) :], sent[len(start) :]
    has_digits = any(map(str.isdigit, "".join(ids)))
    if not has_digits and _are_random_letters(*ids):
        return "an id", rf"\b{re.escape(start)}[A-Za-z]{{{min(map(len, ids))},{max(map(len, ids))}}}\b"
    if min(map(len, ids)) < (1 if start and has_digits else _MIN_ID_LENGTH) or not has_digits:
        return None
    characters = next(
        (name for name in _CHARACTER_CLASSES if all(re.fullmatch(f"[{name}]+", text) for text in ids)), None
    )
    if characters is None:
        return None
    shortest, longest = sorted(map(len, ids))
    if longest >= _LONG_ID_LENGTH and characters == "0-9A-Za-z":
        characters = _CHARACTER_CLASSES[-1]
    length = f"{shortest}" if shortest == longest else f"{shortest},{longest}"
    return "an id", rf"\b{re.escape(start)}[{characters}]{{{length}}}"


def _are_random_letters(one: str, other: str) -> bool:
    """Return whether two texts of letters look random: they have the same length, and one of them is no word."""
    return len(one) == len(other) and any(map(_RANDOM_LETTERS_PATTERN.fullmatch, (one, other)))
