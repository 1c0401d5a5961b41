"""Manifests: for each declared file of a folder, the hash of its bytes and whether it is executable."""

import hashlib
import os
import stat
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

import msgspec

from flag_harness.errors import GateError
from flag_harness.files import read_regular_file, reason_unreadable
from flag_harness.gate.declared.patterns import has_dot_name, matches_any_file_pattern

T = TypeVar("T")
MAX_FILE_BYTES = 1 << 28
_IGNORED_FOLDER_NAMES = frozenset({"__pycache__", "site-packages", "dist-packages", "node_modules"})


class FileState(msgspec.Struct, frozen=True):
    """The state of a file: the SHA-256 of its bytes, and whether its owner may execute it."""

    digest: str
    is_executable: bool = False


Manifest: TypeAlias = dict[str, FileState]
"""The states of files by path. Paths are relative to the folder of the files, and have `/` as separator."""


def read_manifest(folder: Path, patterns: Sequence[str]) -> Manifest:
    """Return the states of the files in `folder` that match one of the patterns.

    Raise `GateError` if the folder does not exist, a file cannot be read, or two names are the same on some file
    systems. Raise `GateError` also if a file is reached through a link, because its content could change between check
    and copy.
    """
    if not folder.is_dir():
        raise GateError(f"{folder}: is not a folder; name the folder of the declared files")
    paths = paths_of_declared_files(folder, patterns)
    _refuse_ambiguous_names(folder, paths)
    return {path: read_file_state(folder, path) for path in paths}


def paths_of_declared_files(folder: Path, patterns: Sequence[str]) -> list[str]:
    """Return the sorted paths of the files in `folder` that match one of the patterns, except caches and installed
    packages.
    """
    return sorted(path for path in _file_paths_under(folder, "", patterns) if matches_any_file_pattern(path, patterns))


def _refuse_ambiguous_names(folder: Path, paths: Sequence[str]) -> None:
    """Raise `GateError` if a path is not Unicode, or if two paths differ only in case or in their Unicode form."""
    known: dict[str, str] = {}
    for path in paths:
        if any("\ud800" <= character <= "\udfff" for character in path):
            raise GateError(f"{folder}: the name {path!a} is not Unicode; rename that file")
        other = known.setdefault(unicodedata.normalize("NFC", path).casefold(), path)
        if other != path:
            raise GateError(
                f"{folder}: {other!a} and {path!a} are the same file on some systems, because they differ only in "
                "case or in their Unicode form; rename one of them"
            )


def read_file_state(folder: Path, path: str) -> FileState:
    """Return the state of one file. Raise `GateError` if it cannot be read or is reached through a link."""
    return make_file_state(
        read_declared_file(folder, path), is_executable=bool((folder / path).stat().st_mode & stat.S_IXUSR)
    )


def make_file_state(data: bytes, *, is_executable: bool = False) -> FileState:
    """Return the state of a file that has these bytes."""
    return FileState(hashlib.sha256(data).hexdigest(), is_executable)


def read_declared_file(folder: Path, path: str) -> bytes:
    """Return the bytes of a declared file.

    Raise `GateError` if the file, or a folder on the way to it, is a symbolic link.
    """
    refuse_links(folder, path)
    try:
        return read_regular_file(folder / path, MAX_FILE_BYTES)
    except (OSError, ValueError) as error:
        raise GateError(f"{folder / path}: cannot be read: {reason_unreadable(error)}") from None


def refuse_links(folder: Path, path: str) -> None:
    """Raise `GateError` if the file at `path` in `folder`, or a folder on the way to it, is a symbolic link."""
    step = folder
    for part in path.split("/"):
        step = step / part
        if step.is_symlink():
            raise GateError(f"{step}: is a symbolic link; the gate copies files only, so put the file itself there")


def manifest_digest(manifest: Mapping[str, FileState]) -> str:
    """Return one SHA-256 for a whole manifest: the paths, hashes and permissions of all files."""
    lines = (f"{state.digest} {'x' if state.is_executable else '-'} {path}\0" for path, state in manifest.items())
    return hashlib.sha256("".join(sorted(lines)).encode("utf-8", "surrogateescape")).hexdigest()


def file_digests(files: Mapping[str, FileState]) -> dict[str, str]:
    """Return the SHA-256 of each file by path, as run records hold it."""
    return {path: state.digest for path, state in files.items()}


def changed_paths(old: Mapping[str, T], new: Mapping[str, T]) -> list[str]:
    """Return the sorted paths of the files that were added, changed or removed between two states.

    `old` and `new` hold the state or digest of each file by path.
    """
    return sorted(path for path in {*old, *new} if old.get(path) != new.get(path))


def _file_paths_under(folder: Path, prefix: str, patterns: Sequence[str]) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise GateError(f"{folder}: cannot be read: {error.strerror}") from None
    for entry in entries:
        path = f"{prefix}{entry.name}"
        if not entry.is_dir():
            yield path
        elif not _is_skipped_folder(entry.name, patterns):
            if entry.is_symlink():
                _refuse_linked_folder(folder / entry.name, path, patterns)
            else:
                yield from _file_paths_under(folder / entry.name, f"{path}/", patterns)


def _is_skipped_folder(name: str, patterns: Sequence[str]) -> bool:
    """Return whether files in a folder of this name are ignored: a cache, or a name with a leading dot that no pattern
    has.
    """
    return name in _IGNORED_FOLDER_NAMES or (name.startswith(".") and not any(map(has_dot_name, patterns)))


def _refuse_linked_folder(folder: Path, path: str, patterns: Sequence[str]) -> None:
    for top, _, names in os.walk(folder):
        inside = os.path.relpath(top, folder).replace(os.sep, "/")
        prefix = path if inside == "." else f"{path}/{inside}"
        if any(matches_any_file_pattern(f"{prefix}/{name}", patterns) for name in names):
            raise GateError(f"{folder}: is a link to a folder with declared files; put the folder itself there")
