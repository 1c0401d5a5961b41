"""Play and record vcrpy's cassettes in place, as vcrpy does, with its settings, filters and matchers.

`__all__` lists the public names: `VcrCassette` is what the fixture `vcr` yields, `VcrRequest` what matchers and filters
of a vcrpy suite receive. The modules of this package are private.
"""

from flag_harness.vcr.cassette import VcrCassette
from flag_harness.vcr.request import VcrRequest
from flag_harness.vcr.serializers import SERIALIZERS
from flag_harness.vcr.settings import VcrSettings, parse_settings

__all__ = ["SERIALIZERS", "VcrCassette", "VcrRequest", "VcrSettings", "parse_settings"]
