"""Compressed responses, read as what they say."""

import importlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from flag_harness.wire.timeline import Chunk, End, Head, Piece, Response, body, header


def uncompressed(response: Response) -> Response:
    """The response with its chunks decompressed, each where it stood.

    gzip and deflate are read, br and zstd where `brotli` and `zstandard` are installed. A response that says no such
    thing of itself, or is not what it says, is given back as it is; one that was cut is read as far as it came.
    """
    encodings = _encodings(response)
    if not encodings:
        return response
    whole = isinstance(last := response[-1], End) and not last.abandoned
    chunks: list[bytes] | None = [piece.data for piece in response if isinstance(piece, Chunk)]
    for encoding in reversed(encodings):
        chunks = chunks and _inflated(encoding, chunks, whole)
    left = iter(chunks or ())
    return response if chunks is None else tuple(_plain(piece, left) for piece in response)


def unreadable(response: Response) -> str:
    """The encodings under which nobody here can see what a response says; empty where that can be seen.

    Text that only claims to be compressed is read as it stands.
    """
    plain = uncompressed(response)
    if not (encodings := _encodings(plain)):
        return ""
    with suppress(UnicodeDecodeError):
        body(plain).decode("utf-8")
        return ""
    return ", ".join(encodings)


def _encodings(response: Response) -> list[str]:
    """What was done to the body, in that order."""
    head = response[0] if response else None
    named = header(head.headers, "content-encoding") if isinstance(head, Head) else ""
    return [name for one in named.split(",") if (name := one.strip().lower()) not in ("", "identity")]


def _plain(piece: Piece, left: Iterator[bytes]) -> Piece:
    if isinstance(piece, Head):
        headers = tuple(pair for pair in piece.headers if pair[0].lower() != "content-encoding")
        return replace(piece, headers=headers)
    return replace(piece, data=next(left)) if isinstance(piece, Chunk) else piece


def _inflated(encoding: str, chunks: list[bytes], whole: bool) -> list[bytes] | None:
    for make in _INFLATERS.get(encoding, ()):
        with suppress(Exception):  # each library has its own errors; ImportError where there is none
            members = _Members(make)
            plain = [members.inflated(chunk) for chunk in chunks]
            if members.are_finished or not whole:
                return plain
    return None


class _Members:
    """What was compressed in one piece or more, behind each other."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._last: Any = None

    @property
    def are_finished(self) -> bool:
        """Whether the last that began has ended."""
        return self._last is None or self._last.eof

    def inflated(self, data: bytes) -> bytes:
        """What the bytes say that come next. Raises whatever its library does where they say nothing."""
        plain = b""
        while data:
            self._last = self._make() if self._last is None or self._last.eof else self._last
            plain += self._last.decompress(data)
            data = self._last.unused_data
        return plain


class _Brotli:
    """A decompressor like those of zlib and zstandard. It takes no bytes behind its end."""

    unused_data = b""

    def __init__(self) -> None:
        self._decompressor: Any = importlib.import_module("brotli").Decompressor()

    @property
    def eof(self) -> bool:
        return bool(self._decompressor.is_finished())

    def decompress(self, data: bytes) -> bytes:
        return bytes(self._decompressor.process(data))


def _zstandard() -> Any:
    return importlib.import_module("zstandard").ZstdDecompressor().decompressobj()


def _gzip() -> Any:
    return zlib.decompressobj(zlib.MAX_WBITS | 16)


_INFLATERS: Mapping[str, tuple[Callable[[], Any], ...]] = MappingProxyType(
    {
        "gzip": (_gzip,),
        "x-gzip": (_gzip,),
        "deflate": (zlib.decompressobj, lambda: zlib.decompressobj(-zlib.MAX_WBITS)),
        "br": (_Brotli,),
        "zstd": (_zstandard,),
    }
)
"""How each encoding may be read. Servers send `deflate` with and without zlib's header."""
