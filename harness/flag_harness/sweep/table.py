"""The survival table: for a terminal, and as Markdown."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from flag_harness.sweep.judging import Outcome
from flag_harness.sweep.sweep import Result

SIGNS = {
    Outcome.RECOVERED: "✓",
    Outcome.TOLD: "told",
    Outcome.ALTERED: "kept",
    Outcome.OFTEN: "OFTEN",
    Outcome.LOST: "LOST",
    Outcome.LEAKED: "LEAKED",
    Outcome.TWICE: "TWICE",
    Outcome.HUNG: "HUNG",
    Outcome.DOES_NOT_APPLY: "",
}
"""How an outcome stands in a cell of the long table."""
_SHOWN = tuple(outcome for outcome in Outcome if outcome is not Outcome.DOES_NOT_APPLY)


_MOST = ("most requests", "most seconds")
"""What a conversation took at most: requests at the upstream, and virtual seconds."""


def counted(results: Iterable[Result]) -> Counter[Outcome]:
    """How often each outcome came."""
    return Counter(verdict.outcome for result in results for _, verdict in result.verdicts)


def terminal_lines(results: Sequence[Result]) -> Iterator[str]:
    """A line for each kind of fault, and the sum."""
    width = max((len(result.kind) for result in results), default=0)
    yield f"{'fault':<{width}}  " + "  ".join([*(outcome.value for outcome in _SHOWN), *_MOST])
    for kind in dict.fromkeys(result.kind for result in results):
        yield _counts(kind, [result for result in results if result.kind == kind], width)
    yield _counts("all", results, width)
    yield ""
    yield summary(results)


def summary(results: Sequence[Result]) -> str:
    """One line: how much was tried."""
    found = counted(results)
    combinations = len(results[0].verdicts) if results else 0
    return (
        f"{len(results)} faults under {combinations} combinations: {sum(found.values())} pairs, of which "
        f"{found[Outcome.DOES_NOT_APPLY]} do not apply (a plain answer has no stream to break)"
    )


def short_markdown(results: Sequence[Result]) -> Iterator[str]:
    """A row for each kind of fault: how often each outcome came."""
    yield "| fault | " + " | ".join([*(outcome.value for outcome in _SHOWN), *_MOST]) + " |"
    yield "|---|" + "--:|" * len((*_SHOWN, *_MOST))
    for kind in dict.fromkeys(result.kind for result in results):
        yield _row(f"`{kind}`", [result for result in results if result.kind == kind])
    yield _row("**all**", results)


def long_markdown(results: Sequence[Result]) -> Iterator[str]:
    """A row for each fault: what became of it under each combination."""
    names = [combination for combination, _ in results[0].verdicts]
    yield "| fault | " + " | ".join(name.replace("+", " + ") for name in names) + " |"
    yield "|---|" + "---|" * len(names)
    for result in results:
        cells = (SIGNS[verdict.outcome] for _, verdict in result.verdicts)
        yield f"| `{result.trial}` | " + " | ".join(cells) + " |"


def _counts(name: str, results: Sequence[Result], width: int) -> str:
    headings = (*(outcome.value for outcome in _SHOWN), *_MOST)
    cells = (f"{cell or '-':>{len(heading)}}" for heading, cell in zip(headings, _cells(results), strict=True))
    return f"{name:<{width}}  " + "  ".join(cells)


def _row(name: str, results: Sequence[Result]) -> str:
    return f"| {name} | " + " | ".join(_cells(results)) + " |"


def _cells(results: Sequence[Result]) -> Iterator[str]:
    """How often each outcome came, empty for never, and what a conversation took at most."""
    found = counted(results)
    yield from (str(found[outcome] or "") for outcome in _SHOWN)
    verdicts = [verdict for result in results for _, verdict in result.verdicts]
    yield str(max((verdict.requests for verdict in verdicts), default=0) or "")
    yield f"{max((verdict.seconds for verdict in verdicts), default=0):,.0f}"
