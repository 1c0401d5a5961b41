"""Decompress bodies that another tool's cassette stores compressed."""

import contextlib

from flag_harness.wire.compression import GZIP_MAGIC, Decompressor, decoder_factories
from flag_harness.wire.timeline import Headers, header_value

_GZIP_AS_TEXT = GZIP_MAGIC.decode("latin-1").encode("utf-8")
"""The first bytes of gzip data that a tool has decoded as Latin-1 text and then written as UTF-8."""


class BodyDecoder:
    """Decompresses the bodies in one imported file, which together may have at most `max_total_bytes` bytes then."""

    def __init__(self, max_total_bytes: int) -> None:
        self._budget = self._bytes_left = max_total_bytes

    def decode(self, headers: Headers, data: bytes) -> tuple[bytes, Headers, bool]:
        """Return `(body, headers, True)` with the body decompressed, or `(data, headers, False)` if that is not
        possible.

        `content-encoding` is removed from the headers if the body is decompressed now, or was before it was stored.
        Gzip is recognised by its first bytes even without this header. Raise `ValueError` if the body is too large.
        """
        stored = data
        for encoding in _content_encodings(headers, data):
            expanded = data if _is_plain_text(data) else self._decompress(encoding, data)
            if expanded is None:
                return data, headers, False
            data = expanded
        self._bytes_left -= len(data) if data is not stored else 0
        return data, tuple(pair for pair in headers if pair[0].lower() != "content-encoding"), True

    def _decompress(self, encoding: str, data: bytes) -> bytes | None:
        """Return the decompressed data.

        Return data that is not compressed but UTF-8 unchanged, and None for any other data.
        """
        if not (available := decoder_factories(encoding)):
            return None
        try:
            for stored in filter(None, (data, _undo_latin_1(data))):
                for codec in available:
                    decompressor = Decompressor(codec, limit=self._bytes_left, ignore_padding=True)
                    with contextlib.suppress(ValueError):
                        plain = decompressor.decompress(stored)
                        if decompressor.is_finished:
                            return plain
        except OverflowError:
            raise ValueError(f"its bodies have more than {self._budget:,} bytes once decompressed") from None
        return data if _is_utf8(data) and not data.startswith(_GZIP_AS_TEXT) else None


def _content_encodings(headers: Headers, data: bytes) -> list[str]:
    """Return the names of the body's content encodings, the one that was applied last first."""
    names = [name.strip().lower() for name in header_value(headers, "content-encoding").split(",")]
    named = [name for name in reversed(names) if name not in ("", "identity")]
    return named or (["gzip"] if data.startswith((GZIP_MAGIC, _GZIP_AS_TEXT)) else [])


def _is_plain_text(data: bytes) -> bool:
    """Return whether the bytes are text in UTF-8, and therefore not compressed."""
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


def _undo_latin_1(data: bytes) -> bytes | None:
    """Restore bytes that a tool decoded as Latin-1 and stored as UTF-8. Return None if the data is not of this form."""
    try:
        return data.decode("utf-8").encode("latin-1")
    except UnicodeError:
        return None
