"""Encode bodies for a cassette file: as JSON if that keeps every byte, else as text, else as base64."""

import base64
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from flag_harness.wire.json import is_nested_too_deep

BodyForm = Literal["json", "text", "base64"]


@dataclass(frozen=True, slots=True)
class EncodedBody:
    """A body as a cassette file stores it: as JSON, text or base64 (`form`).

    The form is the most readable that keeps every byte.
    """

    form: BodyForm
    value: Any


def encode_body(data: bytes) -> EncodedBody:
    """Encode a whole body: as JSON if that keeps every byte, else as text or base64."""
    found, value = _decode_lossless_json(data)
    return EncodedBody("json", value) if found else encode_chunk(data)


def encode_chunk(data: bytes) -> EncodedBody:
    """Encode a part of a body, such as a chunk of a stream: as text if it is UTF-8, else as base64.

    Data with a NUL byte is encoded as base64, too, because binary data as text in JSON could take six times its size.
    """
    try:
        if b"\0" in data:
            return EncodedBody("base64", base64.b64encode(data).decode("ascii"))
        return EncodedBody("text", data.decode("utf-8"))
    except UnicodeDecodeError:
        return EncodedBody("base64", base64.b64encode(data).decode("ascii"))


def decode_body(form: BodyForm, value: Any) -> bytes:
    """Decode a stored body to its original bytes. Raise `ValueError` if the value is not valid for its form."""
    if form == "json":
        return msgspec.json.encode(value)
    if not isinstance(value, str):
        raise ValueError(f"{form} must be a string, not {value!r:.40}")  # noqa: TRY004 - a value read from a file
    return value.encode("utf-8") if form == "text" else base64.b64decode(value, validate=True)


def _decode_lossless_json(data: bytes) -> tuple[bool, Any]:
    """Return `(True, value)` if the data is JSON whose value can be encoded to the same bytes again.

    Otherwise the first result is False, and the second has no meaning.
    """
    try:
        value = msgspec.json.decode(data)
        return msgspec.json.encode(value) == data and not is_nested_too_deep(data, value), value
    except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError):
        return False, None
