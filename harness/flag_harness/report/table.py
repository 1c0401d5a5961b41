"""The summary table of a run in the terminal: combinations with their outcomes, requests, tokens and latency."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from flag_harness.durations import time_since
from flag_harness.matrix import node_id_without_combination
from flag_harness.wording import count_with_noun

if TYPE_CHECKING:
    from flag_harness.record import RunRow

NOT_MEASURED = "-"
_MAX_LOG_LINES = 5
TABLE_HEADINGS = ("combination", "cases", "requests", "errors", "input", "output", "cache reads", "first token", "cost")


def summary_lines(rows: "Sequence[RunRow]", now: datetime, is_quiet: bool = False) -> Iterator[str]:
    """Yield the summary of a run: tables of sums by combination, one line for all other tests, and notes.

    Each table has the tests that ran under the same combinations, so that its sums can be compared. The tests that ran
    under one combination only are the "other tests". If `is_quiet`, a line says how to see the tables instead. `now` is
    the time for which the age of recordings is computed.
    """
    has_hidden_tables = False
    others: list[RunRow] = []
    in_tables: list[RunRow] = []
    for combinations, members in _group_tests_by_combinations(rows):
        if len(combinations) == 1:
            others += members
        if len(combinations) == 1:
            continue
        if is_quiet:
            has_hidden_tables = True
            continue
        yield from align_columns(
            [TABLE_HEADINGS, *(_table_row(name, one) for name, one in group_rows_by_combination(members))]
        )
        yield ""
        yield f"{NOT_MEASURED}: not measured (nothing was streamed, or no price is known). first token: median seconds."
        in_tables += members
    if has_hidden_tables:
        yield "pytest without -q shows a table of the combinations, and what each flag changes"
    yield from _no_cache_read_lines(in_tables)
    if others:
        yield _totals_line(others)
    if any(row.is_simulated for row in rows):
        yield "simulated: tokens are the simulator's estimate and times its settings, not the API's."
    yield answer_sources_line(rows, now)
    if rebased := len({row.cassette for row in rows if row.is_rebased}):
        yield f"rebased, not verified: {rebased} cassette{'s' if rebased != 1 else ''}, until they are recorded again"


def _no_cache_read_lines(rows: "Sequence[RunRow]") -> Iterator[str]:
    """Yield, for each reason, a line that says why tests of a table read nothing from the prompt cache.

    Tests without a cache mark are counted only if no test has one. Failed tests are not counted, because their requests
    may have been refused.
    """
    sent = [row for row in rows if row.requests and row.outcome == "passed"]
    has_marks = any(row.cache_use for row in sent)
    unread = [row for row in sent if not row.usage.cache_read_input_tokens and bool(row.cache_use) is has_marks]
    for reason, count in Counter(map(_reason_for_no_cache_read, unread)).items():
        if reason:
            yield f"cache reads 0 in {count_with_noun(count, 'case')}: {reason}"


def _reason_for_no_cache_read(row: "RunRow") -> str:
    """Return why no request of a test read anything from the prompt cache, or an empty string if that is not known."""
    if row.cache_use is None:
        return "no request has a cache_control mark"
    if len(row.cache_use.turns) == 1 and row.cache_use.turns[0].tokens_written:
        return "only one request, which wrote the cache; a second would read it"
    return next((turn.explanation for turn in reversed(row.cache_use.turns) if turn.explanation), "")


def logged_error_lines(rows: "Sequence[RunRow]") -> Iterator[str]:
    """Yield a line for each of the most frequent errors that the code under test logged, and one that counts the
    others.
    """
    errors = {key: counts for key, counts in group_rows_by_log_message(rows).items() if key[0] != "WARNING"}
    for key, counts in sorted(errors.items(), key=lambda error: -sum(count for _, count in error[1]))[:_MAX_LOG_LINES]:
        level, logger, message = key
        times, tests = sum(count for _, count in counts), {row.case for row, _ in counts}
        cases = count_with_noun(len(tests), "test")
        yield f"logged {_times_text(times)} in {cases}: {level} {logger}: {message}"
    if len(errors) > _MAX_LOG_LINES:
        others = count_with_noun(len(errors) - _MAX_LOG_LINES, "other error")
        yield f"and {others} in the logs; --harness-record=FILE keeps all"


def group_rows_by_log_message(rows: "Iterable[RunRow]") -> "dict[tuple[str, str, str], list[tuple[RunRow, int]]]":
    """Group rows by what the code under test logged, as (level, logger, message).

    Each message has pairs of a row whose test logged it, and how often the test did so.
    """
    counts: dict[tuple[str, str, str], list[tuple[RunRow, int]]] = {}
    for row in rows:
        for log in row.log_counts:
            counts.setdefault((log.level, log.logger, log.message), []).append((row, log.count))
    return counts


def has_log_error(row: "RunRow") -> bool:
    """Return whether the code under test logged an error."""
    return any(log.level != "WARNING" for log in row.log_counts)


def _times_text(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _group_tests_by_combinations(rows: "Iterable[RunRow]") -> "list[tuple[tuple[str, ...], list[RunRow]]]":
    """Return `(combinations, rows)` for each set of combinations under which tests ran, the largest set first.

    All tests that ran under one combination form a single group.
    """
    tests: dict[str, list[RunRow]] = {}
    for row in rows:
        tests.setdefault(node_id_without_combination(row.case, row.combination), []).append(row)
    groups: dict[tuple[str, ...], list[RunRow]] = {}
    for members in tests.values():
        names = tuple(sorted({row.combination for row in members}))
        groups.setdefault(names if len(names) > 1 else ("",), []).extend(members)
    return sorted(groups.items(), key=lambda group: (-len(group[0]), group[0]))


def _totals_line(rows: "Sequence[RunRow]") -> str:
    """Return a line with the outcomes, requests, tokens and cost of tests that ran under one combination only, summed
    up.
    """
    (_, outcomes, requests, errors, tokens_in, tokens_out, _, _, cost) = _table_row("", rows)
    plural = "s" if len(rows) != 1 else ""
    return (
        f"{len(rows)} case{plural} under one combination: {outcomes}; requests: {requests}, errors: {errors}; "
        f"tokens: {tokens_in} in, {tokens_out} out; cost: {cost}"
    )


def group_rows_by_combination(rows: "Iterable[RunRow]") -> "list[tuple[str, list[RunRow]]]":
    """Return each combination id with its rows. Combinations with the fewest changed flags come first."""
    groups: dict[str, list[RunRow]] = {}
    for row in rows:
        groups.setdefault(row.combination, []).append(row)
    return sorted(groups.items(), key=lambda group: (_count_changed_flags(group[0]), group[0]))


def answer_sources_line(rows: "Sequence[RunRow]", now: datetime) -> str:
    """Return a line that counts who answered the tests (such as recordings or the API), with the age of the oldest
    recording.

    `now` is the time for which the age is computed.
    """
    played = Counter(row.recorded_from for row in rows)
    answered = Counter(row.answered_by for row in rows)
    found = [(played[name], label) for name, label in _TEXT_BY_RECORDING_SOURCE.items()]
    found += [(answered[name], label) for name, label in _TEXT_BY_UPSTREAM.items()]
    unanswered = [row for row in rows if row.recorded_from is None and row.answered_by is None]
    found.append((sum(row.outcome != "inconclusive" for row in unanswered), "nobody"))
    parts = [f"{count_with_noun(count, 'run')} by {label}" for count, label in found if count]
    ages = [age for row in rows if (age := time_since(row.recorded_at, now)) is not None]
    oldest = [f"the oldest recording is {count_with_noun(max(*ages, timedelta()).days, 'day')} old"] if ages else []
    return "answered: " + "; ".join([", ".join(parts) or "no run", *oldest])


def align_columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield one line for each row. The first column is aligned to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        right = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join([first.ljust(widths[0]), *right])


def align_columns_to_the_left(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield one indented line for each row, with its columns aligned to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


_TEXT_BY_UPSTREAM = {"simulator": "the simulator", "live": "the live API"}
_TEXT_BY_RECORDING_SOURCE = {
    "simulator": "recordings of the simulator",
    "live": "recordings of the live API",
    "imported": "imported recordings",
}


def _table_row(combination: str, rows: "Sequence[RunRow]") -> tuple[str, ...]:
    firsts = [row.first_token for row in rows if row.first_token is not None]
    costs = [row.cost for row in rows]
    sums = (
        sum(len(row.requests) for row in rows),
        sum(row.errors for row in rows),
        sum(row.usage.total_input for row in rows),
        sum(row.usage.output_tokens for row in rows),
        sum(row.usage.cache_read_input_tokens for row in rows),
    )
    return (
        combination,
        _outcome_counts_text(rows),
        *(f"{number:,}" for number in sums),
        f"{statistics.median(firsts):.2f} s" if firsts else NOT_MEASURED,
        NOT_MEASURED if None in costs else f"${sum(cost for cost in costs if cost is not None):.4f}",
    )


def _outcome_counts_text(rows: "Sequence[RunRow]") -> str:
    counts = Counter(row.outcome for row in rows)
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))


def _count_changed_flags(combination: str) -> int:
    return 0 if combination == "off" else combination.count("+") + 1
