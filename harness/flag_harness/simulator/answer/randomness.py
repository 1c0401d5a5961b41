"""Random-looking numbers and ids that are the same at every recording: they depend on the seed and the request."""

import hashlib
import random
import string
from collections.abc import Mapping
from typing import Any

import msgspec

from flag_harness.wire.json import decode_json

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_CHARACTERS = 24


class SeededRandom:
    """A sequence of numbers that depends only on its `seeds`, on every platform and Python version.

    >>> SeededRandom("seed", 1).identifier("msg_") == SeededRandom("seed", 1).identifier("msg_")
    True
    """

    def __init__(self, *seeds: object) -> None:
        digest = hashlib.sha256("\0".join(map(str, seeds)).encode()).digest()
        self._random = random.Random(int.from_bytes(digest))

    def integer_below(self, end: int) -> int:
        """Return an integer from 0 to `end` - 1. Only `random()` gives the same numbers in every Python version."""
        return int(self._random.random() * end)

    def identifier(self, prefix: str) -> str:
        """Return an id in the API's format: the prefix, `01` and 22 characters of `[0-9A-Za-z]`."""
        return prefix + "01" + "".join(_ALPHABET[self.integer_below(len(_ALPHABET))] for _ in range(_ID_CHARACTERS - 2))

    def uuid(self) -> str:
        """Return a version 4 UUID."""
        digits = "".join(string.hexdigits[self.integer_below(16)] for _ in range(30))
        return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-a{digits[15:18]}-{digits[18:]}"


def canonical_body(body: bytes) -> bytes:
    """Return a body as JSON with sorted keys, or unchanged if it is not JSON."""
    value = decode_json(body)
    return body if value is None else msgspec.json.encode(value, order="sorted")


def fingerprint(*parts: bytes | str) -> str:
    """Return a hash of the parts in their order."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8))
        digest.update(data)
    return digest.hexdigest()


def canonical_json(value: Mapping[str, Any] | list[Any]) -> str:
    """Return JSON with sorted keys, so that equal values give equal text."""
    return msgspec.json.encode(value, order="sorted").decode()
