"""Play and record cassettes in vcrpy's format, with vcrpy's settings, filters and matchers.

`__all__` lists the public names. The fixture `vcr` yields a `VcrCassette`; the matchers and filters of a vcrpy test
suite receive a `VcrRequest`. The modules of this package are private.
"""

from flag_harness.vcr.cassette import VcrCassette
from flag_harness.vcr.request import VcrRequest
from flag_harness.vcr.serializers import SERIALIZERS
from flag_harness.vcr.settings import VcrSettings, parse_settings

__all__ = ["SERIALIZERS", "VcrCassette", "VcrRequest", "VcrSettings", "parse_settings"]
