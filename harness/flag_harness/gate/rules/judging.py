"""The list of the gate's rules, and the function that applies them all."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from flag_harness.gate.declared.manifest import Manifest, read_manifest
from flag_harness.gate.evidence import load_evidence
from flag_harness.gate.rules import file_rules, run_rules, verdict_rules
from flag_harness.gate.rules.candidate import ReleaseCandidate, RuleResult
from flag_harness.gate.settings import GateSettings

CANDIDATE_RULES = (
    file_rules.judge_records,
    file_rules.judge_patterns,
    file_rules.judge_file_digests,
    file_rules.judge_test_files,
    file_rules.judge_committed_files,
    file_rules.judge_imports,
    file_rules.judge_imported_files,
    file_rules.judge_opened_files,
    run_rules.judge_tests,
    run_rules.judge_left_out_tests,
    run_rules.judge_outcomes,
    run_rules.judge_declared_flags,
    run_rules.judge_combinations,
    run_rules.judge_upstream,
    run_rules.judge_rebased_recordings,
    run_rules.judge_evidence_age,
    run_rules.judge_recording_age,
    run_rules.judge_budget,
    run_rules.judge_log_errors,
    verdict_rules.judge_verdicts,
    verdict_rules.judge_sweep,
)
"""The rules in the order in which they are shown. Each returns None if the policy does not demand it."""


def read_candidate(
    gate: GateSettings, source: Path, evidence: Sequence[Path], files: Manifest | None = None
) -> ReleaseCandidate:
    """Read the run records in `evidence`, and return them with the declared files of the folder `source`.

    The files are read too, unless `files` has their states. Raise `GateError` if a file cannot be read.
    """
    files = read_manifest(source, gate.file_patterns) if files is None else files
    return ReleaseCandidate(gate, source, files, load_evidence(evidence), datetime.now(UTC))


def judge_candidate(candidate: ReleaseCandidate) -> tuple[RuleResult, ...]:
    """Return the result of each rule that the policy demands."""
    results = (rule(candidate) for rule in CANDIDATE_RULES)
    return tuple(result for result in results if result is not None)
