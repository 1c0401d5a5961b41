"""A cassette: the recorded interactions of one test, and what is known of how they were made."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path

from flag_harness.cassette.file.blobs import FOLDER, BlobFolderReader, relative_folder, write_blobs
from flag_harness.cassette.file.format import decode_file, encode_files
from flag_harness.cassette.interaction import Envelope, Interaction, same_but_for_times
from flag_harness.cassette.match.index import Index
from flag_harness.cassette.redact.scan import refuse_keys
from flag_harness.errors import CassetteError
from flag_harness.files import read_regular, write_whole

LARGEST = 256 << 20
"""Bytes of a file that is still read as a cassette: some hundred times the largest recording known to us."""


@dataclass(frozen=True)
class Cassette:
    """Recorded interactions, in the order in which their requests were sent."""

    envelope: Envelope
    interactions: tuple[Interaction, ...]
    path: Path | None = None
    blobs: Path | None = field(default=None, compare=False)
    """The folder of its large blocks, where it was loaded with some."""

    @classmethod
    def load(cls, path: str | Path) -> "Cassette":
        """Read a cassette. Raises `CassetteError` naming the file and the place that cannot be understood."""
        path = Path(path)
        reader = BlobFolderReader(path)
        try:
            envelope, interactions = decode_file(read_regular(path, LARGEST), reader)
        except (OSError, ValueError, RecursionError) as error:
            raise CassetteError(f"{path}: cannot be read as a cassette: {error}") from None
        return cls(envelope, tuple(interactions), path, reader.folder)

    def save(
        self,
        path: str | Path,
        blobs: Path | None = None,
        *,
        instead_of: "Cassette | None" = None,
        most_age: timedelta | None = None,
    ) -> bool:
        """Write the cassette, whole or not at all; leave a file that differs in nothing but times as it is.

        Where that file is older than `most_age`, it says anew when it was recorded, and nothing else in it changes.
        `instead_of` is what the file holds, where that is known. Large blocks are written first, each to a file of its
        own in `blobs`: the folder of which the cassette was loaded, or `blobs` beside the file, unless another is
        given. Returns whether the cassette was written. Raises `CassetteError` where something in it still looks like
        a key.
        """
        path = Path(path)
        refuse_keys(path, self.envelope, self.interactions)
        old = instead_of or _readable(path)
        if old is None or not self._differs_only_in_times(old):
            self._write(path, blobs or self.blobs or path.parent / FOLDER)
            return True
        if most_age is None or not _exceeded(most_age, old.envelope.recorded_at, self.envelope.recorded_at):
            return False
        renewed = replace(old, envelope=replace(old.envelope, recorded_at=self.envelope.recorded_at))
        renewed._write(path, old.blobs or path.parent / FOLDER)
        return True

    @cached_property
    def index(self) -> Index:
        """Which interactions answer a request; made when it is first asked for."""
        return Index(self.interactions, self.envelope.match_on)

    def _write(self, path: Path, folder: Path) -> None:
        data, blocks = encode_files(self.envelope, self.interactions, relative_folder(folder, path.parent))
        write_blobs(folder, blocks)
        write_whole(path, data)

    def _differs_only_in_times(self, old: "Cassette") -> bool:
        return (
            _provenance(old.envelope) == _provenance(self.envelope)
            and len(old.interactions) == len(self.interactions)
            and all(map(same_but_for_times, old.interactions, self.interactions))
        )


def _readable(path: Path) -> Cassette | None:
    """What the file holds, if there is one and it can be read."""
    try:
        return Cassette.load(path) if path.exists() else None
    except CassetteError:
        return None


def _exceeded(most: timedelta, recorded_at: str, now: str) -> bool:
    """Whether more time has passed; not, where the recording does not say when it was made."""
    try:
        return datetime.fromisoformat(now) - datetime.fromisoformat(recorded_at) > most
    except (TypeError, ValueError):
        return False


def _provenance(envelope: Envelope) -> tuple[str, ...]:
    """What makes two recordings differ beside their interactions: not when, and not by which release of the SDK."""
    marks = (*envelope.fidelity, *envelope.match_on, "rebased" if envelope.rebased else "")
    return envelope.upstream, envelope.case, envelope.combination, *marks
