"""Reads the type and size of an image from its first bytes, and estimates its tokens."""

import base64
import struct
from collections.abc import Callable, Mapping
from typing import Any

_PIXELS_PER_TOKEN = 750
"""The tokens of an image are its width times its height divided by 750 (documented)."""
_MAX_EDGE_PIXELS = 1568
_MAX_IMAGE_TOKENS = 1600
_TOKENS_OF_IMAGE_OF_UNKNOWN_SIZE = 1000
_BASE64_CHARACTERS_READ_FOR_SIZE = 64 * 1024
_JPEG_FRAME_MARKERS = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})


def image_tokens(source: Mapping[str, Any]) -> int:
    """Return the token count of an image by the documented formula.

    The count is a guess if the image is not in the request itself, or cannot be read.
    """
    if source.get("type") != "base64":
        return _TOKENS_OF_IMAGE_OF_UNKNOWN_SIZE
    try:
        size = image_size(base64.b64decode(str(source["data"])[:_BASE64_CHARACTERS_READ_FOR_SIZE]))
    except ValueError:
        size = None
    if size is None:
        return _TOKENS_OF_IMAGE_OF_UNKNOWN_SIZE
    width, height = size
    scale = min(1.0, _MAX_EDGE_PIXELS / max(width, height, 1))
    return min(_MAX_IMAGE_TOKENS, round(width * scale * height * scale / _PIXELS_PER_TOKEN) + 1)


def image_type(data: bytes) -> str | None:
    """Return the media type of an image, such as `image/png`, by its first bytes, or None if the API does not support
    the image.
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return "image/jpeg" if data.startswith(b"\xff\xd8\xff") else None


def image_size(data: bytes) -> tuple[int, int] | None:
    """Return the width and height of a PNG, GIF, WebP or JPEG in pixels, or None if they cannot be read."""
    kind = image_type(data)
    reader = _SIZE_READER_BY_MEDIA_TYPE.get(kind or "")
    try:
        return None if reader is None else reader(data)
    except (struct.error, IndexError):
        return None


def _png_size(data: bytes) -> tuple[int, int] | None:
    width, height = struct.unpack(">II", data[16:24])
    return (width, height) if data[12:16] == b"IHDR" else None


def _gif_size(data: bytes) -> tuple[int, int] | None:
    width, height = struct.unpack("<HH", data[6:10])
    return width, height


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(data):
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if marker in _JPEG_FRAME_MARKERS:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None


_SIZE_READER_BY_MEDIA_TYPE: Mapping[str, Callable[[bytes], tuple[int, int] | None]] = {
    "image/png": _png_size,
    "image/gif": _gif_size,
    "image/webp": _webp_size,
    "image/jpeg": _jpeg_size,
}
