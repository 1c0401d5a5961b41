"""Signatures of thinking: issued here, and known again without a list, also by another simulator of the same seed."""

import base64
import hashlib
import hmac
from collections.abc import Collection

_PREFIX = b"\x12\x9a\x02\x0a"
_MAC_BYTES = 32


class SeededSignatures:
    """Issues signatures from a seed. `trusted` are signatures and redacted data from elsewhere that pass unjudged.

    Like the API's, a signature holds the thinking itself, sealed: so it is known where the thinking was left out, too.
    """

    def __init__(self, seed: object, trusted: Collection[str] = ()) -> None:
        self._key = hashlib.sha256(f"signatures\0{seed}".encode()).digest()
        self._trusted = frozenset(trusted)

    def sign(self, thinking: str) -> str:
        """The signature for this thinking."""
        return self._seal(b"thinking", thinking)

    def is_valid(self, signature: str, thinking: str) -> bool:
        """Whether this signature was issued for this thinking, or for one that was left out."""
        if signature in self._trusted:
            return True
        sealed = self._unseal(b"thinking", signature)
        return sealed is not None and thinking in (sealed, "")

    def is_issued(self, signature: str) -> bool:
        """Whether this signature was issued, for whatever thinking."""
        return signature in self._trusted or self._unseal(b"thinking", signature) is not None

    def encrypt(self, thinking: str) -> str:
        """The data of a redacted thinking block: opaque, and known again."""
        return self._seal(b"redacted", thinking)

    def is_issued_redaction(self, data: str) -> bool:
        """Whether this is the data of a redacted thinking block that was issued."""
        return data in self._trusted or self._unseal(b"redacted", data) is not None

    def _seal(self, kind: bytes, text: str) -> str:
        mac = hmac.digest(self._key, kind + text.encode(), "sha256")
        return base64.b64encode(_PREFIX + mac + self._masked(mac, text.encode())).decode()

    def _unseal(self, kind: bytes, sealed: str) -> str | None:
        """The text that was sealed; None where it was not sealed here, or altered since."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            mac, hidden = raw[len(_PREFIX) : len(_PREFIX) + _MAC_BYTES], raw[len(_PREFIX) + _MAC_BYTES :]
            text = self._masked(mac, hidden).decode()
        except ValueError:
            return None
        return text if self._seal(kind, text) == sealed else None

    def _masked(self, mac: bytes, data: bytes) -> bytes:
        stream = hashlib.shake_256(self._key + mac).digest(len(data))
        return bytes(one ^ other for one, other in zip(data, stream, strict=True))
