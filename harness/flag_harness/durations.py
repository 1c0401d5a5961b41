"""Durations as people write them: 30d, 2w, 12h."""

import re
from datetime import timedelta

_UNITS = {"w": "weeks", "d": "days", "h": "hours"}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([wdh])")


def parse_duration(text: str) -> timedelta | None:
    """Parse a whole number of weeks, days or hours, such as `30d`; return None if `text` is something else.

    >>> parse_duration("12h")
    datetime.timedelta(seconds=43200)
    """
    found = _DURATION.fullmatch(text)
    return timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else None
