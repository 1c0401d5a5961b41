"""Numbers and ids that look random but depend only on the seed and the request, so that every recording has the same
ones.
"""

import hashlib
import random
import string
from collections.abc import Mapping
from typing import Any

import msgspec

from flag_harness.wire.json import decode_json

_LETTERS_AND_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_API_ID_LENGTH = 24
HEX_DIGITS = "0123456789abcdef"


class SeededRandom:
    """A sequence of random numbers that depends only on `seeds`, not on the platform or Python version.

    >>> SeededRandom("seed", 1).make_api_id("msg_") == SeededRandom("seed", 1).make_api_id("msg_")
    True
    """

    def __init__(self, *seeds: object) -> None:
        self._first_seed = seeds[0] if seeds else ""
        digest = hashlib.sha256("\0".join(map(str, seeds)).encode()).digest()
        self._random = random.Random(int.from_bytes(digest))

    def for_text(self, text: str) -> "SeededRandom":
        """Return a sequence of random numbers that depends only on the first seed and `text`."""
        return SeededRandom(self._first_seed, "text", text)

    def integer_below(self, end: int) -> int:
        """Return a random integer from 0 to `end` - 1.

        It is made with `Random.random()`, the only method that gives the same numbers in every Python version.
        """
        return int(self._random.random() * end)

    def fraction(self) -> float:
        """Return a random number from 0 to below 1."""
        return self._random.random()

    def characters(self, alphabet: str, count: int) -> str:
        """Return `count` random characters of an alphabet."""
        draw, size = self._random.random, len(alphabet)
        return "".join([alphabet[int(draw() * size)] for _ in range(count)])

    def make_api_id(self, prefix: str) -> str:
        """Return a random id in the API's format: the prefix, `01`, and 22 letters and digits."""
        return prefix + "01" + self.characters(_LETTERS_AND_DIGITS, _API_ID_LENGTH - 2)

    def uuid(self) -> str:
        """Return a random UUID of version 4."""
        digits = self.characters(HEX_DIGITS, 30)
        return f"{digits[:8]}-{digits[8:12]}-4{digits[12:15]}-a{digits[15:18]}-{digits[18:]}"


def canonical_body(body: bytes) -> bytes:
    """Return a JSON body with sorted keys. A body that is not JSON is returned unchanged."""
    value = decode_json(body)
    return body if value is None else msgspec.json.encode(value, order="sorted")


def hash_of_parts(*parts: bytes | str) -> str:
    """Return one hash of several texts or bytes. Another order of the parts gives another hash."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8))
        digest.update(data)
    return digest.hexdigest()


def canonical_json(value: Mapping[str, Any] | list[Any]) -> str:
    """Return a JSON text with sorted keys, so that equal values have equal texts."""
    return msgspec.json.encode(value, order="sorted").decode()
