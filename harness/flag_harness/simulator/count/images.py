"""How many tokens an image has: by its size, read off the head of its bytes."""

import base64
import struct
from collections.abc import Mapping
from typing import Any

_PIXELS_A_TOKEN = 750
"""Documented for images: width times height by 750."""
_LONGEST_EDGE = 1568
_MOST_TOKENS = 1600
_UNKNOWN = 1000
_HEAD_CHARACTERS = 64 * 1024
_JPEG_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})


def image_tokens(source: Mapping[str, Any]) -> int:
    """The documented count for an image whose bytes are in the request; a guess for one that is elsewhere."""
    if source.get("type") != "base64":
        return _UNKNOWN
    try:
        size = _size(base64.b64decode(str(source["data"])[:_HEAD_CHARACTERS]))
    except (ValueError, struct.error, IndexError):
        size = None
    if size is None:
        return _UNKNOWN
    width, height = size
    scale = min(1.0, _LONGEST_EDGE / max(width, height, 1))
    return min(_MOST_TOKENS, round(width * scale * height * scale / _PIXELS_A_TOKEN) + 1)


def _size(data: bytes) -> tuple[int, int] | None:
    """Width and height of a PNG, GIF, WebP or JPEG; None where the bytes are none of them."""
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
