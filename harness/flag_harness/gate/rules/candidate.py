"""The candidate (files and evidence) that the rules of the gate judge, and the result of a rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from flag_harness.gate.declared.manifest import Manifest
from flag_harness.gate.declared.patterns import matches_test
from flag_harness.gate.evidence import EvidenceRecord, rows_of_ordinary_tests
from flag_harness.gate.settings import GateSettings
from flag_harness.record import RunRow

RuleStatus: TypeAlias = Literal["pass", "fail", "not shown"]


@dataclass(frozen=True, slots=True)
class RuleResult:
    """The result of one rule: its name, its status (`pass`, `fail` or `not shown`), and the reason in words."""

    rule: str
    status: RuleStatus
    reason: str


@dataclass(frozen=True)
class ReleaseCandidate:
    """What a rule judges: files that may go to PROD, and the evidence for them.

    Attributes:
        gate: the settings of the gate.
        test_folder: the folder `TEST`, which has the files.
        file_states: the states of the declared files in it.
        evidence: the run records.
        checked_at: the time of the check.
    """

    gate: GateSettings
    test_folder: Path
    file_states: Manifest
    evidence: tuple[EvidenceRecord, ...]
    checked_at: datetime

    @cached_property
    def rows(self) -> tuple[RunRow, ...]:
        """The rows of all ordinary tests in the evidence (not those of sweeps over faults)."""
        return tuple(rows_of_ordinary_tests(self.evidence))

    @cached_property
    def failed_verdict_runs(self) -> tuple[RunRow, ...]:
        """The failed runs from which a verdict on a flag was computed; empty if the policy requires no verdicts.

        Such a failure need not be a problem: the verdict decides whether there are too many.
        """
        runs = (
            [one for one in self.evidence if one.record.header.verdicts] if self.gate.policy.flags_with_verdicts else []
        )
        return tuple(row for row in rows_of_ordinary_tests(runs) if has_test_function_failed(row))

    @cached_property
    def required_rows(self) -> tuple[RunRow, ...]:
        """The rows of the tests that the policy requires to pass."""
        return tuple(row for row in self.rows if self.is_required(row.case))

    def is_required(self, case: str) -> bool:
        """Return whether the policy requires the test with the node id `case` to pass."""
        return any(matches_test(case, pattern) for pattern in self.gate.policy.test_patterns)


def has_test_function_failed(row: RunRow) -> bool:
    """Return whether the test function itself failed (not a fixture), and no request was refused before it was sent."""
    return row.outcome == "failed" and row.phase == "call" and not row.refusal_count


def all_rules_pass(results: Sequence[RuleResult]) -> bool:
    """Return whether every rule passes; False if there are no results."""
    return bool(results) and all(result.status == "pass" for result in results)
