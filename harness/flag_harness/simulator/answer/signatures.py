"""Signatures of thinking blocks, which any simulator with the same seed can verify without a list."""

import base64
import hashlib
import hmac
from collections.abc import Collection

_PREFIX = b"\x12\x9a\x02\x0a"
_MAC_BYTES = 32


class SeededSignatures:
    """Signs thinking with a key from the seed. `trusted` signatures and redacted data are accepted without a check.

    As in the API, a signature contains the thinking in encrypted form, so it also verifies blocks without their text.
    """

    def __init__(self, seed: object, trusted: Collection[str] = ()) -> None:
        self._key = hashlib.sha256(f"signatures\0{seed}".encode()).digest()
        self._trusted = frozenset(trusted)

    def sign(self, thinking: str) -> str:
        """Return the signature for this thinking."""
        return self._seal(b"thinking", thinking)

    def is_valid(self, signature: str, thinking: str) -> bool:
        """Return whether the signature was issued for this thinking, or for any thinking if the text is empty."""
        if signature in self._trusted:
            return True
        sealed = self._unseal(b"thinking", signature)
        return sealed is not None and thinking in (sealed, "")

    def is_issued(self, signature: str) -> bool:
        """Return whether the signature was issued at all, for any thinking text."""
        return signature in self._trusted or self._unseal(b"thinking", signature) is not None

    def encrypt(self, thinking: str) -> str:
        """Return the data of a redacted thinking block, which can be verified later."""
        return self._seal(b"redacted", thinking)

    def is_issued_redaction(self, data: str) -> bool:
        """Return whether `data` belongs to a redacted thinking block that was issued."""
        return data in self._trusted or self._unseal(b"redacted", data) is not None

    def _seal(self, kind: bytes, text: str) -> str:
        mac = hmac.digest(self._key, kind + text.encode(), "sha256")
        return base64.b64encode(_PREFIX + mac + self._apply_mask(mac, text.encode())).decode()

    def _unseal(self, kind: bytes, sealed: str) -> str | None:
        """Return the encrypted text, or None if it was not issued here or has been changed."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            mac, hidden = raw[len(_PREFIX) : len(_PREFIX) + _MAC_BYTES], raw[len(_PREFIX) + _MAC_BYTES :]
            text = self._apply_mask(mac, hidden).decode()
        except ValueError:
            return None
        return text if self._seal(kind, text) == sealed else None

    def _apply_mask(self, mac: bytes, data: bytes) -> bytes:
        stream = hashlib.shake_256(self._key + mac).digest(len(data))
        return bytes(one ^ other for one, other in zip(data, stream, strict=True))
