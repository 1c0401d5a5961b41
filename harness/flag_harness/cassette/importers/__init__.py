"""Foreign cassettes, read into ours: vcrpy of every age, and go-vcr."""

from flag_harness.cassette.importers.importing import VCRPY_DEFAULT, Imported, import_cassette, match_words
from flag_harness.cassette.importers.limits import Limits

__all__ = ["VCRPY_DEFAULT", "Imported", "Limits", "import_cassette", "match_words"]
