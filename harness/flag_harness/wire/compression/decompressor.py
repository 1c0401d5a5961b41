"""Decompression of gzip, deflate, br, zstd, bzip2 and xz, chunk by chunk: the only one in the package."""

import importlib
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

GZIP_MAGIC = b"\x1f\x8b\x08"
"""The first bytes of a gzip member (one compressed part of a gzip body)."""

MIN_DECOMPRESSED_LIMIT = 8 << 20
"""The decompressed size in bytes that is always allowed, however small the compressed data is."""

MAX_DECOMPRESSED_RATIO = 32
"""The largest allowed ratio of decompressed to compressed size, if the decompressed size exceeds
`MIN_DECOMPRESSED_LIMIT`. The ratio of real event streams is smaller.
"""

_ZSTD_BYTES_AT_ONCE = 1024
"""The compressed bytes that the zstd library gets at once: few, so that a decompression bomb is noticed early."""

_MAX_XZ_MEMORY = 100 << 20
"""The most memory in bytes that the decoder of xz may use. Data compressed with the largest preset, 9, needs 65 MB."""


def max_decompressed_size(compressed_size: int) -> int:
    """Return the largest size in bytes to which `compressed_size` bytes may decompress.

    A larger result is treated as an attack (a decompression bomb).
    """
    return max(MIN_DECOMPRESSED_LIMIT, MAX_DECOMPRESSED_RATIO * compressed_size)


class _MemberDecoder(Protocol):
    """What a decoder for one member (compressed part) must offer. `zlib.decompressobj` has the same attributes."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, limit: int) -> bytes: ...


class Decompressor:
    """Decompresses one body, which may consist of several members (compressed parts) in a row.

    `make_decoder` makes a decoder for one member. `limit` is the largest allowed decompressed size in bytes. Bytes
    after a member must be another member; with `ignore_padding`, they are skipped if they do not start a gzip member.
    """

    def __init__(self, make_decoder: Callable[[], _MemberDecoder], *, limit: int, ignore_padding: bool = False) -> None:
        self._make_decoder = make_decoder
        self._limit = limit
        self._ignore_padding = ignore_padding
        self._decoder: _MemberDecoder | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the last member (compressed part) is complete, so that the body may end here."""
        return self._decoder is None or self._decoder.eof

    def decompress(self, data: bytes) -> bytes:
        """Decompress the next bytes of the body.

        Raise `ValueError` if the bytes are invalid, and `OverflowError` if all results together exceed the limit.
        """
        plain = b""
        while data:
            if self._decoder is None or self._decoder.eof:
                self._decoder = self._make_decoder()
            plain += self._decompress_within_limit(self._decoder, data)
            data = self._decoder.unused_data
            if self._ignore_padding and not data.startswith(GZIP_MAGIC):
                break
        return plain

    def _decompress_within_limit(self, decoder: _MemberDecoder, data: bytes) -> bytes:
        try:
            plain = decoder.decompress(data, self._limit)
        except Exception as error:  # every library has an error class of its own
            raise ValueError(str(error)) from None
        self._limit -= len(plain)
        if self._limit < 0:
            raise OverflowError
        return plain


class _ZlibDecoder:
    """Decodes gzip or deflate. `window_bits` is the argument `wbits` of `zlib.decompressobj`."""

    def __init__(self, window_bits: int) -> None:
        self._decompressor = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    @property
    def unused_data(self) -> bytes:
        return self._decompressor.unused_data

    def decompress(self, data: bytes, limit: int) -> bytes:
        return self._decompressor.decompress(data, limit + 1)


class _BrotliDecoder:
    """Decodes Brotli (`br`). Bytes after the end of the compressed data are an error."""

    unused_data = b""

    def __init__(self, library: Any) -> None:
        self._decompressor = library.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._decompressor.is_finished())

    def decompress(self, data: bytes, limit: int) -> bytes:
        return bytes(self._decompressor.process(data, output_buffer_limit=limit + 1))


class _ZstandardDecoder:
    """Decodes one zstd frame."""

    def __init__(self, library: Any) -> None:
        self._decompressor = library.ZstdDecompressor().decompressobj()
        self.unused_data = b""

    @property
    def eof(self) -> bool:
        return bool(self._decompressor.eof)

    def decompress(self, data: bytes, limit: int) -> bytes:
        plain = bytearray()
        for start in range(0, len(data), _ZSTD_BYTES_AT_ONCE):
            stop = start + _ZSTD_BYTES_AT_ONCE
            plain += self._decompressor.decompress(data[start:stop])
            if self.eof:
                self.unused_data = self._decompressor.unused_data + data[stop:]
                break
            if len(plain) > limit:
                break
        return bytes(plain[: limit + 1])  # the library knows no limit, and makes 32 MB of a kilobyte


def _new_xz_decoder(library: Any) -> _MemberDecoder:
    decoder: _MemberDecoder = library.LZMADecompressor(memlimit=_MAX_XZ_MEMORY)
    return decoder


def decoder_factories(encoding: str) -> tuple[Callable[[], _MemberDecoder], ...]:
    """Return the functions that make decoders for a content encoding such as `gzip`, in the order to try.

    The result is empty if the encoding is unknown or its library is not installed.
    """
    library_name, new_codecs = _PACKAGE_AND_FACTORIES_BY_ENCODING.get(encoding, ("", ()))
    if not library_name:
        return tuple(new_codecs)
    try:
        library = importlib.import_module(library_name)
    except ImportError:
        return ()
    return tuple(lambda new_codec=new_codec: new_codec(library) for new_codec in new_codecs)


_GZIP_PACKAGE_AND_FACTORIES = ("", (lambda: _ZlibDecoder(zlib.MAX_WBITS | 16),))

_PACKAGE_AND_FACTORIES_BY_ENCODING: Mapping[str, tuple[str, tuple[Callable[..., _MemberDecoder], ...]]] = (
    MappingProxyType(
        {
            "gzip": _GZIP_PACKAGE_AND_FACTORIES,
            "x-gzip": _GZIP_PACKAGE_AND_FACTORIES,
            "deflate": ("", (lambda: _ZlibDecoder(zlib.MAX_WBITS), lambda: _ZlibDecoder(-zlib.MAX_WBITS))),
            "br": ("brotli", (_BrotliDecoder,)),
            "zstd": ("zstandard", (_ZstandardDecoder,)),
            "bzip2": ("bz2", (lambda library: library.BZ2Decompressor(),)),
            "xz": ("lzma", (_new_xz_decoder,)),
        }
    )
)
"""For each content encoding, the name of the module that it needs (empty for none), and the functions that make its
decoders, in the order to try.

`deflate` has two decoders, because servers send it with or without a zlib header.
"""
