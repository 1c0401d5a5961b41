"""Record and replay: cassettes, the recorder that makes them, and the upstream that plays them."""

from harness.cassette.cassette import Cassette
from harness.cassette.edits import REDACTED
from harness.cassette.filters import NO_FILTERS, Filters
from harness.cassette.interaction import Envelope, Interaction
from harness.cassette.miss import Miss
from harness.cassette.normalise import NO_NORMALISERS, Normalisers
from harness.cassette.recorder import Recorder
from harness.cassette.replay import Replay, replay

__all__ = [
    "NO_FILTERS",
    "NO_NORMALISERS",
    "REDACTED",
    "Cassette",
    "Envelope",
    "Filters",
    "Interaction",
    "Miss",
    "Normalisers",
    "Recorder",
    "Replay",
    "replay",
]
