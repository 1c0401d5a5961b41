"""The summary table of a run: combinations with their outcomes, requests, tokens and latency."""

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Row = Mapping[str, Any]
"""One test of the run record."""

NOT_MEASURED = "-"
HEADINGS = ("combination", "cases", "requests", "errors", "input", "output", "cache reads", "first token", "cost")


def summary_lines(rows: Sequence[Row], now: datetime) -> Iterator[str]:
    """Yield the lines of the table and the notes below it."""
    cells = [HEADINGS, *(_table_row(combination, members) for combination, members in group_by_combination(rows))]
    yield from align_columns(cells)
    yield ""
    yield f"{NOT_MEASURED}: not measured (nothing was streamed, or no price is known). first token: median seconds."
    if any("simulator" in (row["played"], row["asked"]) for row in rows):
        yield "simulated: tokens are the simulator's estimate and times its settings, not the API's."
    yield recordings_line(rows, now)
    if rebased := len({path for row in rows if (path := row.get("rebased"))}):
        yield f"rebased, not verified: {rebased} cassette{'s' if rebased != 1 else ''}, until they are recorded again"


def group_by_combination(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    """Return the rows of each combination, those with the fewest flags first."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["combination"], []).append(row)
    return sorted(groups.items(), key=lambda group: (_flag_count(group[0]), group[0]))


def recordings_line(rows: Sequence[Row], now: datetime) -> str:
    """Return a line with the sources of the answers and the age of the oldest recording."""
    played, asked = Counter(row["played"] for row in rows), Counter(row["asked"] for row in rows)
    parts = [f"{played['simulator']} simulated, {played['live']} live"]
    parts += [f"{played['imported']} imported"] if played["imported"] else []
    parts += [f"{asked[name]} answered by the {label}" for name, label in _UPSTREAM_NAMES.items() if asked[name]]
    unanswered = [row for row in rows if row["played"] is None and row["asked"] is None]
    if without := sum(row["outcome"] != "inconclusive" for row in unanswered):
        parts.append(f"{without} case{'s' if without != 1 else ''} without a cassette")
    moments = [row["recorded_at"] for row in rows if row["recorded_at"]]
    oldest = [f"oldest {_age(min(moments), now)}"] if moments else []
    return "recordings: " + "; ".join([", ".join(parts), *oldest])


def align_columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield lines with aligned columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for first, *others in rows:
        right = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        yield "  ".join([first.ljust(widths[0]), *right])


_UPSTREAM_NAMES = {"simulator": "simulator", "live": "live API"}


def _table_row(combination: str, rows: Sequence[Row]) -> tuple[str, ...]:
    firsts = [row["first_token"] for row in rows if row["first_token"] is not None]
    costs = [row["cost"] for row in rows]
    sums = (
        sum(row[name] for row in rows)
        for name in ("requests", "errors", "input_tokens", "output_tokens", "cache_read_input_tokens")
    )
    return (
        combination,
        _outcomes(rows),
        *(f"{number:,}" for number in sums),
        f"{statistics.median(firsts):.2f} s" if firsts else NOT_MEASURED,
        NOT_MEASURED if None in costs else f"${sum(costs):.4f}",
    )


def _outcomes(rows: Sequence[Row]) -> str:
    counts = Counter(row["outcome"] for row in rows)
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))


def _flag_count(combination: str) -> int:
    return 0 if combination == "off" else combination.count("+") + 1


def _age(recorded_at: str, now: datetime) -> str:
    days = (now - datetime.fromisoformat(recorded_at).astimezone(UTC)).days
    return f"{days} day{'s' if days != 1 else ''} old"
