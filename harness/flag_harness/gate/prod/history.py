"""The history of PROD: an entry for each promotion and rollback, and the bytes of every file that was ever in PROD."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from flag_harness.errors import GateError, GateRefusalError
from flag_harness.files import read_regular_file, reason_unreadable, write_atomically
from flag_harness.gate.declared.manifest import MAX_FILE_BYTES, FileState, make_file_state

T = TypeVar("T")
_LOCK_FILE, _JOURNAL_FILE, _STAGED_FILES_FILE, _ENTRIES_FOLDER, _FILE_CONTENTS_FOLDER = (
    "lock",
    "journal.json",
    "staged.json",
    "entries",
    "blobs",
)


class HistoryEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change of PROD.

    Attributes:
        number: counted from 0.
        kind: `promotion`, `rollback`, or `found` for the files that were in PROD before the first promotion, or before
            the first one with other patterns.
        time: the time of the change, in ISO 8601.
        person: who approved a promotion, or who rolled back.
        reason: why.
        file_states: the state of each declared file afterwards.
        file_patterns: the patterns of the declared files.
        restored_number: the number of the entry that a rollback restored, or None.
        approval_file: the name of the approval's file, or empty.
        digest_by_record_path: the SHA-256 of each record of the evidence, by path.
        overwritten_files: the files that somebody had changed since the previous entry, and that were overwritten on
            request.
    """

    number: int
    kind: Literal["found", "promotion", "rollback"]
    time: str
    person: str = msgspec.field(default="", name="name")
    reason: str = ""
    file_states: dict[str, FileState] = msgspec.field(name="files")
    file_patterns: tuple[str, ...] = msgspec.field(name="patterns")
    restored_number: int | None = msgspec.field(default=None, name="restored")
    approval_file: str = msgspec.field(default="", name="approval")
    digest_by_record_path: dict[str, str] = msgspec.field(default_factory=dict, name="evidence")
    overwritten_files: dict[str, FileState] = msgspec.field(default_factory=dict, name="overwritten")


class ChangeJournal(msgspec.Struct, frozen=True):
    """A change of PROD (the production folder) that is under way: the files before it, and its history entry."""

    files_before: dict[str, FileState] = msgspec.field(name="before")
    entry: HistoryEntry


class StagedFiles(msgspec.Struct, frozen=True):
    """The declared files of PROD at the time when they were copied to TEST, and the patterns of the declared files."""

    file_states: dict[str, FileState] = msgspec.field(name="files")
    file_patterns: tuple[str, ...] = msgspec.field(name="patterns")


