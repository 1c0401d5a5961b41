"""A cassette: the recorded interactions of one test, and what is known of how they were made."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.cassette.format import decode_file, encode_file
from harness.cassette.index import Index
from harness.cassette.interaction import Envelope, Interaction, same_but_for_times
from harness.cassette.scan import refuse_keys
from harness.errors import CassetteError
from harness.files import write_whole


@dataclass(frozen=True)
class Cassette:
    """Recorded interactions, in the order in which their requests were sent."""

    envelope: Envelope
    interactions: tuple[Interaction, ...]
    path: Path | None = None

    @classmethod
    def load(cls, path: str | Path) -> "Cassette":
        """Read a cassette. Raises `CassetteError` naming the file and the place that cannot be understood."""
        path = Path(path)
        try:
            envelope, interactions = decode_file(path.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise CassetteError(f"{path}: cannot be read as a cassette: {error}") from None
        return cls(envelope, tuple(interactions), path)

    def save(self, path: str | Path) -> bool:
        """Write the cassette, whole or not at all; leave a file that differs in nothing but times as it is.

        Returns whether the file was written. Raises `CassetteError` where something in it still looks like a key.
        """
        path = Path(path)
        refuse_keys(path, self.envelope, self.interactions)
        if path.exists() and self._differs_only_in_times(path):
            return False
        write_whole(path, encode_file(self.envelope, self.interactions))
        return True

    @cached_property
    def index(self) -> Index:
        """Which interactions answer a request; made when it is first asked for."""
        return Index(self.interactions, self.envelope.match_on)

    def _differs_only_in_times(self, path: Path) -> bool:
        try:
            old = Cassette.load(path)
        except CassetteError:
            return False
        return (
            _provenance(old.envelope) == _provenance(self.envelope)
            and len(old.interactions) == len(self.interactions)
            and all(map(same_but_for_times, old.interactions, self.interactions))
        )


def _provenance(envelope: Envelope) -> tuple[str, ...]:
    """What makes two recordings differ beside their interactions: not when, and not by which release of the SDK."""
    marks = (*envelope.fidelity, *envelope.match_on, "rebased" if envelope.rebased else "")
    return envelope.upstream, envelope.case, envelope.combination, *marks
