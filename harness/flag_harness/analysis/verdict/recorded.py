"""Compute verdicts from the records of finished runs: choose the rows that are independent evidence."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from flag_harness.analysis.verdict.evidence import FlagChange, flag_changes
from flag_harness.flag import Flag
from flag_harness.record import RunRecord, RunRow
from flag_harness.wording import count_with_noun

_SEED_OPTION = "--harness-seed"


@dataclass(frozen=True, slots=True)
class PooledRows:
    """The rows of several run records. Repetitions are renumbered, so that rows of different records are never paired.

    Attributes:
        rows: the rows that are independent evidence.
        left_out_copy_count: the number of rows that were left out because their answers are the same as those of
            another record.
    """

    rows: tuple[RunRow, ...]
    left_out_copy_count: int


def pool_rows(records: Sequence[RunRecord]) -> PooledRows:
    """Return the rows of several run records as those of one run.

    Of rows with the same answers, one is kept: they played the same recording, or the simulator used the same seed.
    Rows of sweeps over faults are left out. Rows of different runs are not paired, because something else may have
    changed in between.
    """
    kept: list[RunRow] = []
    known: set[Hashable] = set()
    copies = first = 0
    for number, record in enumerate(records):
        seed = _seed_in_options(record.header.options)
        for row in (one for one in record.rows if one.sweep is None):
            source = _answer_source_key(row, seed, number)
            copies += source in known
            if source not in known:
                known.add(source)
                kept.append(msgspec.structs.replace(row, repetition=first + row.repetition))
        first += 1 + max((row.repetition for row in record.rows), default=0)
    return PooledRows(tuple(kept), copies)


def _answer_source_key(row: RunRow, seed: str, record: int) -> Hashable:
    """Return a key for where a row's answers came from. Rows with equal keys always have equal answers.

    `seed` is that of the run, and `record` the index of the run record.
    """
    test = row.case, row.combination
    if row.answered_by == "live":
        return (*test, row.repetition, record)
    if row.recorded_at is not None:
        return (*test, row.cassette, row.recorded_at)
    return (*test, row.repetition, seed)


def _seed_in_options(options: Sequence[str]) -> str:
    """Return the seed that the command-line options give, or `0`."""
    text = " ".join(options).replace("=", " ").split()
    return text[text.index(_SEED_OPTION) + 1] if _SEED_OPTION in text[:-1] else "0"


def pooling_summary_lines(pooled: PooledRows, records: int) -> Iterator[str]:
    """Yield lines that say how many run records and rows a verdict is based on."""
    number, files = count_with_noun(len(pooled.rows), "run"), count_with_noun(records, "record")
    yield f"judged once, by {number} of {files}. The error rates hold if the records were not chosen by their results"
    if pooled.left_out_copy_count:
        copies = count_with_noun(pooled.left_out_copy_count, "run")
        yield f"{copies} left out: another record has the same recording, or the same seed"


def all_flag_changes(flags: Iterable[Flag], baseline: Mapping[str, object]) -> list[FlagChange]:
    """Return every change of each flag from its value in `baseline`, or from its default if it has none there."""
    return [one for flag in flags for one in flag_changes(flag, baseline.get(flag.name, flag.default))]


def flag_changes_with_both_values(rows: Iterable[RunRow], changes: Iterable[FlagChange]) -> list[FlagChange]:
    """Return the changes for which there are rows with the flag's old value and rows with its new value."""
    seen: dict[str, list[object]] = {}
    for row in rows:
        for name, value in row.values.items():
            seen.setdefault(name, []).append(value)
    return [one for one in changes if one.new_value in seen.get(one.flag, ()) and one.base_value in seen[one.flag]]
