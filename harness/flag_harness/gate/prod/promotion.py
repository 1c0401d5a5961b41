"""Promote: copy the declared files from TEST to PROD."""

from collections.abc import Callable, Sequence
from pathlib import Path

from flag_harness.errors import GateRefusalError, RecordError
from flag_harness.gate.approval import ApprovalFile, approvals_of_files, evidence_paths
from flag_harness.gate.declared.manifest import Manifest, changed_paths, read_manifest
from flag_harness.gate.declared.patterns import matches_any_file_pattern
from flag_harness.gate.prod.folder import (
    ProductionChange,
    ProductionFolder,
    current_time_text,
    refuse_interrupted_change,
    refuse_modified_files,
    store_files_in_history,
)
from flag_harness.gate.prod.history import HistoryEntry
from flag_harness.gate.prod.journalled_change import (
    RecoveredChange,
    change_production_files,
    finish_or_undo_interrupted_change,
)
from flag_harness.gate.rules.approval_rules import judge_approval_rules
from flag_harness.gate.rules.candidate import ReleaseCandidate, RuleResult, all_rules_pass
from flag_harness.gate.rules.judging import judge_candidate, read_candidate
from flag_harness.wording import join_names


def promote(
    prod: ProductionFolder,
    source: Path,
    evidence: Sequence[Path],
    person: str,
    print_message: Callable[[str], None],
    *,
    dry_run: bool = False,
) -> ProductionChange | None:
    """Copy the declared files of `source` to PROD if they are approved and every rule of the gate passes.

    `evidence` are the run records; if it is empty, the records that the approval names are used. `person` makes the
    promotion, and `print_message` prints a message. With `dry_run`, nothing is changed.

    Return the change, or None if there is nothing to copy because PROD has these files already. If somebody else put
    them there, they still need an approval. An interrupted promotion or rollback is finished first; after a rollback,
    nothing is promoted. Raise `GateRefusalError` if the files must not be copied.
    """
    if dry_run:
        refuse_interrupted_change(prod)
        return _promote_declared_files(prod, source, evidence, dry_run=True)
    with prod.history.hold_lock(person):
        recovery = finish_or_undo_interrupted_change(prod.history, prod.folder, print_message)
        if recovery is not None and (recovery.is_finished or recovery.entry.restored_number is not None):
            _refuse_further_promotion(prod, source, recovery)
            return None
        return _promote_declared_files(prod, source, evidence, dry_run=False)


def _refuse_further_promotion(prod: ProductionFolder, source: Path, recovery: RecoveredChange) -> None:
    """Raise `GateRefusalError` if recovering an interrupted change did not bring the files of `source` to PROD.

    The message says that these files were not promoted now, and what to type.
    """
    other = changed_paths(prod.read_declared_files(), read_manifest(source, prod.gate.file_patterns))
    if other or recovery.entry.restored_number is not None:
        why = f"differs from PROD in {join_names(other)}, and " if other else ""
        raise GateRefusalError(f"{source} {why}is not promoted now; to promote it: flag-harness gate promote")


def find_approval(
    prod: ProductionFolder,
    source: Path,
    files: Manifest,
    evidence: Sequence[Path],
    entries: Sequence[HistoryEntry],
) -> tuple[ApprovalFile, ReleaseCandidate, tuple[RuleResult, ...]]:
    """Return `(approval, candidate, results)` for the `files` in the folder `source`.

    They are the approval, the files and evidence that it covers, and the results of all rules. If there are several
    approvals of these files, the newest that passes all rules is returned, or the newest if none does. Raise
    `GateRefusalError` if there is no approval.
    """
    judged = []
    for file in approvals_of_files(prod.gate, files, evidence):
        paths = list(evidence) or evidence_paths(prod.gate, file)
        candidate = _read_candidate_or_suggest_option(prod, source, paths, files, is_named=bool(evidence))
        results = (*judge_approval_rules(file, candidate, prod, entries), *judge_candidate(candidate))
        judged.append((file, candidate, results))
        if all_rules_pass(results):
            break
    return judged[-1] if all_rules_pass(judged[-1][2]) else judged[0]


def _read_candidate_or_suggest_option(
    prod: ProductionFolder, source: Path, paths: Sequence[Path], files: Manifest, *, is_named: bool
) -> ReleaseCandidate:
    """Read the run records at `paths`, and return them with the files as a candidate.

    Raise `RecordError` if a record is missing. The message suggests the option --evidence, unless it was used
    (`is_named`).
    """
    try:
        return read_candidate(prod.gate, source, paths, files)
    except RecordError as error:
        hint = "" if is_named else ". If the record has moved: flag-harness gate promote --evidence FILE"
        raise RecordError(f"{error}{hint}") from None


def _promote_declared_files(
    prod: ProductionFolder, source: Path, evidence: Sequence[Path], *, dry_run: bool
) -> ProductionChange | None:
    before, files = prod.read_declared_files(), read_manifest(source, prod.gate.file_patterns)
    entries = prod.history.read_entries()
    modified = prod.find_modified_files(entries)
    if not changed_paths(before, files) and not (entries and modified):
        return None
    lost = {
        path
        for path in modified
        if not matches_any_file_pattern(path, prod.gate.file_patterns) or before.get(path) != files.get(path)
    }
    refuse_modified_files(prod, sorted(lost), entries)
    file, candidate, results = find_approval(prod, source, files, evidence, entries)
    if not all_rules_pass(results):
        bad = "\n".join(f"{one.status}: {one.rule}: {one.reason}" for one in results if one.status != "pass")
        raise GateRefusalError(f"{source} is not promoted:\n{bad}")
    is_found = bool(entries) and entries[-1].file_patterns == prod.gate.file_patterns
    if not is_found and not dry_run:
        _add_entry_for_unrecorded_files(prod, len(entries), before)
    entry = HistoryEntry(
        number=len(entries) + (0 if is_found else 1),
        kind="promotion",
        time=current_time_text(),
        person=file.approval.approver,
        reason=file.approval.reason,
        file_states=files,
        file_patterns=prod.gate.file_patterns,
        approval_file=file.path.name,
        digest_by_record_path={str(one.path): one.digest for one in candidate.evidence},
    )
    if not dry_run:
        store_files_in_history(prod, source, files)
        change_production_files(prod.history, prod.folder, before, entry)
    return ProductionChange(before, entry, is_made=not dry_run)


def _add_entry_for_unrecorded_files(prod: ProductionFolder, number: int, files: Manifest) -> None:
    """Add the history entry `number` for files that are in PROD already, but that no entry describes yet."""
    store_files_in_history(prod, prod.folder, files)
    prod.history.add_entry(
        HistoryEntry(
            number=number,
            kind="found",
            time=current_time_text(),
            file_states=files,
            file_patterns=prod.gate.file_patterns,
        )
    )
