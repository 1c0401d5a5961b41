"""Values that vary by themselves between runs: ids, dates, random numbers and temporary files."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from flag_harness.analysis.effects.request_changes import RequestDifference

UUID_PATTERN = r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
DATE_OR_TIME_PATTERN = r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?|\b\d\d:\d\d:\d\d\b"
"""Matches a date or a time, as in ISO 8601."""
TEMPORARY_FILE_PATTERN = r"/(?:tmp|var/folders|private/(?:tmp|var/folders))/[^\s\"']+"
_MAX_CACHED_TEXT_LENGTH = 16 << 10
"""The longest text, in characters, whose masked form is cached."""
_VOLATILE_WORD_PATTERN = re.compile(
    rf"{UUID_PATTERN}|{DATE_OR_TIME_PATTERN}"
    r"|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b"  # a hash, or a number in hexadecimal
    r"|\b\d{6,}\b"
    r"|\b(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{20,}\b"  # a random token
    rf"|{TEMPORARY_FILE_PATTERN}"
)


def differs_only_in_volatile_words(change: RequestDifference) -> bool:
    """Return whether the old and the new value of a change differ only in ids, dates and random numbers."""
    return repr(mask_volatile_words(change.old_value)) == repr(mask_volatile_words(change.new_value))


def mask_volatile_words(value: Any) -> Any:
    """Return a value with `<volatile>` in place of each id, date and random number."""
    if isinstance(value, str):
        return _mask_cached_text(value) if len(value) <= _MAX_CACHED_TEXT_LENGTH else _mask_text(value)
    if isinstance(value, Mapping):
        return {key: mask_volatile_words(item) for key, item in value.items()}
    return [mask_volatile_words(item) for item in value] if isinstance(value, list) else value


def _mask_text(text: str) -> str:
    return _VOLATILE_WORD_PATTERN.sub("<volatile>", text)


_mask_cached_text = lru_cache(maxsize=2048)(_mask_text)
"""Masks a text, and caches the result, because each further request of a conversation repeats the text."""


def has_date(change: RequestDifference) -> bool:
    """Return whether the old value of a change contains a date."""
    return bool(re.search(r"\d{4}-\d\d-\d\d", repr(change.old_value)))
