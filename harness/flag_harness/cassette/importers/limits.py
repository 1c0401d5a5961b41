"""Limits on the size of imported files."""

from dataclasses import dataclass

from flag_harness.wire.compression import MIN_DECOMPRESSED_LIMIT

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class ImportLimits:
    """Limits for reading a file, as a protection against malicious ones. Known cassettes have up to 3 MiB.

    `file` limits the bytes of the file, and `depth` the levels of nesting. `expanded` limits the characters and values
    of a document, counting each use of a YAML alias. `decoded` limits the bytes of all decompressed bodies together.
    """

    file: int = 64 * MEBIBYTE
    depth: int = 200
    expanded: int = 128 * MEBIBYTE
    decoded: int = MIN_DECOMPRESSED_LIMIT
