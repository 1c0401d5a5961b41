"""vcrpy's cassettes read where they lie."""

from collections.abc import Iterable
from pathlib import Path

from flag_harness.cassette.importers import vcrpy
from flag_harness.cassette.importers.document import plain_values
from flag_harness.cassette.importers.limits import Limits
from flag_harness.cassette.importers.source import SourceInteraction
from flag_harness.errors import CassetteError


def rows_of(paths: Iterable[Path]) -> list[SourceInteraction]:
    """The interactions of all the files that exist, each read once. Raises `CassetteError` naming the file."""
    return [row for path in dict.fromkeys(paths) if path.is_file() for row in _rows(path)]


def _rows(path: Path) -> list[SourceInteraction]:
    try:
        data = path.read_bytes()
        document = plain_values(data, Limits()) if data.strip() else []
        rows = document.get("interactions") if isinstance(document, dict) else document
        if not isinstance(rows, list):
            raise ValueError("it has no list of interactions")  # noqa: TRY004, TRY301 - a value read from a file
        return list(vcrpy.interactions(rows))
    except (OSError, ValueError, RecursionError) as error:
        raise CassetteError(f"{path}: cannot be read as a cassette of vcrpy: {error}") from None
