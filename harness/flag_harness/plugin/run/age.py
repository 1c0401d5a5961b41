"""`--harness-max-age`: recordings that are older than that are named, or fail their tests. Nothing is ever recorded."""

import argparse
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import Session

OPTION = "--harness-max-age"
SHOWN = 5
"""Tests that the summary names before it only counts."""
_UNITS = {"w": "weeks", "d": "days", "h": "hours"}
_AGE = re.compile(r"([1-9][0-9]{0,5})([wdh])(?::(fail|error))?")


class MaxAge(NamedTuple):
    """The most that a recording may have aged, and whether an older one fails its test."""

    text: str
    most: timedelta
    fails: bool

    def exceeded(self, recorded_at: str | None, now: datetime) -> timedelta | None:
        """How old a recording is that is too old; `None` where it is not, or does not say when it was made."""
        try:
            age = now - datetime.fromisoformat(recorded_at or "").astimezone(UTC)
        except ValueError:
            return None
        return age if age > self.most else None


def add_option(group: pytest.OptionGroup) -> None:
    """Add the option."""
    group.addoption(
        OPTION,
        type=_checked,
        metavar="AGE[:fail]",
        help="name tests that play recordings older than AGE (30d, 2w, 12h), or fail them; nothing is recorded",
    )


def max_age(config: pytest.Config) -> MaxAge | None:
    """The age asked for."""
    text: str | None = config.getoption(OPTION, default=None)
    return _parsed(text) if text else None


def too_old(config: pytest.Config, session: "Session") -> Iterator[str]:
    """What is wrong with a test that plays a recording older than may be."""
    limit, cassette = max_age(config), session.cassette
    if limit is None or not limit.fails or not session.plan.plays or cassette is None:
        return
    if age := limit.exceeded(cassette.envelope.recorded_at, datetime.now(UTC)):
        yield (
            f"{session.plan.path} was recorded {_days(age)} ago; {OPTION}={limit.text} allows no older ones.\n"
            f"To record it anew: {session.command}"
        )


def old_lines(limit: MaxAge, rows: Iterable[dict[str, Any]], now: datetime) -> Iterator[str]:
    """What the summary says of tests that played recordings older than may be."""
    ages = {row["case"]: age for row in rows if (age := limit.exceeded(row["recorded_at"], now))}
    if not ages:
        return
    oldest = sorted(ages, key=lambda case: (-ages[case], case))
    more = f" and {len(ages) - SHOWN} more" if len(ages) > SHOWN else ""
    plays = f"{len(ages)} test{'s play' if len(ages) != 1 else ' plays'}"
    named = ", ".join(f"{case} ({_days(ages[case])})" for case in oldest[:SHOWN])
    yield f"{plays} recordings older than {OPTION}={limit.text}: {named}{more}"


def _checked(text: str) -> str:
    """The text itself, if it is an age: a worker is handed options as plain values."""
    if _parsed(text) is None:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no age: write a whole number of days, weeks or hours (30d, 2w, 12h), and :fail after it to "
            "fail tests instead of naming them"
        )
    return text


def _parsed(text: str) -> MaxAge | None:
    found = _AGE.fullmatch(text)
    return found and MaxAge(text, timedelta(**{_UNITS[found[2]]: int(found[1])}), bool(found[3]))


def _days(age: timedelta) -> str:
    count, unit = (age.days, "day") if age.days else (int(age.total_seconds() // 3600), "hour")
    return f"{count} {unit}{'s' if count != 1 else ''}"
