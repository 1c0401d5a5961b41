"""Cassettes: record interactions, save and load them, and replay them as an upstream.

These names are public; every module below this package is private and may change without notice.

- `Cassette`: the recorded interactions of a test, with `load` and `save`.
- `CassetteMetadata`: describes a recording: its date, its upstream (live or simulated), its SDK and its test.
- `Interaction`: one request and its response.
- `Recorder`: records the requests and responses that pass through it.
- `replay`: returns a `Replay`, which answers requests from a cassette.
- `Miss`: a request without a recorded answer, with the nearest interaction and the differences.
- `Filters`: the secrets to remove from a cassette; `NO_FILTERS` removes none; `REDACTED` replaces a removed value.
- `Normalisers`: the parts of requests that matching ignores; `NO_NORMALISERS` ignores none.
"""

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.interaction import CassetteMetadata, Interaction
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
    "CassetteMetadata",
    "Filters",
    "Interaction",
    "Miss",
    "Normalisers",
    "Recorder",
    "Replay",
    "replay",
]
