"""Read and edit bodies in binary formats: AWS event streams, brotli, and deflate without a header."""

import zlib
from bisect import bisect_left
from codecs import getincrementaldecoder
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from itertools import accumulate

from flag_harness.wire.aws_frames import AwsFrame, replace_json_in_frame, split_frames, sse_data_line_of_frame
from flag_harness.wire.compression import Decompressor, decoder_factories, max_decompressed_size

_BYTES_DECODED_AT_ONCE = 1 << 20

EditSplitText = Callable[[Sequence[bytes]], list[bytes]]
"""A function that takes the parts of one text, such as its chunks, and returns as many edited parts."""


def searchable_body(data: bytes) -> bytes:
    """Return the text of a body that may be binary: the events of an AWS stream, or decompressed data.

    A body that is neither is returned unchanged.
    """
    if _is_text(data):
        return data
    frames, rest = split_frames(data)
    if frames:
        return b"".join(map(sse_data_line_of_frame, frames)) + rest
    for encoding in _COMPRESSORS:
        if (plain := _decompress(encoding, data)) is not None:
            return plain
    return data


def edit_body(chunks: Sequence[bytes], edit: EditSplitText) -> list[bytes]:
    """Return the chunks of a body after `edit` has changed its text.

    Their number and the body's binary format stay the same.
    """
    data = b"".join(chunks)
    if _is_text(data):
        return edit(chunks)
    if frames := split_frames(data)[0]:
        return _edit_frames(chunks, frames, edit)
    for encoding, compress in _COMPRESSORS.items() if len(chunks) == 1 else ():
        if (plain := _decompress(encoding, data)) is not None:
            (edited,) = edit([plain])
            return list(chunks) if edited == plain else [compress(edited)]
    return edit(chunks)


def _is_text(data: bytes) -> bool:
    """Return whether a body is UTF-8 text, without a NUL byte."""
    decoder = getincrementaldecoder("utf-8")()
    try:
        for start in range(
            0, len(data), _BYTES_DECODED_AT_ONCE
        ):  # a large body is not decoded at once, to spare memory
            decoder.decode(data[start : start + _BYTES_DECODED_AT_ONCE])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return b"\0" not in data


def _edit_frames(chunks: Sequence[bytes], frames: Sequence[AwsFrame], edit: EditSplitText) -> list[bytes]:
    """Return the chunks of an AWS stream after `edit` has changed its events.

    Each changed frame is put into the chunk in which the original frame ended.
    """
    lines = list(map(sse_data_line_of_frame, frames))
    ends = list(accumulate(map(len, chunks)))
    result, position = [b""] * len(chunks), 0
    edited = edit(lines)
    if edited == lines:
        return list(chunks)
    for frame, before, after in zip(frames, lines, edited, strict=True):
        position += len(frame.raw)
        result[bisect_left(ends, position)] += frame.raw if before == after else replace_json_in_frame(frame, after)
    result[-1] += b"".join(chunks)[position:]
    return result


def _decompress(encoding: str, data: bytes) -> bytes | None:
    """Return the decompressed data, or None if it is not compressed text in this encoding, or if the library is
    missing.
    """
    for codec in decoder_factories(encoding)[-1:]:  # the last one of `deflate` reads it without a header
        decompressor = Decompressor(codec, limit=max_decompressed_size(len(data)))
        with suppress(ValueError, OverflowError):
            plain = decompressor.decompress(data)
            return plain if plain and decompressor.is_finished and _is_text(plain) else None
    return None


def _compress_brotli(data: bytes) -> bytes:
    import brotli  # type: ignore[import-untyped]  # only data that the library has decompressed is compressed again

    return bytes(brotli.compress(data))


def _compress_raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


_COMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {"br": _compress_brotli, "deflate": _compress_raw_deflate}
