"""vcrpy's cassettes played where they lie, as vcrpy plays them: its settings, its request, its matchers."""

from flag_harness.vcr.played import VcrCassette
from flag_harness.vcr.request import VcrRequest
from flag_harness.vcr.settings import SERIALIZERS, VcrSettings, settings_of

__all__ = ["SERIALIZERS", "VcrCassette", "VcrRequest", "VcrSettings", "settings_of"]
