"""Compressed bodies: decompress responses of any content encoding, within limits."""

from flag_harness.wire.compression.decompressor import (
    GZIP_MAGIC,
    MIN_DECOMPRESSED_LIMIT,
    Decompressor,
    decoder_factories,
    max_decompressed_size,
)
from flag_harness.wire.compression.responses import (
    check_decompressed_sizes,
    decompress_response,
    missing_decompression_package,
    unreadable_encodings,
)

__all__ = [
    "GZIP_MAGIC",
    "MIN_DECOMPRESSED_LIMIT",
    "Decompressor",
    "check_decompressed_sizes",
    "decoder_factories",
    "decompress_response",
    "max_decompressed_size",
    "missing_decompression_package",
    "unreadable_encodings",
]
