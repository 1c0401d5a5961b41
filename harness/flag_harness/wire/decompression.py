"""Decompression of gzip, deflate, br and zstd, chunk by chunk: the only implementation in the package."""

import importlib
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Protocol

GZIP_MAGIC = b"\x1f\x8b\x08"
"""The first bytes of a gzip member; deflate is its only compression method."""

DECOMPRESSED_BYTES = 8 << 20
"""The bytes that the bodies of a cassette can have once decompressed, however small they are when compressed."""

DECOMPRESSED_RATIO = 32
"""Larger bodies can have this many times their compressed size, which is more than streams gain by compression."""

_ZSTD_STEP = 1024
"""Bytes of zstd that are expanded at once: a block of 128 KiB takes a few of them, so a bomb is noticed early."""


def decompressed_limit(size: int) -> int:
    """Return the most bytes that `size` compressed bytes may have once decompressed: more is taken for an attack."""
    return max(DECOMPRESSED_BYTES, DECOMPRESSED_RATIO * size)


class _Codec(Protocol):
    """Decompresses one member: its methods and attributes are those of `zlib.decompressobj`."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, limit: int | None) -> bytes: ...


class Decompressor:
    """Decompresses one body, which may consist of several members one after another.

    `limit` is the largest result in bytes. `ignore_padding` skips bytes after the end that do not start a gzip member;
    otherwise they must be another member.
    """

    def __init__(self, codec: Callable[[], _Codec], *, limit: int | None = None, ignore_padding: bool = False) -> None:
        self._new_codec = codec
        self._limit = limit
        self._ignore_padding = ignore_padding
        self._codec: _Codec | None = None

    @property
    def is_finished(self) -> bool:
        """Whether the last member that began has ended."""
        return self._codec is None or self._codec.eof

    def decompress(self, data: bytes) -> bytes:
        """Decompress the next bytes.

        Raise `ValueError` if they are invalid, `OverflowError` if the result exceeds the limit.
        """
        plain = b""
        while data:
            if self._codec is None or self._codec.eof:
                self._codec = self._new_codec()
            plain += self._decompress_within_limit(self._codec, data)
            data = self._codec.unused_data
            if self._ignore_padding and not data.startswith(GZIP_MAGIC):
                break
        return plain

    def _decompress_within_limit(self, codec: _Codec, data: bytes) -> bytes:
        try:
            plain = codec.decompress(data, self._limit)
        except Exception as error:  # every library has an error class of its own
            raise ValueError(str(error)) from None
        if self._limit is not None:
            self._limit -= len(plain)
            if self._limit < 0:
                raise OverflowError
        return plain


class _Zlib:
    """gzip or deflate; `window` is that of `zlib.decompressobj`."""

    def __init__(self, window: int) -> None:
        self._decompressor = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._decompressor.eof

    @property
    def unused_data(self) -> bytes:
        return self._decompressor.unused_data

    def decompress(self, data: bytes, limit: int | None) -> bytes:
        return self._decompressor.decompress(data, 0 if limit is None else limit + 1)


class _Brotli:
    """br. It accepts no bytes after its end."""

    unused_data = b""

    def __init__(self, library: Any) -> None:
        self._decompressor = library.Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._decompressor.is_finished())

    def decompress(self, data: bytes, limit: int | None) -> bytes:
        options = {} if limit is None else {"output_buffer_limit": limit + 1}
        return bytes(self._decompressor.process(data, **options))


class _Zstandard:
    """zstd, one frame."""

    def __init__(self, library: Any) -> None:
        self._decompressor = library.ZstdDecompressor().decompressobj()
        self.unused_data = b""

    @property
    def eof(self) -> bool:
        return bool(self._decompressor.eof)

    def decompress(self, data: bytes, limit: int | None) -> bytes:
        plain = bytearray()
        for start in range(0, len(data), _ZSTD_STEP):
            stop = start + _ZSTD_STEP
            plain += self._decompressor.decompress(data[start:stop])
            if self.eof:
                self.unused_data = self._decompressor.unused_data + data[stop:]
                break
            if limit is not None and len(plain) > limit:
                break
        return bytes(plain)


def codecs(encoding: str) -> tuple[Callable[[], _Codec], ...]:
    """Return the codecs to try for a content encoding; empty if it is unknown or its library is not installed."""
    library_name, new_codecs = _CODECS_BY_ENCODING.get(encoding, ("", ()))
    if not library_name:
        return tuple(new_codecs)
    try:
        library = importlib.import_module(library_name)
    except ImportError:
        return ()
    return tuple(lambda new_codec=new_codec: new_codec(library) for new_codec in new_codecs)


_GZIP = ("", (lambda: _Zlib(zlib.MAX_WBITS | 16),))

_CODECS_BY_ENCODING: Mapping[str, tuple[str, tuple[Callable[..., _Codec], ...]]] = MappingProxyType(
    {
        "gzip": _GZIP,
        "x-gzip": _GZIP,
        "deflate": ("", (lambda: _Zlib(zlib.MAX_WBITS), lambda: _Zlib(-zlib.MAX_WBITS))),
        "br": ("brotli", (_Brotli,)),
        "zstd": ("zstandard", (_Zstandard,)),
    }
)
"""The library that each encoding needs and its codecs. Servers send `deflate` with and without a zlib header."""
