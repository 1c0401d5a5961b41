"""Numbers and ids that look random and are the same at every recording: drawn from the seed and the request."""

import hashlib
import random
import string
from collections.abc import Mapping
from typing import Any

import msgspec

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_ID_CHARACTERS = 24


class Draw:
    """A stream of numbers that depends on its `seeds` alone, on every platform and Python.

    >>> Draw("seed", 1).identifier("msg_") == Draw("seed", 1).identifier("msg_")
    True
    """

    def __init__(self, *seeds: object) -> None:
        digest = hashlib.sha256("\0".join(map(str, seeds)).encode()).digest()
        self._random = random.Random(int.from_bytes(digest))

    def below(self, end: int) -> int:
        """A whole number from 0 to `end` - 1. Only `random()` is the same in every Python version."""
        return int(self._random.random() * end)

    def identifier(self, prefix: str) -> str:
        """An id as the API forms them: the prefix, `01`, and 22 more of `[0-9A-Za-z]`."""
        return prefix + "01" + "".join(_ALPHABET[self.below(len(_ALPHABET))] for _ in range(_ID_CHARACTERS - 2))

    def uuid(self) -> str:
        """A UUID of version 4."""
        digits = "".join(string.hexdigits[self.below(16)] for _ in range(30))
        return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-a{digits[15:18]}-{digits[18:]}"


def identity(body: bytes) -> bytes:
    """A body as its canonical JSON, whatever the order in which a client writes its keys; else as it is."""
    try:
        return msgspec.json.encode(msgspec.json.decode(body), order="sorted")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body


def fingerprint(*parts: bytes | str) -> str:
    """A hash of the parts in their order."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8))
        digest.update(data)
    return digest.hexdigest()


def canonical(value: Mapping[str, Any] | list[Any]) -> str:
    """JSON whose keys are sorted: equal for equal values, whatever the order in which they were written."""
    return msgspec.json.encode(value, order="sorted").decode()
