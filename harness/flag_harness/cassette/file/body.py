"""Bytes as they stand in a cassette: JSON where encoding it again gives the same bytes, else text, else base64."""

import base64
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from flag_harness.wire.depth import is_too_deep

Kind = Literal["json", "text", "base64"]


@dataclass(frozen=True, slots=True)
class Stored:
    """Bytes in the most readable form that loses nothing."""

    kind: Kind
    value: Any


def stored(data: bytes) -> Stored:
    """The readable form of some bytes."""
    found, value = _as_json(data)
    return Stored("json", value) if found else stored_text(data)


def stored_text(data: bytes) -> Stored:
    """The readable form of bytes that are a part of something, such as a chunk of a stream."""
    try:
        return Stored("text", data.decode("utf-8"))
    except UnicodeDecodeError:
        return Stored("base64", base64.b64encode(data).decode("ascii"))


def restored(kind: Kind, value: Any) -> bytes:
    """The very bytes that were stored. Raises `ValueError` where the value is not of its kind."""
    if kind == "json":
        return msgspec.json.encode(value)
    if not isinstance(value, str):
        raise ValueError(f"{kind} must be a string, not {value!r:.40}")  # noqa: TRY004 - a value read from a file
    return value.encode("utf-8") if kind == "text" else base64.b64decode(value, validate=True)


def _as_json(data: bytes) -> tuple[bool, Any]:
    try:
        value = msgspec.json.decode(data)
        return msgspec.json.encode(value) == data and not is_too_deep(data, value), value
    except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError):
        return False, None
