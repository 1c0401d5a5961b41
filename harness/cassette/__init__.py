"""Record and replay: cassettes, the recorder that makes them, and the upstream that plays them."""

from harness.cassette.cassette import Cassette
from harness.cassette.filters import NO_FILTERS, REDACTED, Filters
from harness.cassette.interaction import Envelope, Interaction
from harness.cassette.recorder import Recorder
from harness.cassette.replay import Replay, replay

__all__ = ["NO_FILTERS", "REDACTED", "Cassette", "Envelope", "Filters", "Interaction", "Recorder", "Replay", "replay"]
