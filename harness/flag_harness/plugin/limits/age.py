"""`--harness-max-age`: name or fail tests that play recordings older than a limit."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import pytest

from flag_harness.durations import duration_text, parse_duration, time_since
from flag_harness.wording import join_names

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import CassetteTraffic
    from flag_harness.record import RunRow

MAX_AGE_OPTION = "--harness-max-age"
MAX_NAMES_SHOWN = 5
"""The most tests that the summary line names. It only counts the others."""
_SUFFIXES_THAT_FAIL_TESTS = ("fail", "error")


class MaxRecordingAge(NamedTuple):
    """The value of `--harness-max-age`: the age over which a recording is too old, and whether its test then fails.

    `option_text` is the value as it was typed.
    """

    option_text: str
    limit: timedelta
    fails_tests: bool

    def age_if_over_limit(self, recorded_at: str | None, now: datetime) -> timedelta | None:
        """Return the age of a recording if it is over the limit, or None if the age is within the limit or unknown."""
        age = time_since(recorded_at, now)
        return age if age is not None and age > self.limit else None


def max_recording_age(config: pytest.Config) -> MaxRecordingAge | None:
    """Return the limit that `--harness-max-age` sets, or None."""
    text: str | None = config.getoption(MAX_AGE_OPTION, default=None)
    return parse_max_age(text) if text else None


def recording_age_problems(config: pytest.Config, traffic: "CassetteTraffic") -> Iterator[str]:
    """Yield a message if the test must fail because it plays a recording that is too old."""
    limit, cassette = max_recording_age(config), traffic.cassette
    if limit is None or not limit.fails_tests or not traffic.plan.is_playing or cassette is None:
        return
    if age := limit.age_if_over_limit(cassette.metadata.recorded_at, datetime.now(UTC)):
        yield (
            f"{traffic.plan.cassette_path} was recorded {duration_text(age)} ago; "
            f"{MAX_AGE_OPTION}={limit.option_text} allows no older ones.\n"
            f"To record it anew: {traffic.plan.recording_command}"
        )


def recording_age_lines(limit: MaxRecordingAge, rows: "Iterable[RunRow]", now: datetime) -> Iterator[str]:
    """Yield the summary line that names the tests with recordings over the limit, or nothing if there are none."""
    ages = {row.case: age for row in rows if (age := limit.age_if_over_limit(row.recorded_at, now))}
    if not ages:
        return
    oldest = sorted(ages, key=lambda case: (-ages[case], case))
    plays = f"{len(ages)} test{'s play' if len(ages) != 1 else ' plays'}"
    named = join_names((f"{case} ({duration_text(ages[case])})" for case in oldest), MAX_NAMES_SHOWN)
    yield f"{plays} recordings older than {MAX_AGE_OPTION}={limit.option_text}: {named}"


def parse_max_age(text: str) -> MaxRecordingAge | None:
    """Return the limit that the text of the option sets, or None if it is not a valid age."""
    duration, colon, word = text.partition(":")
    limit = parse_duration(duration)
    return (
        MaxRecordingAge(text, limit, bool(colon))
        if limit and (not colon or word in _SUFFIXES_THAT_FAIL_TESTS)
        else None
    )
