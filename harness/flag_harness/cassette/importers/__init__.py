"""Private: import foreign cassettes, those of all versions of vcrpy and of go-vcr."""

from flag_harness.cassette.importers.importing import (
    VCRPY_DEFAULT,
    ImportedCassette,
    import_cassette,
    stored_match_parts,
)
from flag_harness.cassette.importers.limits import Limits

__all__ = ["VCRPY_DEFAULT", "ImportedCassette", "Limits", "import_cassette", "stored_match_parts"]
