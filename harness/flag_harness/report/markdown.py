"""A report in Markdown, short enough for the summary of a CI job or a pull request."""

import re
from collections.abc import Iterator, Sequence

from flag_harness.report.cache_map import blocks_text, broken_places, cached_tests
from flag_harness.report.run_report import SIMULATED, RunReport

MOST_ROWS = 50
"""The most rows that a table shows. The number of other rows is stated below it."""
MOST_COLUMNS = 16
MOST_CACHED_TESTS = 5
"""The most tests whose cache use is shown request by request."""
_MARKS = {"failed": "❌ failed", "passed": "✅ passed"}
_SPECIAL = re.compile(r"([\\`*_\[\]<>|~#@&!])")


def markdown_lines(report: RunReport) -> Iterator[str]:
    """Yield a report: a headline, the causes of failures, the failing tests, and what each flag changes."""
    yield f"## {'✅' if report.has_passed else '❌'} {report.headline}"
    if report.causes:
        yield ""
    for cause in report.causes:
        certainty = "" if cause.is_certain else "perhaps "
        yield f"- **{_escape(certainty + cause.text)}**: {_names(cause.tests)}"
        if not cause.is_certain:
            yield f"  - {cause.ran} of {cause.allowed:,} combinations ran; `--harness-locate` finds out which flags"
        yield f"  - To reproduce: {_code(cause.command)}"
    yield from _failure_lines(report)
    yield from _effect_lines(report)
    yield from _cache_lines(report)
    yield ""
    yield _escape(report.recordings)
    if report.record.problem:
        yield ""
        yield f"**Incomplete:** {_escape(report.record.problem)}"


def _failure_lines(report: RunReport) -> Iterator[str]:
    lines = [line for line in report.lines if "failed" in line.outcomes]
    if not lines:
        return
    columns = [
        index
        for index in range(len(report.combinations))
        if any((cell := line.cells[index]) is not None for line in lines)
    ]
    shown = columns[:MOST_COLUMNS]
    yield ""
    yield "### Failing tests"
    yield ""
    rows = [
        [
            _cell(line.name),
            *(_MARKS.get(cell.text, cell.text) if (cell := line.cells[index]) else "" for index in shown),
        ]
        for line in lines
    ]
    yield from _table(["test", *(_escape(report.combinations[index] or "no flags") for index in shown)], rows)
    if len(columns) > len(shown):
        yield ""
        yield f"{len(columns) - len(shown)} further combinations are not shown."
    yield ""
    reasons = [
        [str(len(group.rows)), _cell(group.reason or "no reason"), _cell(group.place) if group.place else ""]
        for group in report.failures
    ]
    yield from _table(["runs", "reason", "place"], reasons)
    if report.record.header.content != "none":
        yield ""
        yield (
            "The conversations are kept beside the record. To read them, and to run the failed tests again: download "
            "its folder, then `flag-harness report open FOLDER`"
        )


def _effect_lines(report: RunReport) -> Iterator[str]:
    rows = [
        [_escape(effect.figure.name), _escape(effect.name), _escape(str(effect)), "yes" if effect.is_simulated else ""]
        for effect in report.effects
        if len(effect.settings) == 1 and not effect.is_unchanged
    ]
    if not rows:
        return
    yield ""
    yield "### What each flag changes"
    yield ""
    yield from _table(["figure", "flag", "change (95 % interval)", "simulated"], sorted(rows, key=lambda row: row[0]))
    if any(row[3] for row in rows):
        yield ""
        yield f"{SIMULATED[0].upper()}{SIMULATED[1:]}."


def _cache_lines(report: RunReport) -> Iterator[str]:
    places = broken_places(report.rows)
    tests = [test for test in cached_tests(report.rows) if test.use.breaks or test.use.costs_more]
    if not tests:
        return
    yield ""
    yield "### Prompt cache"
    yield ""
    if places:
        rows = [
            [
                _cell(place.block),
                f"{place.byte:,}",
                _cell(place.words) if place.words else "",
                f"{place.tokens:,}",
                _escape(place.price),
                _names(place.tests, 1),
            ]
            for place in places
        ]
        yield from _table(["changed block", "byte", "change", "tokens not read", "price", "tests"], rows)
        yield ""
    wasteful = [test for test in tests if test.use.costs_more]
    for test in wasteful[:MOST_CACHED_TESTS]:
        yield f"- {_code(test.row.case)}: its cache marks cost more than they save: {_escape(test.price)}"
    if len(wasteful) > MOST_CACHED_TESTS:
        yield f"- and {len(wasteful) - MOST_CACHED_TESTS:,} further tests"
    yield ""
    turns = [
        [
            _cell(test.row.case),
            str(turn.request + 1),
            *(f"{count:,}" for count in (turn.read, turn.written, turn.missed, turn.uncached)),
            _escape(blocks_text(turn)),
            _escape(turn.why),
        ]
        for test in tests[:MOST_CACHED_TESTS]
        for turn in test.use.turns
    ]
    yield from _table(["cache map", "request", "read", "written", "missed", "not cached", "blocks", "why"], turns)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"|{' --- |' * len(headings)}"
    for row in rows[:MOST_ROWS]:
        yield f"| {' | '.join(row)} |"
    if len(rows) > MOST_ROWS:
        yield ""
        yield f"and {len(rows) - MOST_ROWS:,} more"


def _names(tests: Sequence[str], most: int = 3) -> str:
    more = len(tests) - most
    return ", ".join(map(_code, tests[:most])) + (f" and {more} more" if more > 0 else "")


def _cell(text: str) -> str:
    """Return a text as code for a table cell. Its vertical bars are escaped."""
    return _code(text).replace("|", "\\|")


def _code(text: str) -> str:
    """Return a text as inline code, so that Markdown does not format it."""
    line = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{space}{line}{space}{fence}"


def _escape(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
