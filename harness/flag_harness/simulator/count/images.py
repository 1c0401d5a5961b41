"""Estimates the tokens of an image from the size in its header."""

import base64
import struct
from collections.abc import Mapping
from typing import Any

_PIXELS_PER_TOKEN = 750
"""Documented for images: width times height divided by 750."""
_LONGEST_EDGE = 1568
_MAX_TOKENS = 1600
_UNKNOWN_SIZE_TOKENS = 1000
_HEAD_CHARACTERS = 64 * 1024
_JPEG_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})


def image_tokens(source: Mapping[str, Any]) -> int:
    """Return the documented count for an image in the request, or a guess for an image elsewhere."""
    if source.get("type") != "base64":
        return _UNKNOWN_SIZE_TOKENS
    try:
        size = _image_size(base64.b64decode(str(source["data"])[:_HEAD_CHARACTERS]))
    except (ValueError, struct.error, IndexError):
        size = None
    if size is None:
        return _UNKNOWN_SIZE_TOKENS
    width, height = size
    scale = min(1.0, _LONGEST_EDGE / max(width, height, 1))
    return min(_MAX_TOKENS, round(width * scale * height * scale / _PIXELS_PER_TOKEN) + 1)


def _image_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG, GIF, WebP or JPEG, or None for other data."""
    if data.startswith(b"\x89PNG"):
        return struct.unpack(">II", data[16:24])
    if data.startswith(b"GIF8"):
        return struct.unpack("<HH", data[6:10])
    if data[8:16] == b"WEBPVP8X":
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    return _jpeg_size(data) if data.startswith(b"\xff\xd8") else None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(data):
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", data[at + 5 : at + 9])
            return width, height
        at += 2 + length
    return None
