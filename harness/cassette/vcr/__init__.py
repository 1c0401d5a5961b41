"""vcrpy's cassettes played where they lie, as vcrpy plays them: its settings, its request, its matchers."""

from harness.cassette.vcr.played import VcrCassette
from harness.cassette.vcr.request import VcrRequest
from harness.cassette.vcr.settings import SERIALIZERS, VcrSettings, settings_of

__all__ = ["SERIALIZERS", "VcrCassette", "VcrRequest", "VcrSettings", "settings_of"]
