"""Change PROD, and describe the change in a journal first, so that the next command can finish or undo it if
interrupted.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flag_harness.errors import GateError, GateRefusalError
from flag_harness.files import remove_abandoned_temporary_files, write_atomically
from flag_harness.gate.declared.manifest import FileState, changed_paths, read_file_state, refuse_links
from flag_harness.gate.prod.history import ChangeJournal, HistoryEntry, ProductionHistory, flush_folder_to_disk
from flag_harness.wording import count_with_noun, join_names


@dataclass(frozen=True, slots=True)
class RecoveredChange:
    """An interrupted change of PROD that was finished (`is_finished` is True) or undone.

    `entry` is its history entry.
    """

    entry: HistoryEntry
    is_finished: bool


def change_production_files(
    history: ProductionHistory, prod: Path, before: Mapping[str, FileState], entry: HistoryEntry
) -> list[str]:
    """Change the files of PROD from `before` to those of the entry, add the entry to the history, and return the
    changed paths.

    The caller must hold the lock, and the history must have the bytes of all files. Raise `GateRefusalError` if a file
    is not as in `before`. Raise `GateError` if a file cannot be written; the next command then finishes or undoes the
    change.
    """
    journal = ChangeJournal(dict(before), entry)
    for path in changed_paths(before, entry.file_states):
        if (state := entry.file_states.get(path)) is not None:
            history.read_content(state.digest)  # notice a damaged history before PROD is changed
        if _state_of_file_or_none(prod, path) != before.get(path):
            raise GateRefusalError(f"{prod / path} changed while PROD was read; try again when nothing writes there")
    history.write_journal(journal)
    return _finish_change(history, prod, journal)


def finish_or_undo_interrupted_change(
    history: ProductionHistory, prod: Path, print_message: Callable[[str], None]
) -> RecoveredChange | None:
    """Finish or undo an interrupted change, and report it by calling `print_message`. Return None if no change was
    interrupted.

    A change that has replaced no file yet is undone; any other is finished. The caller must hold the lock. Raise
    `GateRefusalError` if a file has neither its state before the change nor its state after it.
    """
    if (journal := history.read_journal()) is None:
        return None
    states = _file_states(prod, journal)
    _refuse_modified_files(prod, journal, states)
    for path in states:
        remove_abandoned_temporary_files(prod / path, of_any_age=True)
    replaced = sum(state == journal.entry.file_states.get(path) for path, state in states.items())
    name = describe_change(journal.entry)
    if states and not replaced:
        history.remove_journal()
        print_message(
            f"{name} was interrupted before it changed a file, so it is undone: PROD has the same files as before"
        )
        return RecoveredChange(journal.entry, is_finished=False)
    _finish_change(history, prod, journal)
    restored = journal.entry.restored_number
    which = "promoted files" if restored is None else f"files of entry {restored} again"
    changed = f"{replaced} of {count_with_noun(len(states), 'file')}"
    print_message(f"{name} was interrupted after {changed}, so it is finished: PROD has the {which}")
    return RecoveredChange(journal.entry, is_finished=True)


def describe_interruption(history: ProductionHistory, prod: Path) -> str:
    """Return what an interrupted change left in PROD and what to type, or an empty string if no change was interrupted.

    Nothing is changed.
    """
    if (journal := history.read_journal()) is None:
        return ""
    states, is_rollback = _file_states(prod, journal), journal.entry.restored_number is not None
    replaced = sum(state == journal.entry.file_states.get(path) for path, state in states.items())
    return (
        f"{describe_change(journal.entry)} is under way or was interrupted: {replaced} of "
        f"{count_with_noun(len(states), 'file')} of PROD are {'restored' if is_rollback else 'replaced'}. To finish "
        f"it: flag-harness gate {'rollback' if is_rollback else 'promote'}"
        + ("" if is_rollback else "; to undo it: flag-harness gate rollback")
    )


def describe_change(entry: HistoryEntry) -> str:
    """Return the name of a change of PROD for messages, such as `rollback 5 (to 3)`."""
    return f"{entry.kind} {entry.number}" + ("" if entry.restored_number is None else f" (to {entry.restored_number})")


def _finish_change(history: ProductionHistory, prod: Path, journal: ChangeJournal) -> list[str]:
    paths = changed_paths(journal.files_before, journal.entry.file_states)
    for path in paths:
        _change_file(history, prod, path, journal)
    history.add_entry(journal.entry)
    history.remove_journal()
    return paths


def _change_file(history: ProductionHistory, prod: Path, path: str, journal: ChangeJournal) -> None:
    state, target = _state_of_file_or_none(prod, path), journal.entry.file_states.get(path)
    if state == target:
        return
    if state != journal.files_before.get(path):
        _refuse_modified_files(prod, journal, {path: state})
    try:
        if target is None:
            (prod / path).unlink(missing_ok=True)
        else:
            write_atomically(prod / path, history.read_content(target.digest), is_executable=target.is_executable)
    except OSError as error:
        raise GateError(
            f"{prod / path}: cannot be changed: {error.strerror}; fix that, and run the command again to finish"
        ) from None
    flush_folder_to_disk((prod / path).parent)


def _file_states(prod: Path, journal: ChangeJournal) -> dict[str, FileState | None]:
    return {
        path: _state_of_file_or_none(prod, path)
        for path in changed_paths(journal.files_before, journal.entry.file_states)
    }


def _state_of_file_or_none(prod: Path, path: str) -> FileState | None:
    refuse_links(prod, path)
    return read_file_state(prod, path) if (prod / path).exists() else None


def _refuse_modified_files(prod: Path, journal: ChangeJournal, states: Mapping[str, FileState | None]) -> None:
    known = (journal.files_before, journal.entry.file_states)
    modified = [path for path, state in states.items() if all(state != files.get(path) for files in known)]
    if modified:
        raise GateRefusalError(
            f"{prod}: {join_names(modified)} changed while {journal.entry.kind} {journal.entry.number} was "
            "interrupted, and is neither the old nor the new file; put one of them back, and try again"
        )
