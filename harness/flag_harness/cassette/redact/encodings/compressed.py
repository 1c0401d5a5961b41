"""Find compressed data inside texts, and decompress it."""

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from flag_harness.cassette.redact.body_texts import LOSSLESS_UTF8
from flag_harness.wire.compression import decoder_factories

BASE_LIMIT_OF_DECOMPRESSED_BYTES, MAX_DECOMPRESSION_RATIO = 64 << 10, 32
"""The limit for decompressing data in a text: this many bytes, plus the size of the text times this ratio."""

_BYTES_DECOMPRESSED_AT_ONCE = 1024
"""The number of bytes that are decompressed at once.

It is small, because bytes that follow the compressed data are copied each time.
"""


@dataclass(frozen=True, slots=True)
class EncodedSpan:
    """A part of a text, from `start` to `stop`, that is encoded data, such as base64. `text` is the decoded data.

    `encode` encodes a changed version of `text` again. `is_text` is False if the decoded data is binary.
    """

    start: int
    stop: int
    text: str
    encode: Callable[[str], str]
    is_text: bool = True


def _compress_zstd(data: bytes) -> bytes:
    import zstandard  # only data that the library has decompressed is compressed again

    return bytes(zstandard.compress(data))


def _compress_bzip2(data: bytes) -> bytes:
    import bz2  # some builds of Python lack it

    return bz2.compress(data)


def _compress_xz(data: bytes) -> bytes:
    import lzma  # some builds of Python lack it

    return lzma.compress(data)


def _compress_raw_deflate(data: bytes) -> bytes:
    return zlib.compress(data, wbits=-zlib.MAX_WBITS)


_COMPRESSORS: Mapping[str, Callable[[bytes], bytes]] = {
    "gzip": partial(gzip.compress, mtime=0),
    "deflate": zlib.compress,
    "zstd": _compress_zstd,
    "bzip2": _compress_bzip2,
    "xz": _compress_xz,
    "zip": _compress_raw_deflate,
}
_ENCODING_BY_FIRST_BYTES: Mapping[bytes, str] = {
    b"\x1f\x8b\x08": "gzip",
    b"x\x01": "deflate",
    b"x^": "deflate",
    b"x\x9c": "deflate",
    b"x\xda": "deflate",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"PK\x03\x04": "zip",
}
"""The compression of data, by the bytes with which the data begins."""
_FIRST_CHARACTERS_IN_LATIN_1 = ("\x1f\x8b\x08", "x\x9c", "x\xda", "(\xb5/\xfd", "\xfd7zXZ")
_FIRST_CHARACTERS_IN_UTF8 = ("\x1f\udc8b\x08", "x\udc9c", "x\udcda", "(\udcb5/\udcfd", "\udcfd7zXZ")
_FIRST_CHARACTERS_IN_EITHER = ("x\x01", "x^", "BZh", "PK\x03\x04")
"""The characters with which compressed data begins in a text, whether its bytes were decoded as Latin-1 or as UTF-8.

The two constants above have those that depend on the encoding.
"""
_ZIP_SIGNATURE = b"PK\x03\x04"
_CONTROL_CHARACTERS = bytes({*range(1, 32)} - set(b"\t\n\f\r\x1b"))
_BYTES_CHECKED_FOR_TEXT = 256


def find_compressed_spans(text: str) -> Iterator[EncodedSpan]:
    """Yield the parts of a text that are compressed data, decompressed.

    The text is bytes decoded as UTF-8 or Latin-1.
    """
    if text.isascii():
        return
    is_utf8, is_latin = (
        _contains_any(text, _FIRST_CHARACTERS_IN_UTF8),
        _contains_any(text, _FIRST_CHARACTERS_IN_LATIN_1),
    )
    if not (is_utf8 or is_latin) and _contains_any(text, _FIRST_CHARACTERS_IN_EITHER):
        is_latin = is_utf8 = True  # the text may be joined from texts of both codecs
    if is_utf8:
        yield from _compressed_spans_in_codec(text, LOSSLESS_UTF8)
    if is_latin:
        yield from _compressed_spans_in_codec(text, ("latin-1", "replace"))


