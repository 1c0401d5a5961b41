"""The page of metrics: what each flag changes in figures, and which combinations pass."""

from collections.abc import Callable

import msgspec

from flag_harness.record import RunHeader, RunRecord, RunRow
from flag_harness.report.metrics import count_passes_by_combination, metric_lines
from flag_harness.wire.usage import Usage


def _row(tokens: int, repetition: int, **values: bool) -> RunRow:
    combination = "+".join(name for name, is_on in values.items() if is_on) or "off"
    return RunRow(
        case=f"test_it.py::test_it[{combination}]",
        combination=combination,
        outcome="passed",
        usage=Usage(output_tokens=tokens),
        values=values,
        repetition=repetition,
    )


def test_without_pairs_the_page_says_so(make_record: Callable[[int], RunRecord]) -> None:
    """One combination has nothing to be compared to; how many of its runs passed is known all the same."""
    record = make_record(5)
    alone = RunRecord(record.header, tuple(row for row in record.rows if row.combination == "off"))
    first, *others = metric_lines(alone)
    assert "No two runs of a test that passed differ in one flag alone, so no flag's figures can be told." == first
    assert ["", "compatibility", "  off  5 of 5 runs passed"] == others


def test_a_run_of_skipped_tests_has_metrics_too() -> None:
    """The page says that no run passed or failed."""
    skipped = RunRow(case="test_it.py::test_it[off]", combination="off", outcome="skipped")
    assert ["", "compatibility", "  no run passed or failed"] == [*metric_lines(RunRecord(RunHeader(), (skipped,)))][1:]


def test_what_two_flags_change_together_is_on_the_page() -> None:
    """Beyond what each changes alone, and not marked as simulated if it is not."""
    rows = [
        _row(10 + number + 50 * (one and other), number, a=one, b=other)
        for one in (False, True)
        for other in (False, True)
        for number in range(3)
    ]
    header = RunHeader(flags={"a": {"default": False}, "b": {"default": False}})
    lines = list(metric_lines(RunRecord(header, tuple(rows))))
    start = lines.index("two flags together, beyond the sum of each one's effect")
    assert "  output tokens  a and b  +50 (3 pairs)" == lines[start + 1]
    assert not any("Simulated" in line for line in lines)


def test_failed_runs_count_against_their_combination(make_record: Callable[[int], RunRecord]) -> None:
    """Skipped ones count for nothing."""
    record = make_record(4)
    first = msgspec.structs.replace(record.rows[0], outcome="skipped")
    counts = {
        name: (passed, total)
        for name, passed, total in count_passes_by_combination(RunRecord(record.header, (first, *record.rows)))
    }
    assert ((4, 4), (3, 4)) == (counts["off"], counts["streaming"])
