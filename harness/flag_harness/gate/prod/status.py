"""The status of the gate: what is in PROD and TEST, and whether a change was interrupted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flag_harness.errors import GateError, GateRefusalError, RecordError
from flag_harness.gate.approval import ApprovalFile, approvals_of_files, evidence_paths
from flag_harness.gate.declared.manifest import Manifest, changed_paths, manifest_digest, read_manifest
from flag_harness.gate.prod.folder import ProductionFolder
from flag_harness.gate.prod.history import HistoryEntry
from flag_harness.gate.prod.journalled_change import describe_interruption
from flag_harness.gate.rules.approval_rules import judge_approval_rules
from flag_harness.gate.rules.judging import read_candidate


@dataclass(frozen=True, slots=True)
class GateStatus:
    """What `flag-harness gate status` shows.

    Attributes:
        prod_folder: the folder PROD.
        files_digest: the digest of all declared files in PROD.
        last_entry: the last entry of PROD's history, or None.
        interruption_text: what an interrupted change left in PROD, or empty.
        modified_prod_files: the files of PROD that somebody changed since the last entry.
        test_folder: the folder TEST, or None if it is not known or does not exist.
        differing_files: the files that differ between TEST and PROD.
        valid_approvals: the approvals of the files in TEST that are valid for a promotion.
        reason_by_void_approval: the approvals of these files that are not valid, each with the reason.
    """

    prod_folder: Path
    files_digest: str
    last_entry: HistoryEntry | None
    interruption_text: str
    modified_prod_files: list[str]
    test_folder: Path | None
    differing_files: list[str]
    valid_approvals: list[str]
    reason_by_void_approval: dict[str, str]

    @property
    def is_prod_unmodified(self) -> bool:
        """Whether PROD has exactly the files that its last change left, and no change was interrupted."""
        return not self.interruption_text and not self.modified_prod_files

    def to_json(self) -> dict[str, object]:
        """Return the status as plain values, for JSON."""
        return {
            "prod": str(self.prod_folder),
            "files": self.files_digest,
            "entry": self.last_entry.number if self.last_entry else None,
            "interruption": self.interruption_text,
            "modified": self.modified_prod_files,
            "test": str(self.test_folder) if self.test_folder else None,
            "changed": self.differing_files,
            "approvals": self.valid_approvals,
            "void_approvals": self.reason_by_void_approval,
        }


def read_status(prod: ProductionFolder, test: Path | None) -> GateStatus:
    """Read the status. Nothing is changed, and the lock of PROD is not needed."""
    interruption = describe_interruption(prod.history, prod.folder)
    entries = prod.history.read_entries()
    modified = [] if interruption else prod.find_modified_files(entries)
    files = prod.read_declared_files()
    test = test if test and test.is_dir() else None
    staged = read_manifest(test, prod.gate.file_patterns) if test else None
    judged = _judge_approvals(prod, test, staged, entries) if test and staged and files != staged else {}
    return GateStatus(
        prod_folder=prod.folder,
        files_digest=manifest_digest(files),
        last_entry=entries[-1] if entries else None,
        interruption_text=interruption,
        modified_prod_files=modified,
        test_folder=test,
        differing_files=changed_paths(files, staged) if staged is not None else [],
        valid_approvals=[path for path, reason in judged.items() if not reason],
        reason_by_void_approval={path: reason for path, reason in judged.items() if reason},
    )


def _judge_approvals(
    prod: ProductionFolder, test: Path, files: Manifest, entries: Sequence[HistoryEntry]
) -> dict[str, str]:
    """Return `{path: reason}` for each approval of the files in TEST: why it is not valid, or an empty
    string if it is.
    """
    try:
        found = approvals_of_files(prod.gate, files)
    except GateRefusalError:
        return {}
    return {str(file.path): _approval_problem_in_test_folder(file, prod, test, files, entries) for file in found}


def _approval_problem_in_test_folder(
    file: ApprovalFile, prod: ProductionFolder, test: Path, files: Manifest, entries: Sequence[HistoryEntry]
) -> str:
    try:
        candidate = read_candidate(prod.gate, test, evidence_paths(prod.gate, file), files)
    except (GateError, RecordError) as error:
        return str(error)
    results = judge_approval_rules(file, candidate, prod, entries)
    return next((one.reason for one in results if one.status != "pass"), "")
