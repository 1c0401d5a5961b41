"""Roll PROD back to the files that an earlier change left in it."""

from collections.abc import Callable, Sequence

from flag_harness.errors import GateRefusalError
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
    describe_change,
    finish_or_undo_interrupted_change,
)


def roll_back(
    prod: ProductionFolder,
    number: int | None,
    person: str,
    reason: str,
    print_message: Callable[[str], None],
    *,
    dry_run: bool = False,
    overwrite: bool = False,
) -> ProductionChange | None:
    """Restore the files of PROD as the history entry `number` left them, or by default as they were before the last
    change.

    `person` and `reason` are stored in the history, and `print_message` prints a message. With `dry_run`, nothing is
    changed. With `overwrite`, files that somebody else changed are kept in the history and replaced.

    An interrupted change is finished or undone first; return None if PROD then has the wanted files already. Raise
    `GateRefusalError` if somebody else changed files and `overwrite` is False, or if there is no entry to restore.
    """
    if dry_run:
        refuse_interrupted_change(prod)
        return _restore_entry(prod, number, person, reason, dry_run=True, overwrite=overwrite)
    with prod.history.hold_lock(person) as killed:
        recovery = finish_or_undo_interrupted_change(prod.history, prod.folder, print_message)
        if recovery is not None and _is_rollback_done(recovery, number):
            return None
        if recovery is None and killed and number is None:
            _refuse_rollback_after_kill(prod, killed)
        return _restore_entry(prod, number, person, reason, dry_run=False, overwrite=overwrite)


def _is_rollback_done(recovery: RecoveredChange, number: int | None) -> bool:
    """Return whether the recovery of an interrupted change has already done the rollback to entry `number`.

    By default (`number` is None) the rollback takes back one change. If the interrupted change was a promotion that has
    been undone, there is nothing left to take back.
    """
    if recovery.entry.restored_number is None:
        return number is None and not recovery.is_finished
    return recovery.is_finished and number in (None, recovery.entry.restored_number)


def _refuse_rollback_after_kill(prod: ProductionFolder, killed_command: str) -> None:
    """Raise `GateRefusalError` because it is unclear what to take back.

    The command `killed_command` was killed before it began to change PROD, or after it had changed it.
    """
    if entries := prod.history.read_entries():
        raise GateRefusalError(
            f"{killed_command} was killed before its first change of PROD or after its last one, so PROD is as "
            f"{describe_change(entries[-1])} left it. To roll that back: flag-harness gate rollback"
        )


def _restore_entry(
    prod: ProductionFolder, number: int | None, person: str, reason: str, *, dry_run: bool, overwrite: bool
) -> ProductionChange:
    entries = prod.history.read_entries()
    patterns = entries[-1].file_patterns if entries else prod.gate.file_patterns
    before = read_manifest(prod.folder, patterns)
    modified = changed_paths(entries[-1].file_states, before) if entries else []
    if not overwrite:
        refuse_modified_files(prod, modified, entries)
    number = _previous_number(entries, before) if number is None else number
    if not 0 <= number < len(entries):
        numbers = f"0 to {len(entries) - 1}" if entries else "none, because nothing was promoted"
        raise GateRefusalError(f"there is no entry {number} to roll back to; there are: {numbers}")
    entry = HistoryEntry(
        number=len(entries),
        kind="rollback",
        time=current_time_text(),
        person=person,
        reason=reason,
        file_states=_files_of_entry(entries, number),
        file_patterns=patterns,
        restored_number=number,
        overwritten_files={path: before[path] for path in modified if path in before},
    )
    if not dry_run:
        store_files_in_history(prod, prod.folder, entry.overwritten_files)
        change_production_files(prod.history, prod.folder, before, entry)
    return ProductionChange(before, entry, is_made=not dry_run)


def _files_of_entry(entries: Sequence[HistoryEntry], number: int) -> Manifest:
    """Return the files of PROD as the history entry `number` left them.

    Files that are no longer declared are left out. Files that were declared only later are included as they were at
    that time.
    """
    target = entries[number]
    files = dict(target.file_states)
    for entry in entries[number + 1 :]:
        if entry.kind == "found":
            later = {
                path: one
                for path, one in entry.file_states.items()
                if not matches_any_file_pattern(path, target.file_patterns)
            }
            files = {**later, **files}
    return {path: state for path, state in files.items() if matches_any_file_pattern(path, entries[-1].file_patterns)}


def _previous_number(entries: Sequence[HistoryEntry], files: Manifest) -> int:
    """Return the number of the newest earlier entry after which PROD held other files than `files`.

    Raise `GateRefusalError` if there is none.
    """
    if not entries:
        raise GateRefusalError("nothing was promoted, so there is nothing to roll back")
    last = entries[-1]
    number = (last.number if last.restored_number is None else last.restored_number) - 1
    while number >= 0 and _files_of_entry(entries, number) == files:
        number -= 1
    if number < 0:
        raise GateRefusalError("PROD is as it was before the first promotion; name an entry with --to N")
    return number
