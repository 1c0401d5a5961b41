"""The production folder PROD: its files, its history, and the checks before a change."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flag_harness.errors import GateError, GateRefusalError
from flag_harness.gate.declared.manifest import Manifest, changed_paths, read_declared_file, read_manifest
from flag_harness.gate.prod.history import HistoryEntry, ProductionHistory
from flag_harness.gate.prod.journalled_change import describe_interruption
from flag_harness.gate.settings import GateSettings
from flag_harness.wording import join_names


@dataclass(frozen=True, slots=True)
class ProductionChange:
    """A change of PROD. `is_made` is False if it was only a dry run.

    `files_before` has the states of the files before the change, and `entry` is the change's entry in PROD's history.
    """

    files_before: Manifest
    entry: HistoryEntry
    is_made: bool

    @property
    def changed_paths(self) -> list[str]:
        """The paths of the files that the change adds, replaces or removes."""
        return changed_paths(self.files_before, self.entry.file_states)


@dataclass(frozen=True, slots=True)
class ProductionFolder:
    """The production folder (PROD), its history, and the gate that decides which files may go to it."""

    gate: GateSettings
    folder: Path
    history: ProductionHistory

    def find_modified_files(self, entries: Sequence[HistoryEntry]) -> list[str]:
        """Return the declared files of PROD that somebody changed since the last entry of the history.

        Before the first promotion, return the files that were changed since they were copied to TEST.
        """
        last = entries[-1] if entries else self.history.read_staged_files()
        return changed_paths(last.file_states, read_manifest(self.folder, last.file_patterns)) if last else []

    def read_declared_files(self) -> Manifest:
        """Return the states of the declared files that are now in PROD."""
        return read_manifest(self.folder, self.gate.file_patterns)

    def read_files_before_edits(self, entries: Sequence[HistoryEntry]) -> Manifest:
        """Return the states of the declared files of PROD as the last entry left them, before somebody else changed
        any.
        """
        files = self.read_declared_files()
        for path in self.find_modified_files(entries) if entries else []:
            files.pop(path, None)
            if (state := entries[-1].file_states.get(path)) is not None:
                files[path] = state
        return files


def open_production_folder(gate: GateSettings, folder: Path, other_folders: Iterable[Path] = ()) -> ProductionFolder:
    """Return PROD with its history.

    Raise `GateError` if PROD is missing, if the settings name the history of another folder, or if PROD overlaps one of
    the folders in `other_folders`, the history or the approvals.
    """
    if not folder.is_dir():
        raise GateError(
            f"{folder}: there is no such folder; create it, or set PROD_ENV or `prod` in the gate's settings"
        )
    if gate.state_folder and (gate.prod_folder is None or gate.prod_folder.resolve() != folder.resolve()):
        owner = f"{gate.prod_folder}, not of {folder}"
        raise GateError(f"{gate.state_folder}: holds the history of {owner}; leave out the argument PROD")
    state = gate.state_folder or folder.resolve().with_name(f"{folder.resolve().name}.gate")
    for other in (*other_folders, state, gate.approvals_folder):
        one, two = folder.resolve(), other.resolve()
        if one == two or one in two.parents or (two in one.parents and other is not gate.approvals_folder):
            raise GateError(
                f"{folder} and {other} must be separate folders, because only PROD's own files may change it"
            )
    return ProductionFolder(gate, folder, ProductionHistory(state))


def store_files_in_history(prod: ProductionFolder, folder: Path, files: Manifest) -> None:
    """Store the bytes of the files in `folder` in the history.

    Raise `GateRefusalError` if a file changed after it was hashed.
    """
    for path, state in files.items():
        if prod.history.store_content(read_declared_file(folder, path)).digest != state.digest:
            raise GateRefusalError(f"{folder / path}: changed while it was copied; try again when nothing writes there")


def refuse_modified_files(prod: ProductionFolder, modified: Sequence[str], entries: Sequence[HistoryEntry]) -> None:
    """Raise `GateRefusalError` if `modified`, the files of PROD that somebody has changed, is not empty.

    The message depends on whether PROD's history has `entries`.
    """
    if modified:
        before = "the last promotion left it" if entries else "it was staged"
        discard = (
            f"discard it: {restore_command(entries[-1].number)}"
            if entries
            else "discard what TEST changed, and begin again from PROD: flag-harness gate stage --overwrite"
        )
        raise GateRefusalError(
            f"{prod.folder} is not as {before}: {join_names(modified)} changed. Make the same change in TEST, and test "
            f"and promote it; or {discard}"
        )


def refuse_interrupted_change(prod: ProductionFolder) -> None:
    """Raise `GateRefusalError` if a change of PROD was interrupted or is under way."""
    if interruption := describe_interruption(prod.history, prod.folder):
        raise GateRefusalError(interruption)


def restore_command(number: int) -> str:
    """Return the command that restores PROD to the history entry `number`, and so undoes somebody's later edits."""
    return f"flag-harness gate rollback --overwrite --to {number}"


def current_time_text() -> str:
    """Return the current time in ISO 8601, to the microsecond, so that it can be compared with the time of
    an approval.
    """
    return datetime.now(UTC).isoformat(timespec="microseconds")
