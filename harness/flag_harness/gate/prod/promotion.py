"""Promote files from TEST to PROD, and roll PROD back."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flag_harness.errors import GateError, GateRefusalError
from flag_harness.gate.approval import ApprovalFile, approvals_of_files
from flag_harness.gate.declared.manifest import Manifest, paths_that_differ, read_file, read_manifest
from flag_harness.gate.declared.patterns import matches_file
from flag_harness.gate.prod.history import HistoryEntry, ProductionHistory
from flag_harness.gate.prod.journalled_change import (
    change_production_files,
    describe_interruption,
    finish_or_undo_interrupted_change,
)
from flag_harness.gate.rules.approval_rules import judge_approval_rules
from flag_harness.gate.rules.candidate import ReleaseCandidate, RuleResult, do_all_rules_pass
from flag_harness.gate.rules.judging import judge_candidate, read_candidate
from flag_harness.gate.settings import Gate
from flag_harness.wording import join_names


@dataclass(frozen=True, slots=True)
class ProductionChange:
    """A change of PROD that was made, or that a dry run shows: the files before it, and its entry in the history."""

    before: Manifest
    entry: HistoryEntry
    is_made: bool

    @property
    def changed_paths(self) -> list[str]:
        """The paths of the files that change."""
        return paths_that_differ(self.before, self.entry.files)


@dataclass(frozen=True, slots=True)
class ProductionFolder:
    """The production folder (PROD), its history, and the gate that decides which files may go to it."""

    gate: Gate
    folder: Path
    history: ProductionHistory

    def find_modified_files(self, entries: Sequence[HistoryEntry]) -> list[str]:
        """Return the declared files of PROD that are not as the last entry of the history left them."""
        if not entries:
            return []
        last = entries[-1]
        return paths_that_differ(last.files, read_manifest(self.folder, last.patterns))

    def read_declared_files(self) -> Manifest:
        """Return the states of the declared files of PROD."""
        return read_manifest(self.folder, self.gate.files)


def open_production_folder(gate: Gate, folder: Path, others: Iterable[Path] = ()) -> ProductionFolder:
    """Return PROD with its history.

    Raise `GateError` if PROD is missing, is not the one whose history the settings name, or overlaps one of `others`.
    """
    if not folder.is_dir():
        raise GateError(
            f"{folder}: there is no such folder; create it, or set PROD_ENV or `prod` in the gate's settings"
        )
    if gate.state and (gate.prod is None or gate.prod.resolve() != folder.resolve()):
        raise GateError(f"{gate.state}: holds the history of {gate.prod}, not of {folder}; leave out the argument PROD")
    state = gate.state or folder.resolve().with_name(f"{folder.resolve().name}.gate")
    for other in (*others, state, gate.approvals):
        one, two = folder.resolve(), other.resolve()
        if one == two or one in two.parents or (two in one.parents and other is not gate.approvals):
            raise GateError(
                f"{folder} and {other} must be separate folders, because only PROD's own files may change it"
            )
    return ProductionFolder(gate, folder, ProductionHistory(state))


def promote(
    prod: ProductionFolder,
    source: Path,
    evidence: Sequence[Path],
    who: str,
    say: Callable[[str], None],
    *,
    dry_run: bool = False,
) -> ProductionChange | None:
    """Copy the declared files of `source` to PROD if they are approved, and every rule passes.

    If `evidence` is empty, the records are those that the approval names. Return None if PROD has these files
    already. A dry run changes nothing. Raise `GateRefusalError` if the files must not be copied.
    """
    if dry_run:
        _refuse_interrupted_change(prod)
        return _promote_declared_files(prod, source, evidence, dry_run=True)
    with prod.history.hold_lock(who):
        finish_or_undo_interrupted_change(prod.history, prod.folder, say)
        return _promote_declared_files(prod, source, evidence, dry_run=False)


def roll_back(
    prod: ProductionFolder,
    number: int | None,
    who: str,
    reason: str,
    say: Callable[[str], None],
    *,
    dry_run: bool = False,
    overwrite: bool = False,
) -> ProductionChange:
    """Restore the files of PROD as the entry `number` left them, or by default as they were before the last change.

    With `overwrite`, files that somebody else changed are kept in the history and replaced. Raise `GateRefusalError` if
    there are such files, or there is no such entry.
    """
    if dry_run:
        _refuse_interrupted_change(prod)
        return _restore_entry(prod, number, who, reason, dry_run=True, overwrite=overwrite)
    with prod.history.hold_lock(who):
        finish_or_undo_interrupted_change(prod.history, prod.folder, say)
        return _restore_entry(prod, number, who, reason, dry_run=False, overwrite=overwrite)


def find_approval(
    prod: ProductionFolder, source: Path, files: Manifest, evidence: Sequence[Path]
) -> tuple[ApprovalFile, ReleaseCandidate, tuple[RuleResult, ...]]:
    """Return the approval of the `files` in `source`, the candidate it covers, and the results of all rules.

    If there are several approvals, the newest that passes is returned, or the newest if none passes. Raise
    `GateRefusalError` if there is none.
    """
    judged = []
    for file in approvals_of_files(prod.gate.approvals, files):
        paths = list(evidence) or [prod.gate.root / path for path in file.approval.evidence]
        candidate = read_candidate(prod.gate, source, paths, files)
        results = (*judge_approval_rules(file, candidate, prod.folder), *judge_candidate(candidate))
        judged.append((file, candidate, results))
        if do_all_rules_pass(results):
            break
    return judged[-1] if do_all_rules_pass(judged[-1][2]) else judged[0]


def _promote_declared_files(
    prod: ProductionFolder, source: Path, evidence: Sequence[Path], *, dry_run: bool
) -> ProductionChange | None:
    before, files = prod.read_declared_files(), read_manifest(source, prod.gate.files)
    if not paths_that_differ(before, files):
        return None
    entries = prod.history.read_entries()
    _refuse_modified_files(prod, prod.find_modified_files(entries), entries)
    file, candidate, results = find_approval(prod, source, files, evidence)
    if not do_all_rules_pass(results):
        bad = "\n".join(f"{one.status}: {one.rule}: {one.reason}" for one in results if one.status != "pass")
        raise GateRefusalError(f"{source} is not promoted:\n{bad}")
    is_found = bool(entries) and entries[-1].patterns == prod.gate.files
    if not is_found and not dry_run:
        _add_entry_for_unrecorded_files(prod, len(entries), before)
    entry = HistoryEntry(
        number=len(entries) + (0 if is_found else 1),
        kind="promotion",
        time=_current_time(),
        name=file.approval.name,
        reason=file.approval.reason,
        files=files,
        patterns=prod.gate.files,
        approval=file.path.name,
        evidence={str(one.path): one.digest for one in candidate.evidence},
    )
    if not dry_run:
        _store_files(prod, source, files)
        change_production_files(prod.history, prod.folder, before, entry)
    return ProductionChange(before, entry, is_made=not dry_run)


def _restore_entry(
    prod: ProductionFolder, number: int | None, who: str, reason: str, *, dry_run: bool, overwrite: bool
) -> ProductionChange:
    entries = prod.history.read_entries()
    patterns = entries[-1].patterns if entries else prod.gate.files
    before = read_manifest(prod.folder, patterns)
    modified = paths_that_differ(entries[-1].files, before) if entries else []
    if not overwrite:
        _refuse_modified_files(prod, modified, entries)
    number = _previous_number(entries, before) if number is None else number
    if not 0 <= number < len(entries):
        numbers = f"0 to {len(entries) - 1}" if entries else "none, because nothing was promoted"
        raise GateRefusalError(f"there is no entry {number} to roll back to; there are: {numbers}")
    entry = HistoryEntry(
        number=len(entries),
        kind="rollback",
        time=_current_time(),
        name=who,
        reason=reason,
        files=_files_of_entry(entries, number),
        patterns=patterns,
        restored=number,
        overwritten={path: before[path] for path in modified if path in before},
    )
    if not dry_run:
        _store_files(prod, prod.folder, entry.overwritten)
        change_production_files(prod.history, prod.folder, before, entry)
    return ProductionChange(before, entry, is_made=not dry_run)


def _add_entry_for_unrecorded_files(prod: ProductionFolder, number: int, files: Manifest) -> None:
    """Add a history entry for the files that are in PROD and that no entry describes yet."""
    _store_files(prod, prod.folder, files)
    prod.history.add_entry(
        HistoryEntry(number=number, kind="found", time=_current_time(), files=files, patterns=prod.gate.files)
    )


def _store_files(prod: ProductionFolder, folder: Path, files: Manifest) -> None:
    """Store the bytes of files in the history. Raise `GateRefusalError` if one changed after it was hashed."""
    for path, state in files.items():
        if prod.history.store_content(read_file(folder, path)).digest != state.digest:
            raise GateRefusalError(f"{folder / path}: changed while it was copied; try again when nothing writes there")


def _files_of_entry(entries: Sequence[HistoryEntry], number: int) -> Manifest:
    """Return the files of PROD as an entry left them.

    These are the entry's files that are still declared, and the files that only later patterns declared, as they were
    then.
    """
    target = entries[number]
    files = dict(target.files)
    for entry in entries[number + 1 :]:
        if entry.kind == "found":
            later = {path: one for path, one in entry.files.items() if not matches_file(path, target.patterns)}
            files = {**later, **files}
    return {path: state for path, state in files.items() if matches_file(path, entries[-1].patterns)}


def _previous_number(entries: Sequence[HistoryEntry], files: Manifest) -> int:
    """Return the number of the newest earlier entry after which PROD held files that differ from `files`.

    Raise `GateRefusalError` if there is none.
    """
    if not entries:
        raise GateRefusalError("nothing was promoted, so there is nothing to roll back")
    last = entries[-1]
    number = (last.number if last.restored is None else last.restored) - 1
    while number >= 0 and _files_of_entry(entries, number) == files:
        number -= 1
    if number < 0:
        raise GateRefusalError("PROD is as it was before the first promotion; name an entry with --to N")
    return number


def _refuse_modified_files(prod: ProductionFolder, modified: Sequence[str], entries: Sequence[HistoryEntry]) -> None:
    if modified:
        raise GateRefusalError(
            f"{prod.folder} is not as the last promotion left it: {join_names(modified)} changed. Move that change to "
            "TEST and put the file back, or discard it: flag-harness gate rollback --overwrite --to "
            f"{entries[-1].number}"
        )


def _refuse_interrupted_change(prod: ProductionFolder) -> None:
    if interruption := describe_interruption(prod.history, prod.folder):
        raise GateRefusalError(interruption)


def _current_time() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
