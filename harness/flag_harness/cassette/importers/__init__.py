"""Private: import cassettes of other tools, in the formats of all versions of vcrpy and go-vcr."""

from flag_harness.cassette.importers.importing import (
    VCRPY_DEFAULT,
    ImportedCassette,
    import_cassette,
    stored_match_parts,
)
from flag_harness.cassette.importers.limits import Limits

__all__ = ["VCRPY_DEFAULT", "ImportedCassette", "Limits", "import_cassette", "stored_match_parts"]
