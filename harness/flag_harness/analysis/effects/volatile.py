"""Values that vary by themselves between runs: ids, dates, random numbers and temporary files."""

import re
from collections.abc import Mapping
from typing import Any

from flag_harness.analysis.effects.request_changes import RequestDifference

_VOLATILE_TOKEN = re.compile(
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"  # a UUID
    r"|\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?"  # a date or time, ISO 8601
    r"|\b\d\d:\d\d:\d\d\b"
    r"|\b(?=[0-9a-f]*\d)[0-9a-f]{8,}\b"  # a hash, or a number in hexadecimal
    r"|\b\d{6,}\b"
    r"|\b(?=[A-Za-z_-]*\d)[A-Za-z0-9_-]{20,}\b"  # a random token
    r"|/(?:tmp|var/folders|private/tmp)/[^\s\"']+"  # a temporary file
)


def is_equal_after_masking(change: RequestDifference) -> bool:
    """Return whether the old and the new value differ only in ids, dates and random numbers."""
    return repr(mask_volatile_words(change.before)) == repr(mask_volatile_words(change.after))


def mask_volatile_words(value: Any) -> Any:
    """Return a value with `<volatile>` in place of each id, date and random number."""
    if isinstance(value, str):
        return _VOLATILE_TOKEN.sub("<volatile>", value)
    if isinstance(value, Mapping):
        return {key: mask_volatile_words(item) for key, item in value.items()}
    return [mask_volatile_words(item) for item in value] if isinstance(value, list) else value


def has_date(change: RequestDifference) -> bool:
    """Return whether the old value of a change contains a date."""
    return bool(re.search(r"\d{4}-\d\d-\d\d", repr(change.before)))
