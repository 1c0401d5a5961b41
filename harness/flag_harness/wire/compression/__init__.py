"""Compressed bodies: decompress responses of any content encoding, within limits."""

from flag_harness.wire.compression.decompressor import (
    GZIP_MAGIC,
    MIN_DECOMPRESSED_LIMIT,
    Decompressor,
    decoders_for_encoding,
    max_decompressed_size,
)
from flag_harness.wire.compression.responses import (
    check_decompressed_sizes,
    decompress_response,
    missing_package,
    unreadable_encodings,
)

__all__ = [
    "GZIP_MAGIC",
    "MIN_DECOMPRESSED_LIMIT",
    "Decompressor",
    "check_decompressed_sizes",
    "decoders_for_encoding",
    "decompress_response",
    "max_decompressed_size",
    "missing_package",
    "unreadable_encodings",
]
