"""A cassette: the recorded interactions of a test, with metadata that describes the recording."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from flag_harness.cassette.file.blobs import BLOB_FOLDER, BlobFolderReader, relative_folder, write_blobs
from flag_harness.cassette.file.format import DecodedCassette, decode_cassette, encode_cassette_with_files
from flag_harness.cassette.file.large import InteractionsOnDisk, decode_large_cassette, refuse_unreadable_sizes
from flag_harness.cassette.interaction import CassetteMetadata, Interaction, is_same_recording
from flag_harness.cassette.match.index import RequestIndex
from flag_harness.cassette.redact.scan import refuse_api_keys
from flag_harness.errors import CassetteError
from flag_harness.files import read_regular_file, regular_file_size, write_atomically

MAX_CASSETTE_BYTES = 256 << 20
"""The largest cassette file in bytes that is written or read: a hundred times the size of the largest known one."""
_MIN_BYTES_OF_LARGE_FILE = 4 << 20


@dataclass(frozen=True)
class Cassette:
    """Recorded requests with their responses, in the order in which the requests were sent."""

    metadata: CassetteMetadata
    interactions: Sequence[Interaction]
    path: Path | None = None
    blob_folder: Path | None = field(default=None, compare=False)
    """The folder from which separate files of the cassette were loaded, or None if it has none."""
    has_parts: bool = field(default=False, compare=False)
    """Whether large values that the cassette has in common with others are stored in separate files, which
    they share.
    """

    @classmethod
    def load(cls, path: str | Path) -> "Cassette":
        """Load a cassette. Raise `CassetteError` naming the file and its invalid part if it is unreadable."""
        path = Path(path)
        reader = BlobFolderReader(path)
        try:
            content = read_cassette_file(path, reader)
        except FileNotFoundError:
            raise CassetteError(_missing_file_message(path)) from None
        except (OSError, ValueError) as error:
            raise CassetteError(f"{path}: cannot be read as a cassette: {error}") from None
        return cls(content.metadata, tuple(content.interactions), path, reader.folder, content.has_parts)

    def save(
        self,
        path: str | Path,
        blob_folder: Path | None = None,
        *,
        stored: "Cassette | None" = None,
        max_age: timedelta | None = None,
    ) -> bool:
        """Write the cassette atomically unless the file is up to date; return whether it was written.

        A file that differs only in times counts as up to date; if it is older than `max_age`, only its recording date
        is updated. `stored` is the cassette that the file has now, if the caller has loaded it.

        Large base64 strings are written to files of their own and, if the cassette `has_parts`, so are values that
        several cassettes may share. These files are written before the cassette: to the folder `blob_folder`, else to
        the folder from which they were loaded, else to `blob_folder` beside the cassette.

        Raise `CassetteError` if the cassette contains what looks like an API key, or is too large to be read again.
        Raise `OSError` if writing fails. In both cases the old file stays.
        """
        path = Path(path)
        refuse_api_keys(path, self.metadata, self.interactions)
        old = stored or _load_if_readable(path)
        if old is None or not self._differs_only_in_times(old):
            self._write_files(path, blob_folder or self.blob_folder or path.parent / BLOB_FOLDER)
            return True
        if max_age is None or not _is_older_than(max_age, old.metadata.recorded_at, self.metadata.recorded_at):
            return False
        renewed = replace(old, metadata=replace(old.metadata, recorded_at=self.metadata.recorded_at))
        renewed._write_files(path, old.blob_folder or path.parent / BLOB_FOLDER)
        return True

    @cached_property
    def index(self) -> RequestIndex:
        """The index that finds interactions by their request. It is built on first use."""
        return RequestIndex(self.interactions, self.metadata.match_on)

    def _write_files(self, path: Path, folder: Path) -> None:
        names = relative_folder(folder, path.parent)
        encoded = encode_cassette_with_files(self.metadata, self.interactions, names, in_parts=self.has_parts)
        if len(encoded.data) > MAX_CASSETTE_BYTES:
            raise CassetteError(
                f"{path} was not written: it would have {len(encoded.data):,} bytes, and at most "
                f"{MAX_CASSETTE_BYTES:,} are read; split the test, or let it ask for less"
            )
        try:
            if len(encoded.data) > _MIN_BYTES_OF_LARGE_FILE:
                refuse_unreadable_sizes(encoded.data)
            write_blobs(folder, encoded.shared_files)
            write_atomically(path, encoded.data)
        except ValueError as error:
            raise CassetteError(f"{path} was not written: {error}") from None

    def _differs_only_in_times(self, old: "Cassette") -> bool:
        return (
            _provenance_fields(old.metadata) == _provenance_fields(self.metadata)
            and len(old.interactions) == len(self.interactions)
            and all(map(is_same_recording, old.interactions, self.interactions))
        )


def read_cassette_file(path: Path, reader: BlobFolderReader) -> DecodedCassette:
    """Decode a cassette file, whose separate files `reader` reads. Raise `OSError` or `ValueError` if that is not
    possible.

    A large file is read twice, interaction by interaction, which takes less memory.
    """
    if regular_file_size(path, MAX_CASSETTE_BYTES) <= _MIN_BYTES_OF_LARGE_FILE:
        return decode_cassette(read_regular_file(path, MAX_CASSETTE_BYTES), reader)
    with path.open("rb") as file:
        return decode_large_cassette(file, reader)


def open_cassette(path: Path) -> Cassette:
    """Load a cassette. Raise `CassetteError` if it is unreadable.

    The interactions of a large file are not kept in memory: each is read from the file whenever it is needed, and only
    then raises `CassetteError` if it is invalid.
    """
    try:
        if regular_file_size(path, MAX_CASSETTE_BYTES) > _MIN_BYTES_OF_LARGE_FILE:
            rows = InteractionsOnDisk(path, BlobFolderReader(path))
            return Cassette(rows.metadata, rows, path, rows.blob_folder, rows.has_parts)
    except FileNotFoundError:
        raise CassetteError(_missing_file_message(path)) from None
    except (OSError, ValueError) as error:
        raise CassetteError(f"{path}: cannot be read as a cassette: {error}") from None
    return Cassette.load(path)


def _load_if_readable(path: Path) -> Cassette | None:
    """Load the cassette at `path`, or return None if the file does not exist or cannot be read."""
    try:
        return Cassette.load(path) if path.exists() else None
    except CassetteError:
        return None


def _is_older_than(max_age: timedelta, recorded_at: str, now: str) -> bool:
    """Return whether a recording is older than `max_age` at the time `now`, or False if its date is unknown."""
    try:
        return datetime.fromisoformat(now) - datetime.fromisoformat(recorded_at) > max_age
    except (TypeError, ValueError):
        return False


def _provenance_fields(metadata: CassetteMetadata) -> tuple[str, ...]:
    """Return those parts of a cassette's metadata that must be equal for two recordings to count as the same.

    These are all fields except the date and the version of the SDK.
    """
    marks = (
        *metadata.fidelity,
        *metadata.match_on,
        "rebased" if metadata.is_rebased else "",
        metadata.excluded_from_effects,
    )
    return metadata.upstream, metadata.case, metadata.combination, *marks


def _missing_file_message(path: Path) -> str:
    """Return an error message for a missing cassette. It suggests the file in the folder with the most similar name."""
    names = sorted(one.name for one in path.parent.glob("*.json")) if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, names, n=1, cutoff=0.0)
    hint = f"the nearest is {near[0]!r}" if near else f"there are no cassettes in {path.parent}; pytest records them"
    return f"{path}: cannot be read as a cassette: no such file; {hint}"
