"""Parse and format durations such as 30d, 2w and 12h, and compute how long ago something happened."""

import re
from datetime import UTC, datetime, timedelta

from flag_harness.wording import count_with_noun

_NAME_BY_UNIT = {"w": "weeks", "d": "days", "h": "hours"}
_DURATION_PATTERN = re.compile(r"([1-9][0-9]{0,5})([wdh])")
_CLOCK_TOLERANCE = timedelta(minutes=5)
"""How far the clocks of two computers may differ."""


def duration_text(duration: timedelta) -> str:
    """Return a duration in whole days, or in whole hours if it is shorter than a day.

    >>> duration_text(timedelta(days=30, hours=5)), duration_text(timedelta(hours=1))
    ('30 days', '1 hour')
    """
    return (
        count_with_noun(duration.days, "day")
        if duration.days
        else count_with_noun(int(duration.total_seconds() // 3600), "hour")
    )


def time_since(moment: str | None, now: datetime) -> timedelta | None:
    """Return the time from an ISO 8601 `moment` to `now`, or None if `moment` is not valid.

    A moment without an offset is in UTC.

    >>> time_since("2026-11-28T10:00:00+02:00", datetime(2026, 11, 28, 9, tzinfo=UTC))
    datetime.timedelta(seconds=3600)
    """
    try:
        begin = datetime.fromisoformat(moment or "")
    except ValueError:
        return None
    return now - (begin if begin.tzinfo else begin.replace(tzinfo=UTC))


def is_in_future(age: timedelta) -> bool:
    """Return whether something of this age lies in the future, so that `age` is negative.

    Up to five minutes in the future count as now, because the clocks of two computers may differ by that much.

    >>> is_in_future(timedelta(minutes=-4)), is_in_future(timedelta(minutes=-6))
    (False, True)
    """
    return age < -_CLOCK_TOLERANCE


def parse_duration(text: str) -> timedelta | None:
    """Parse a whole number of weeks, days or hours, such as `30d`; return None if `text` is something else.

    >>> parse_duration("12h")
    datetime.timedelta(seconds=43200)
    """
    found = _DURATION_PATTERN.fullmatch(text)
    return timedelta(**{_NAME_BY_UNIT[found[2]]: int(found[1])}) if found else None
