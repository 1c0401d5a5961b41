"""Bodies that a foreign cassette keeps compressed, made plain."""

import contextlib
import importlib
import zlib
from collections.abc import Callable
from typing import Any

from flag_harness.wire.timeline import Headers, header

_STEP = 1024
"""Bytes of zstandard that are expanded at once: a block of 128 KiB takes a few of them, so a bomb is noticed early."""

_GZIP = b"\x1f\x8b\x08"
"""How a member of gzip with deflate begins; there is no other."""
_GZIP_AS_TEXT = _GZIP.decode("latin-1").encode("utf-8")
"""The same where it was taken for text."""

Expand = Callable[[bytes, int], bytes]
"""Bytes made plain, at most so many. Raises `OverflowError` where there are more, `ValueError` where they are none."""


class Decoder:
    """Takes content encodings off, and counts: all bodies of one file together may not pass `budget` bytes."""

    def __init__(self, budget: int) -> None:
        self._budget = self._left = budget

    def plain(self, headers: Headers, data: bytes) -> tuple[bytes, Headers, bool]:
        """The body, the headers that are true of it, and whether it is plain.

        An encoding that is named but was taken off already loses its header; so does one that is taken off here. Gzip
        that no header names is known by its first bytes. A body in an encoding that cannot be read here is left as it
        is. Raises `ValueError` where it is too large.
        """
        given = data
        for encoding in _encodings(headers, data):
            expanded = data if _is_text(data) else self._expanded(encoding, data)
            if expanded is None:
                return data, headers, False
            data = expanded
        self._left -= len(data) if data is not given else 0
        return data, tuple(pair for pair in headers if pair[0].lower() != "content-encoding"), True

    def _expanded(self, encoding: str, data: bytes) -> bytes | None:
        """The data without the encoding; as it is where it is text after all, `None` where it cannot be read."""
        if (expand := _expander(encoding)) is None:
            return None
        try:
            for kept in filter(None, (data, _from_latin_1(data))):
                with contextlib.suppress(ValueError):
                    return expand(kept, self._left)
        except OverflowError:
            raise ValueError(f"its bodies have more than {self._budget:,} bytes once decompressed") from None
        return data if _is_utf8(data) and not data.startswith(_GZIP_AS_TEXT) else None


def _encodings(headers: Headers, data: bytes) -> list[str]:
    """The names of the encodings, the outermost first."""
    names = [name.strip().lower() for name in header(headers, "content-encoding").split(",")]
    named = [name for name in reversed(names) if name not in ("", "identity")]
    return named or (["gzip"] if data.startswith((_GZIP, _GZIP_AS_TEXT)) else [])


def _is_text(data: bytes) -> bool:
    """Whether the bytes are text, so that a compression that their headers name was taken off before."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return all(character >= " " or character in "\t\n\r" for character in text)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _from_latin_1(data: bytes) -> bytes | None:
    """The bytes that somebody took for text of latin-1, one character each; `None` where nobody did."""
    try:
        return data.decode("utf-8").encode("latin-1")
    except UnicodeError:
        return None


def _expander(encoding: str) -> Expand | None:
    match encoding:
        case "gzip" | "x-gzip":
            return lambda data, most: _inflated(data, most, 31)
        case "deflate":
            return _deflated
        case "br":
            return _library("brotli", _brotli)
        case "zstd":
            return _library("zstandard", _zstandard)
    return None


def _inflated(data: bytes, most: int, window: int) -> bytes:
    """Raises `ValueError` where the data is none of that kind, or is cut short. What stands behind it is padding."""
    plain: list[bytes] = []
    while data:
        inflater = zlib.decompressobj(window)
        try:
            plain.append(inflater.decompress(data, most + 1))
        except zlib.error as error:
            raise ValueError(str(error)) from None
        most -= len(plain[-1])
        if most < 0:
            raise OverflowError
        if not inflater.eof:
            raise ValueError("cut short")
        rest = inflater.unused_data
        data = rest if rest.startswith(_GZIP) else b""  # gzip allows several members behind each other
    return b"".join(plain)


def _deflated(data: bytes, most: int) -> bytes:
    """Deflate as the standard has it (with zlib's header), or as some servers send it (without)."""
    try:
        return _inflated(data, most, zlib.MAX_WBITS)
    except ValueError:
        return _inflated(data, most, -zlib.MAX_WBITS)


def _library(name: str, expand: Callable[[Any, bytes, int], bytes]) -> Expand | None:
    """An encoding that needs a library, where it is installed."""
    try:
        library = importlib.import_module(name)
    except ImportError:
        return None
    return lambda data, most: expand(library, data, most)


def _brotli(library: Any, data: bytes, most: int) -> bytes:
    decompressor = library.Decompressor()
    try:
        plain: bytes = decompressor.process(data, output_buffer_limit=most + 1)
    except library.error as error:
        raise ValueError(str(error)) from None
    return _within(plain, most, decompressor.is_finished())


def _zstandard(library: Any, data: bytes, most: int) -> bytes:
    decompressor = library.ZstdDecompressor().decompressobj()
    plain = bytearray()
    try:
        for start in range(0, len(data), _STEP):
            plain += decompressor.decompress(data[start : start + _STEP])
            if len(plain) > most:
                break
    except library.ZstdError as error:
        raise ValueError(str(error)) from None
    return _within(bytes(plain), most, decompressor.eof)


def _within(plain: bytes, most: int, finished: bool) -> bytes:
    if len(plain) > most:
        raise OverflowError
    if not finished:
        raise ValueError("cut short")
    return plain