class ProductionHistory:
    """The folder with the history of one production folder (PROD).

    It holds the `entries/`, the bytes of files by hash in `blobs/`, the journal of a change that is under way, the
    lock, and which files were copied to TEST before the first promotion.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def hold_lock(self, lock_holder: str) -> Iterator[str]:
        """Hold the lock of PROD inside the context. `lock_holder` is stored as the holder.

        Yield the last holder if its process was killed while it held the lock, else an empty string. Raise
        `GateRefusalError`, which names the holder, if another process has the lock.
        """
        try:
            import fcntl
        except ImportError:
            raise GateError("promote and rollback need a POSIX system: they lock PROD with flock") from None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.folder / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise GateError(f"{self.folder}: cannot be written: {error.strerror}; set `state` to a folder") from None
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _read_lock_holder(descriptor) or "another process"
                raise GateRefusalError(
                    f"{holder} is changing PROD right now; wait until it has finished, and try again"
                ) from None
            killed = _read_lock_holder(descriptor)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} ({lock_holder})".encode(), 0)
            try:
                self._remove_partial_files()
                yield killed
            finally:
                os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def read_entries(self) -> list[HistoryEntry]:
        """Return all entries, oldest first. Raise `GateError` if one is missing or cannot be read."""
        paths = sorted((self.folder / _ENTRIES_FOLDER).glob("*.json"))
        entries = [self._decode_file(path, HistoryEntry) for path in paths]
        for number, entry in enumerate(entries):
            if entry.number != number:
                raise GateError(f"{self.folder / _ENTRIES_FOLDER}: entry {number} is missing; restore it from a backup")
        return entries

    def add_entry(self, entry: HistoryEntry) -> None:
        """Write an entry of the history. Writing the same entry again changes nothing."""
        self._write_file(self.folder / _ENTRIES_FOLDER / f"{entry.number:06}.json", msgspec.json.encode(entry))

    def read_journal(self) -> ChangeJournal | None:
        """Return the journal (description) of a change that is under way or was interrupted, or None if
        there is none.
        """
        path = self.folder / _JOURNAL_FILE
        return self._decode_file(path, ChangeJournal) if path.exists() else None

    def write_journal(self, journal: ChangeJournal) -> None:
        """Write the journal of a change that is about to begin, so that the change can be finished if it is
        interrupted.
        """
        self._write_file(self.folder / _JOURNAL_FILE, msgspec.json.encode(journal))

    def remove_journal(self) -> None:
        """Remove the journal, because the change that it describes is complete."""
        (self.folder / _JOURNAL_FILE).unlink(missing_ok=True)
        flush_folder_to_disk(self.folder)

    def read_staged_files(self) -> StagedFiles | None:
        """Return the files that were copied to TEST before the first promotion, or None if none were."""
        path = self.folder / _STAGED_FILES_FILE
        return self._decode_file(path, StagedFiles) if path.exists() else None

    def write_staged_files(self, staged: StagedFiles) -> None:
        """Write which files of PROD were copied to TEST, so that the first promotion notices if PROD was
        changed since.
        """
        self._write_file(self.folder / _STAGED_FILES_FILE, msgspec.json.encode(staged))

    def store_content(self, data: bytes) -> FileState:
        """Store the bytes of a file, and return the file's state (its hash)."""
        state = make_file_state(data)
        path = self.content_path(state.digest)
        if not path.is_file() or path.read_bytes() != data:
            self._write_file(path, data)
        return state

    def read_content(self, digest: str) -> bytes:
        """Return the stored bytes whose SHA-256 is `digest`. Raise `GateError` if they are missing or damaged."""
        path = self.content_path(digest)
        try:
            data = read_regular_file(path, MAX_FILE_BYTES)
        except (OSError, ValueError) as error:
            raise GateError(f"{path}: cannot be read: {reason_unreadable(error)}; restore it from a backup") from None
        if make_file_state(data).digest != digest:
            raise GateError(f"{path}: is damaged: its hash does not match its name; restore it from a backup")
        return data

    def content_path(self, digest: str) -> Path:
        """Return the path of the stored bytes whose SHA-256 is `digest`."""
        return self.folder / _FILE_CONTENTS_FOLDER / digest[:2] / digest

    def _remove_partial_files(self) -> None:
        """Remove the partial files that killed processes left in this folder. The caller holds the lock."""
        for part in self.folder.rglob(".*.part"):
            part.unlink(missing_ok=True)

    def _write_file(self, path: Path, data: bytes) -> None:
        try:
            write_atomically(path, data)
        except OSError as error:
            raise GateError(f"{path}: cannot be written: {error.strerror}; fix that, and try again") from None
        flush_folder_to_disk(path.parent)

    def _decode_file(self, path: Path, kind: type[T]) -> T:
        try:
            return msgspec.json.decode(read_regular_file(path, MAX_FILE_BYTES), type=kind)
        except (OSError, ValueError, RecursionError) as error:
            raise GateError(f"{path}: cannot be read: {error}; restore it from a backup") from None


def _read_lock_holder(descriptor: int) -> str:
    return os.pread(descriptor, 200, 0).decode("utf-8", "replace")


def flush_folder_to_disk(folder: Path) -> None:
    """Flush the list of a folder's files to disk, on systems that support this, so that a power failure
    loses no file.
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
