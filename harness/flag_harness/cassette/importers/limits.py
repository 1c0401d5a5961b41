"""Limits on the size of foreign files."""

from dataclasses import dataclass

from flag_harness.wire.decompression import DECOMPRESSED_BYTES

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that is read, as a protection against malicious files. The largest known cassette has 3 MiB.

    `file`: bytes of the file. `depth`: levels of nesting. `expanded`: characters and values of a document, including
    each repetition through a YAML alias. `decoded`: bytes of all decompressed bodies of a file.
    """

    file: int = 64 * MEBIBYTE
    depth: int = 200
    expanded: int = 128 * MEBIBYTE
    decoded: int = DECOMPRESSED_BYTES
