"""Private: import cassettes of other tools. The formats of all versions of vcrpy and go-vcr are supported.

A new format is a module with two functions, one that recognises a document and one that reads it. They are registered
in `importing.py`.
"""

from flag_harness.cassette.importers.importing import (
    VCRPY_DEFAULT_MATCH_PARTS,
    ImportedCassette,
    import_cassette,
    select_stored_match_parts,
)
from flag_harness.cassette.importers.limits import ImportLimits

__all__ = [
    "VCRPY_DEFAULT_MATCH_PARTS",
    "ImportLimits",
    "ImportedCassette",
    "import_cassette",
    "select_stored_match_parts",
]
