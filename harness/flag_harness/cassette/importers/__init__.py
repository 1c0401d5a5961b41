"""Private: import cassettes of other tools, today in the formats of all versions of vcrpy and go-vcr.

A new format is a module with two functions, one that recognises a document and one that reads it, which is registered
in `importing.py`.
"""

from flag_harness.cassette.importers.importing import (
    VCRPY_DEFAULT,
    ImportedCassette,
    import_cassette,
    select_stored_match_parts,
)
from flag_harness.cassette.importers.limits import Limits

__all__ = ["VCRPY_DEFAULT", "ImportedCassette", "Limits", "import_cassette", "select_stored_match_parts"]
