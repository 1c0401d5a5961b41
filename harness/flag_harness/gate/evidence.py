"""The evidence of the gate: run records (what test runs wrote), each with the hash of its file."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from flag_harness.errors import GateError
from flag_harness.record import RunHeader, RunRecord, RunRow, decode_record, find_record_problem, read_record_bytes
from flag_harness.wording import join_names

SWEEP_BASELINE_OPTION = "--harness-sweep-baseline"
"""The option that makes a sweep over faults fail if the agent no longer survives a fault that it survived before."""


@dataclass(frozen=True, slots=True)
class EvidenceRecord:
    """One run record that is used as evidence.

    Attributes:
        path: its file.
        digest: the SHA-256 of that file.
        file_problem: what is wrong with the file, such as a later edit; empty if the file is what the run wrote.
        record: the header and the rows.
    """

    path: Path
    digest: str
    file_problem: str
    record: RunRecord

    @property
    def command_line_options(self) -> tuple[str, ...]:
        """The options of this package that the run's command line had."""
        return self.record.header.options


def load_evidence(paths: Sequence[Path]) -> tuple[EvidenceRecord, ...]:
    """Load run records. Raise `GateError` if there is none, and `RecordError` if one cannot be read."""
    if not paths:
        raise GateError("no evidence was given; write it with `pytest --harness-record=run.jsonl`, and name run.jsonl")
    return tuple(map(_load_record_as_evidence, paths))


def rows_of_ordinary_tests(evidence: Sequence[EvidenceRecord]) -> Iterator[RunRow]:
    """Yield the rows of ordinary tests: those of all records except records of sweeps over faults."""
    for one in evidence:
        if not is_sweep(one):
            yield from one.record.rows


def is_sweep(evidence: EvidenceRecord) -> bool:
    """Return whether a run record comes from a sweep over faults (`--harness-sweep`)."""
    return any(
        option.partition("=")[0] in ("--harness-sweep", SWEEP_BASELINE_OPTION)
        for option in evidence.command_line_options
    )


def command_line_option_of_run(evidence: EvidenceRecord, name: str) -> str | None:
    """Return the value of the option `name` of the run's command line, or None if the option was not given."""
    for index, option in enumerate(evidence.command_line_options):
        if option.startswith(f"{name}="):
            return option.partition("=")[2]
        if option == name and index + 1 < len(evidence.command_line_options):
            return evidence.command_line_options[index + 1]
    return None


def missing_tests_reason(header: RunHeader, node_id_prefix: str) -> str:
    """Return why a run may have left out tests whose node ids begin with `node_id_prefix`, or an empty string if it ran
    them all.
    """
    if header.left_out_by:
        return f"it ran with {header.left_out_by}"
    if ignored := [
        path
        for path in header.ignored_paths
        if path.startswith(node_id_prefix) or _is_node_id_in_path(node_id_prefix, path)
    ]:
        return f"it left out {ignored[0]}, by --ignore or because that skips itself"
    if header.selected_tests and not any(_is_node_id_in_path(node_id_prefix, one) for one in header.selected_tests):
        return f"it ran only {join_names(header.selected_tests)}"
    return ""


def _is_node_id_in_path(nodeid: str, path: str) -> bool:
    """Return whether a node id is `path` or lies in it. `path` may be a folder, file, class or test."""
    return nodeid == path or nodeid.startswith((f"{path}/", f"{path}::"))


def _load_record_as_evidence(path: Path) -> EvidenceRecord:
    data = read_record_bytes(path)
    return EvidenceRecord(path, hashlib.sha256(data).hexdigest(), find_record_problem(data), decode_record(path, data))
