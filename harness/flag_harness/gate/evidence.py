"""The evidence of the gate: run records, each with the hash of its file."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flag_harness.errors import GateError
from flag_harness.record import RunRecord, RunRow, load_record, record_problem

SWEEP_PREFIX = "sweep::"
"""How the node ids of a sweep's rows begin."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One run record.

    Attributes:
        path: its file.
        digest: the SHA-256 of that file.
        problem: why the file is not as the run wrote it, or empty.
        record: the header and the rows.
    """

    path: Path
    digest: str
    problem: str
    record: RunRecord


def load_evidence(paths: Sequence[Path]) -> tuple[Evidence, ...]:
    """Load run records. Raise `GateError` if there is none, and `RecordError` if one cannot be read."""
    if not paths:
        raise GateError("there is no evidence; write it with `pytest --harness-record=run.jsonl`, and name run.jsonl")
    return tuple(map(_load, paths))


def rows_of_tests(evidence: Sequence[Evidence]) -> Iterator[RunRow]:
    """Yield the rows of tests, without those of sweeps."""
    for one in evidence:
        yield from (row for row in one.record.rows if not row.case.startswith(SWEEP_PREFIX))


def is_sweep(evidence: Evidence) -> bool:
    """Return whether a record is that of a sweep, which ends with failures if the agent does not survive a fault."""
    rows = evidence.record.rows
    return bool(rows) and all(row.case.startswith(SWEEP_PREFIX) for row in rows)


def _load(path: Path) -> Evidence:
    record = load_record(path)
    data = path.read_bytes()
    return Evidence(path, hashlib.sha256(data).hexdigest(), record_problem(data), record)
