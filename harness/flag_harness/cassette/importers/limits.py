"""Limits on the size of imported files, as a protection against malicious ones."""

from dataclasses import dataclass

from flag_harness.wire.compression import MIN_DECOMPRESSED_LIMIT

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class ImportLimits:
    """Limits for reading an imported file, as a protection against malicious ones. Known cassettes have up to 3 MiB.

    `max_file_bytes` limits the bytes of the file, and `max_nesting_depth` the levels of nesting.
    `max_size_with_aliases` limits the characters and values of a document, counting what a YAML alias stands for each
    time it is used. `max_decoded_bytes` limits the bytes of all decompressed bodies together.
    """

    max_file_bytes: int = 64 * MEBIBYTE
    max_nesting_depth: int = 200
    max_size_with_aliases: int = 128 * MEBIBYTE
    max_decoded_bytes: int = MIN_DECOMPRESSED_LIMIT
