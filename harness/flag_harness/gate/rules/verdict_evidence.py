"""Compute the verdicts in a record's header again from its rows, because the header may have been edited or copied."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flag_harness.analysis.verdict.evidence import EvidenceTable, FlagChange, flag_changes
from flag_harness.analysis.verdict.judgment import Verdict, judge_flags
from flag_harness.analysis.verdict.lines import has_simulated_answers
from flag_harness.flag import Flag, value_text
from flag_harness.gate.evidence import EvidenceRecord
from flag_harness.matrix import node_id_without_combination
from flag_harness.record import RunRow, VerdictRecord


@dataclass(frozen=True, slots=True)
class RejudgedVerdict:
    """A change of a flag that a record's header has a verdict on, judged again from the rows of the record.

    Attributes:
        evidence_record: the record.
        flag_change: the change of the flag.
        verdict: the verdict that the rows give.
        rows: the runs without and with the change.
    """

    evidence_record: EvidenceRecord
    flag_change: FlagChange
    verdict: Verdict
    rows: tuple[RunRow, ...]

    @property
    def is_simulated(self) -> bool:
        """Whether the simulator gave any of the answers in the rows."""
        return has_simulated_answers(self.rows)

    @property
    def node_ids(self) -> frozenset[str]:
        """The node ids of the tests that the verdict is about."""
        return frozenset(node_id_without_combination(row.case, row.combination) for row in self.rows)


def rejudge_verdicts_of_record(evidence_record: EvidenceRecord, flags: Sequence[Flag]) -> Iterator[RejudgedVerdict]:
    """Yield a new judgment, from the record's rows, of each flag change on which the record's header has a verdict.

    Unknown flags are left out. The error rates hold over all flags of the header together, as they did in the run.
    """
    changes = list(dict.fromkeys(_changes_with_verdicts(evidence_record.record.header.verdicts, flags)))
    table = EvidenceTable(row for row in evidence_record.record.rows if row.sweep is None)
    verdicts = judge_flags([*map(table.evidence_of_change, changes)])
    for change, verdict in zip(changes, verdicts, strict=True):
        yield RejudgedVerdict(evidence_record, change, verdict, tuple(table.rows_of_change(change)))


def _changes_with_verdicts(verdicts: Sequence[VerdictRecord], flags: Sequence[Flag]) -> Iterator[FlagChange]:
    """Yield the flag changes that the verdicts are about.

    A verdict that names no values is about all changes from the flag's default.
    """
    known = {flag.name: flag for flag in flags}
    for one in verdicts:
        if (flag := known.get(one.flag)) is not None:
            base = next((value for value in flag.values if value_text(value) == one.base), flag.default)
            for change in flag_changes(flag, base):
                if one.value in ("", value_text(change.new_value)):
                    yield change
