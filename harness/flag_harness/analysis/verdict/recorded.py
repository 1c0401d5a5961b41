"""Verdicts from the records of finished runs: which of their rows are evidence of their own."""

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
    """The rows of several run records.

    Repetitions are numbered anew, so that no row is paired with a row of another record.

    Attributes:
        rows: the rows that are evidence of their own.
        copy_count: the number of rows that were left out because another record has the same answers.
    """

    rows: tuple[RunRow, ...]
    copy_count: int


def pool_rows(records: Sequence[RunRecord]) -> PooledRows:
    """Return the rows of several run records as those of one run.

    Two rows are copies if they played the same recording, or if the simulator drew both answers from the same seed.
    Rows of sweeps are left out. Rows of different runs are not paired, since something else may have changed in
    between.
    """
    kept: list[RunRow] = []
    known: set[Hashable] = set()
    copies = first = 0
    for number, record in enumerate(records):
        seed = _seed_option(record.header.options)
        for row in (one for one in record.rows if one.sweep is None):
            source = _answer_source_key(row, seed, number)
            copies += source in known
            if source not in known:
                known.add(source)
                kept.append(msgspec.structs.replace(row, repetition=first + row.repetition))
        first += 1 + max((row.repetition for row in record.rows), default=0)
    return PooledRows(tuple(kept), copies)


def _answer_source_key(row: RunRow, seed: str, record: int) -> Hashable:
    """Return a key for the source of a row's answers. Equal sources always give equal answers."""
    test = row.case, row.combination
    if row.answered_by == "live":
        return (*test, row.repetition, record)
    if row.recorded_at is not None:
        return (*test, row.cassette, row.recorded_at)
    return (*test, row.repetition, seed)


def _seed_option(options: Sequence[str]) -> str:
    """Return the seed that the command-line options give, or `0`."""
    text = " ".join(options).replace("=", " ").split()
    return text[text.index(_SEED_OPTION) + 1] if _SEED_OPTION in text[:-1] else "0"


def pooling_summary_lines(pooled: PooledRows, records: int) -> Iterator[str]:
    """Yield lines that say how many records and rows a verdict is based on."""
    number, files = count_with_noun(len(pooled.rows), "run"), count_with_noun(records, "record")
    yield f"judged once, by {number} of {files}. The error rates hold if the records were not chosen by their results"
    if pooled.copy_count:
        copies = count_with_noun(pooled.copy_count, "run")
        yield f"{copies} left out: another record has the same recording, or the same seed"


def all_flag_changes(flags: Iterable[Flag], baseline: Mapping[str, object]) -> list[FlagChange]:
    """Return every change of each flag from its value in `baseline`, or from its default."""
    return [one for flag in flags for one in flag_changes(flag, baseline.get(flag.name, flag.default))]


def flag_changes_with_both_values(rows: Iterable[RunRow], changes: Iterable[FlagChange]) -> list[FlagChange]:
    """Return the changes for which there are rows with the flag's old value and rows with its new value."""
    seen: dict[str, list[object]] = {}
    for row in rows:
        for name, value in row.values.items():
            seen.setdefault(name, []).append(value)
    return [one for one in changes if one.value in seen.get(one.flag, ()) and one.base in seen[one.flag]]
