"""Parts: what the cassettes of a flag matrix have in common, each stored once in a file of its own.

In a cassette of format 2, `{"$json": "<sha256>"}` refers to the JSON file of that name in the blob folder. It stands
for a whole interaction, for a member of a request body such as `tools`, or for one of the `messages`. If a body itself
holds such an object there, the key is written with an extra `$`. No part is ever changed: other content has another
name.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from flag_harness.cassette.file.blobs import BLOB_NAME_PATTERN
from flag_harness.cassette.file.layout import format_json

MIN_PART_BYTES = 1024
"""The smallest value that is stored as a part, in bytes of its file. A reference takes a tenth of that."""

JSON_PART_KEY = "$json"
_PART_KEY_PATTERN = re.compile(r"\$+json")
_MAX_REFERENCE_BYTES = 200
"""The most bytes of a reference, however it is indented.

An interaction is always longer, so shorter data is a reference.
"""
_MEMBER_STORED_AS_SEVERAL_PARTS = "messages"
"""The member of a request body whose elements are parts of their own, because it grows with each turn."""


def extract_large_value(value: Any, part_by_sha256: dict[str, bytes]) -> Any:
    """Return a reference that stands for a large JSON value, and add the value's file to `part_by_sha256`: its bytes by
    SHA-256.

    Return the value itself if it is too small to be stored in a file of its own.
    """
    if not isinstance(value, (dict, list, str)):
        return value
    data = format_json(value).encode("utf-8") + b"\n"
    if len(data) < MIN_PART_BYTES:
        return value
    name = hashlib.sha256(data).hexdigest()
    part_by_sha256[name] = data
    return {JSON_PART_KEY: name}


def extract_body_parts(body: Any, part_by_sha256: dict[str, bytes]) -> Any:
    """Replace the large values (parts) of a request body by references, and return the new body.

    The bytes of each part are added to `part_by_sha256` under their SHA-256.
    """
    return _map_body_values(body, lambda value: _extract_value(value, part_by_sha256))


def insert_body_parts(body: Any, read_part: Callable[[str], bytes]) -> Any:
    """Replace each reference in a request body by the part to which it refers.

    `read_part` returns the bytes with a given SHA-256.
    """
    return _map_body_values(body, lambda value: _insert_part(value, read_part))


def sha256_of_interaction_reference(raw: bytes) -> str | None:
    """Return the SHA-256 in a reference that stands for an interaction, or None if `raw` is an interaction itself."""
    if len(raw) > _MAX_REFERENCE_BYTES:
        return None
    value = msgspec.json.decode(raw)
    return _require_sha256(value[JSON_PART_KEY]) if _has_part_key(value) and JSON_PART_KEY in value else None


def part_sha256s(value: Any) -> Iterator[str]:
    """Yield the SHA-256 of each part that a JSON value from a cassette file or a part refers to."""
    if _has_part_key(value) and isinstance(name := value.get(JSON_PART_KEY), str):
        yield name
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from part_sha256s(member)


def _map_body_values(body: Any, change: Callable[[Any], Any]) -> Any:
    """Return a request body with `change` applied to each member, and to each message, since these may be stored as
    parts.
    """
    if not isinstance(body, dict):
        return body
    return {
        key: list(map(change, value))
        if key == _MEMBER_STORED_AS_SEVERAL_PARTS and isinstance(value, list)
        else change(value)
        for key, value in body.items()
    }


def _extract_value(value: Any, part_by_sha256: dict[str, bytes]) -> Any:
    """Return a reference in place of a large value.

    If a small value looks like a reference, a `$` is added to its key.
    """
    if _has_part_key(value):
        return {f"${key}": member for key, member in value.items()}
    return extract_large_value(value, part_by_sha256)


def _insert_part(value: Any, read_part: Callable[[str], bytes]) -> Any:
    """Return the part to which a reference refers. For other values, remove the `$` that `_extract_value` added."""
    if not _has_part_key(value):
        return value
    ((key, member),) = value.items()
    return msgspec.json.decode(read_part(_require_sha256(member))) if key == JSON_PART_KEY else {key[1:]: member}


def _require_sha256(name: Any) -> str:
    """Return `name` if it is a SHA-256, as names of parts are. Raise `ValueError` if it is not."""
    if not isinstance(name, str) or not BLOB_NAME_PATTERN.fullmatch(name):
        raise ValueError(f"{JSON_PART_KEY} must be a SHA-256 of 64 lower-case hexadecimal digits, not {name!r:.80}")
    return name


def _has_part_key(value: Any) -> bool:
    """Return whether a value is an object with a single key, which is `$json`, `$$json` and so on."""
    return isinstance(value, dict) and len(value) == 1 and _PART_KEY_PATTERN.fullmatch(next(iter(value))) is not None
