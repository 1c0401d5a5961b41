"""Cassettes: record interactions, save and load them, and replay them as an upstream.

These names are public; every module below this package is private and may change without notice.

- `Cassette`: the recorded interactions of a test, with `load` and `save`.
- `Envelope`: describes a recording: when, by which upstream, SDK and test it was made.
- `Interaction`: one request and its response.
- `Recorder`: a layer that records what passes.
- `replay`: makes an upstream of a cassette; `Replay` is its class.
- `Miss`: a request without a recorded answer, with the nearest interaction and the differences.
- `Filters`: what a cassette must not keep; `NO_FILTERS` keeps everything; `REDACTED` replaces what was removed.
- `Normalisers`: what matching ignores; `NO_NORMALISERS` ignores nothing.
"""

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
