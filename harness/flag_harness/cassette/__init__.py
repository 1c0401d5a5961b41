"""Record and replay: cassettes, the recorder that makes them, and the upstream that plays them."""

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.interaction import Envelope, Interaction
from flag_harness.cassette.match.miss import Miss
from flag_harness.cassette.match.normalisers import NO_NORMALISERS, Normalisers
from flag_harness.cassette.recorder import Recorder
from flag_harness.cassette.redact.edits import REDACTED
from flag_harness.cassette.redact.filters import NO_FILTERS, Filters
from flag_harness.cassette.replay import Replay, replay

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
