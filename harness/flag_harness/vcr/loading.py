"""Load vcrpy's cassettes from their own files."""

from collections.abc import Iterable
from pathlib import Path

from flag_harness.cassette.importers import vcrpy
from flag_harness.cassette.importers.document import parse_document
from flag_harness.cassette.importers.limits import Limits
from flag_harness.cassette.importers.source import SourceInteraction
from flag_harness.errors import CassetteError


def load_interactions(paths: Iterable[Path]) -> list[SourceInteraction]:
    """Load the interactions of all files that exist, each once. Raise `CassetteError` naming an invalid file."""
    return [row for path in dict.fromkeys(paths) if path.is_file() for row in _load_file(path)]


def _load_file(path: Path) -> list[SourceInteraction]:
    try:
        data = path.read_bytes()
        document = parse_document(data, Limits()) if data.strip() else []
        rows = document.get("interactions") if isinstance(document, dict) else document
        if not isinstance(rows, list):
            raise ValueError("it has no list of interactions")  # noqa: TRY004, TRY301 - a value read from a file
        return list(vcrpy.read_vcrpy(rows))
    except (OSError, ValueError, RecursionError) as error:
        raise CassetteError(f"{path}: cannot be read as a cassette of vcrpy: {error}") from None