def _contains_any(text: str, parts: tuple[str, ...]) -> bool:
    return any(part in text for part in parts)


def _compressed_spans_in_codec(text: str, codec: tuple[str, str]) -> Iterator[EncodedSpan]:
    """Yield the parts of a text that are compressed data, decompressed.

    `codec` is the encoding and error handler with which the bytes were decoded to this text.
    """
    data = text.encode(*codec)
    position = last = 0  # `position` is in characters, all others in bytes
    left = BASE_LIMIT_OF_DECOMPRESSED_BYTES + MAX_DECOMPRESSION_RATIO * len(data)
    for encoding, start in _possible_starts_of_compressed_data(data):
        if start < last:
            continue
        position += len(data[last:start].decode(*codec))
        plain, last = _decompress_member(encoding, data, start, left)
        size = len(data[start:last].decode(*codec))
        if plain:
            yield EncodedSpan(
                position, position + size, plain.decode(*LOSSLESS_UTF8), partial(_compress, encoding, codec)
            )
        position += size
        left -= max(len(plain), _BYTES_DECOMPRESSED_AT_ONCE)
        if left <= 0:
            return


def _possible_starts_of_compressed_data(data: bytes) -> Iterator[tuple[str, int]]:
    """Yield `(encoding, offset)` for each position at which compressed data may begin, because its first bytes occur
    there.
    """
    following = {magic: start for magic in _ENCODING_BY_FIRST_BYTES if (start := data.find(magic)) >= 0}
    while following:
        magic = min(following, key=following.__getitem__)
        start = following.pop(magic)
        yield (
            _ENCODING_BY_FIRST_BYTES[magic],
            start + (_length_of_zip_header(data, start) if magic == _ZIP_SIGNATURE else 0),
        )
        if (later := data.find(magic, start + 1)) >= 0:
            following[magic] = later


def _length_of_zip_header(data: bytes, start: int) -> int:
    """Return the length of the header at `start` in a zip archive, after which the data of a file begins."""
    return 30 + sum(int.from_bytes(data[start + at : start + at + 2], "little") for at in (26, 28))


def _decompress_member(encoding: str, data: bytes, start: int, limit: int) -> tuple[bytes, int]:
    """Decompress the data that begins at `start`, up to `limit` bytes. Return the bytes and the offset at which the
    data ends.

    If the data is invalid, or is deflate of anything but text, return no bytes and `start + 1`.
    """
    decoders = decoder_factories("deflate")[-1:] if encoding == "zip" else decoder_factories(encoding)
    if not decoders:
        return b"", start + 1
    member, plain = decoders[0](), bytearray()
    for position in range(start, len(data), _BYTES_DECOMPRESSED_AT_ONCE):
        try:
            plain += member.decompress(data[position : position + _BYTES_DECOMPRESSED_AT_ONCE], limit - len(plain))
        except Exception:  # the first bytes begin something else
            return b"", start + 1
        if encoding == "deflate" and not _is_text(plain):
            return b"", start + 1
        if member.eof:
            return bytes(plain), min(position + _BYTES_DECOMPRESSED_AT_ONCE, len(data)) - len(member.unused_data)
        if len(plain) >= limit:
            break
    return bytes(plain), len(data)


def _is_text(data: bytes | bytearray) -> bool:
    """Return whether data begins like text in UTF-8 or UTF-16, and not like the pixels of an image."""
    sample = data[:_BYTES_CHECKED_FOR_TEXT]
    controls = len(sample) - len(sample.translate(None, _CONTROL_CHARACTERS))
    return controls * 50 <= len(sample) and sample.count(b"\0") * 5 <= len(sample) * 3


def _compress(encoding: str, codec: tuple[str, str], text: str) -> str:
    return _COMPRESSORS[encoding](text.encode(*LOSSLESS_UTF8)).decode(*codec)
