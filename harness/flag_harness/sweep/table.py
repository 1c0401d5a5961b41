"""Write the table of a sweep's outcomes, for a terminal and as Markdown."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from flag_harness.sweep.outcomes import TrialOutcome
from flag_harness.sweep.sweep import TrialResult

CELL_TEXT_BY_OUTCOME = {
    TrialOutcome.RECOVERED: "✓",
    TrialOutcome.REPORTED: "reported",
    TrialOutcome.ACCEPTED: "accepted",
    TrialOutcome.TOO_MANY_REQUESTS: "REQUESTS",
    TrialOutcome.LOST: "LOST",
    TrialOutcome.LEAKED: "LEAKED",
    TrialOutcome.TOOL_RAN_TWICE: "TWICE",
    TrialOutcome.HUNG: "HUNG",
    TrialOutcome.DOES_NOT_APPLY: "",
}
"""The text for each outcome in a cell of the long table."""

_OUTCOME_COLUMNS = tuple(outcome for outcome in TrialOutcome if outcome is not TrialOutcome.DOES_NOT_APPLY)
_HEADINGS_OF_MAXIMA = ("most requests", "most seconds")
"""The headings of the columns for the largest number of requests, and the longest virtual time, of one conversation."""


def count_outcomes(results: Iterable[TrialResult]) -> Counter[TrialOutcome]:
    """Count each outcome over all trials and combinations."""
    return Counter(verdict.outcome for result in results for _, verdict in result.verdicts)


def outcome_table_lines(results: Sequence[TrialResult]) -> Iterator[str]:
    """Yield the table of outcomes for a terminal: a line for each kind of fault, the total, and the summary."""
    width = max((len(result.kind) for result in results), default=0)
    yield f"{'fault':<{width}}  " + "  ".join([*(outcome.value for outcome in _OUTCOME_COLUMNS), *_HEADINGS_OF_MAXIMA])
    for kind in dict.fromkeys(result.kind for result in results):
        yield _terminal_row(kind, [result for result in results if result.kind == kind], width)
    yield _terminal_row("all", results, width)
    yield ""
    yield summary_line(results)


def summary_line(results: Sequence[TrialResult]) -> str:
    """Return one line with the number of faults and combinations that were tried, and of pairs that do not apply."""
    counts = count_outcomes(results)
    combinations = len(results[0].verdicts) if results else 0
    return (
        f"{len(results)} faults under {combinations} combinations: {sum(counts.values())} pairs, of which "
        f"{counts[TrialOutcome.DOES_NOT_APPLY]} do not apply (a plain answer has no stream to break)"
    )


def markdown_lines_by_kind(results: Sequence[TrialResult]) -> Iterator[str]:
    """Yield a Markdown table with a row for each kind of fault, which counts the outcomes."""
    yield "| fault | " + " | ".join([*(outcome.value for outcome in _OUTCOME_COLUMNS), *_HEADINGS_OF_MAXIMA]) + " |"
    yield "|---|" + "--:|" * len((*_OUTCOME_COLUMNS, *_HEADINGS_OF_MAXIMA))
    for kind in dict.fromkeys(result.kind for result in results):
        yield _markdown_row(f"`{kind}`", [result for result in results if result.kind == kind])
    yield _markdown_row("**all**", results)


def markdown_lines_by_fault(results: Sequence[TrialResult]) -> Iterator[str]:
    """Yield a Markdown table with a row for each fault and a column for each combination."""
    names = [combination for combination, _ in results[0].verdicts]
    yield "| fault | " + " | ".join(name.replace("+", " + ") for name in names) + " |"
    yield "|---|" + "---|" * len(names)
    for result in results:
        cells = (CELL_TEXT_BY_OUTCOME[verdict.outcome] for _, verdict in result.verdicts)
        yield f"| `{result.trial_name}` | " + " | ".join(cells) + " |"


def _terminal_row(name: str, results: Sequence[TrialResult], width: int) -> str:
    headings = (*(outcome.value for outcome in _OUTCOME_COLUMNS), *_HEADINGS_OF_MAXIMA)
    cells = (
        f"{cell or '-':>{len(heading)}}" for heading, cell in zip(headings, _cells_with_counts(results), strict=True)
    )
    return f"{name:<{width}}  " + "  ".join(cells)


def _markdown_row(name: str, results: Sequence[TrialResult]) -> str:
    return f"| {name} | " + " | ".join(_cells_with_counts(results)) + " |"


def _cells_with_counts(results: Sequence[TrialResult]) -> Iterator[str]:
    """Yield the cells of a row: the count of each outcome (empty if 0), the most requests of one trial, and the most
    seconds.
    """
    counts = count_outcomes(results)
    yield from (str(counts[outcome] or "") for outcome in _OUTCOME_COLUMNS)
    verdicts = [verdict for result in results for _, verdict in result.verdicts]
    yield str(max((verdict.request_count for verdict in verdicts), default=0) or "")
    yield f"{max((verdict.seconds for verdict in verdicts), default=0):,.0f}"
