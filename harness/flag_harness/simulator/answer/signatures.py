"""Signatures of thinking blocks. Any simulator with the same seed can verify them, without a list of issued signatures.

A signature also contains the position of its block in the answer: a letter for each block before it. For example, `TC`
is the position of a block that comes after one thinking block and one tool call. Raw blocks and paused answers cannot
contain a position, so the simulator remembers those.
"""

import base64
import hashlib
import hmac
import re
import string
from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

_SIGNATURE_PREFIX = b"\x12\x9a\x02\x0a"
_CHECKSUM_BYTES = 32
_POSITION_LETTERS: Mapping[str, str] = {
    "thinking": "T",
    "redacted_thinking": "R",
    "tool_use": "C",
    "server_tool_use": "S",
    "mcp_tool_use": "S",
}
"""The letter that stands for each block type in a position. Text blocks have none, because clients merge, split and
drop them.
"""
LAST_BLOCK_MARK = "$"
"""The last character of a position if the block is the last one of its answer."""
CONTINUATION_MARK = "|"
"""The character in a position that separates the blocks of an assistant message from those of the answer that continues
the message.
"""
_POSITION_PATTERN = re.compile(r"([TRCS|]*\$?)\0", re.DOTALL)
_ID_CHARACTERS = string.digits + string.ascii_letters
_NO_THINKING_MARK_LENGTH = 8
_MAX_REMEMBERED_ANSWERS = 4096


def position_after_blocks(blocks: Sequence[Mapping[str, Any]]) -> str:
    """Return the position in an answer after these blocks: a text with one letter for each block, such as `TC`."""
    return "".join(_POSITION_LETTERS.get(str(block.get("type")), "") for block in blocks)


class SeededSignatures:
    """Signs thinking blocks with a key that is derived from a seed.

    A signature contains the encrypted thinking, as in the API, so blocks without their text can be verified too.
    Signatures and redacted data in `trusted` are accepted without a check.
    """

    def __init__(self, seed: object, trusted: Collection[str] = ()) -> None:
        self._key = hashlib.sha256(f"signatures\0{seed}".encode()).digest()
        self._trusted = set(trusted)
        self._trusted_calls: set[str] = set()
        self._raw_calls: set[str] = set()
        self._raw_results: set[str] = set()
        self._paused: dict[tuple[str, ...], None] = {}

    @property
    def state(self) -> Hashable:
        """A hashable value of the key and everything remembered. Two objects with equal states accept the same
        signatures.
        """
        remembered = (self._trusted, self._trusted_calls, self._raw_calls, self._raw_results, self._paused)
        return self._key, *map(frozenset, remembered)

    def trust_raw_block(self, block: Mapping[str, Any]) -> None:
        """From now on, accept a block that the scenario gives in raw form: its signature, its encrypted data or its
        call id.
        """
        self._raw_calls.add(str(block.get("id")))
        self._raw_results.add(str(block.get("tool_use_id")))
        if block.get("type") == "tool_use":
            self._trusted_calls.add(str(block.get("id")))
        self._trusted.update(str(block[key]) for key in ("signature", "data") if isinstance(block.get(key), str))

    def sign(self, thinking: str, position: str = "") -> str:
        """Return a signature for a thinking text at a position of an answer (see `position_after_blocks`)."""
        return self._encrypt_with_checksum(b"thinking", _prepend_position_in_answer(thinking, position))

    def is_valid(self, signature: str, thinking: str) -> bool:
        """Return whether the signature was issued for this thinking text.

        If the text is empty, a signature for any text is valid.
        """
        if signature in self._trusted:
            return True
        decrypted = self._decrypt_and_verify(b"thinking", signature)
        return decrypted is not None and thinking in (_remove_position_in_answer(decrypted), "")

    def is_issued(self, signature: str) -> bool:
        """Return whether the simulator issued the signature, for any thinking text."""
        return signature in self._trusted or self._decrypt_and_verify(b"thinking", signature) is not None

    def encrypt_thinking(self, thinking: str, position: str = "") -> str:
        """Return an encrypted thinking text, for the key `data` of a redacted thinking block.

        `is_issued_redacted_data` recognises it.
        """
        return self._encrypt_with_checksum(b"redacted", _prepend_position_in_answer(thinking, position))

    def is_issued_redacted_data(self, data: str) -> bool:
        """Return whether `data` is from a redacted thinking block that was issued."""
        return data in self._trusted or self._decrypt_and_verify(b"redacted", data) is not None

    def position_in_answer(self, block: Mapping[str, Any]) -> str | None:
        """Return the position in the answer at which a thinking block was issued, or None if it is unknown."""
        redacted = block["type"] == "redacted_thinking"
        encrypted = str(block["data"] if redacted else block["signature"])
        text = (
            None
            if encrypted in self._trusted
            else self._decrypt_and_verify(b"redacted" if redacted else b"thinking", encrypted)
        )
        found = None if text is None else _POSITION_PATTERN.match(text)
        return None if text is None else found[1] if found else ""

    def is_last_block_of_issued_answer(self, block: Mapping[str, Any]) -> bool:
        """Return whether a thinking block was the last block of its answer. Trusted blocks always count as last."""
        encrypted = str(block["data"] if block["type"] == "redacted_thinking" else block["signature"])
        return encrypted in self._trusted or (self.position_in_answer(block) or "").endswith(LAST_BLOCK_MARK)

    def add_no_thinking_mark_to_call_id(self, identifier: str) -> str:
        """Return the id of a tool call with its end replaced by a mark.

        The mark says that the call was issued in an answer that does not begin with thinking.
        """
        kept = identifier[:-_NO_THINKING_MARK_LENGTH]
        digest = hmac.digest(self._key, b"call" + kept.encode(), "sha256")
        return kept + "".join(_ID_CHARACTERS[byte % len(_ID_CHARACTERS)] for byte in digest[:_NO_THINKING_MARK_LENGTH])

    def is_from_answer_without_thinking(self, identifier: str) -> bool:
        """Return whether a tool call's id has the mark of calls that were issued in an answer that does not begin with
        thinking.
        """
        return identifier in self._trusted_calls or identifier == self.add_no_thinking_mark_to_call_id(identifier)

    def is_result_without_call(self, identifier: str) -> bool:
        """Return whether the scenario has a server tool's result for the call `identifier`, but not the call itself."""
        return identifier in self._raw_results - self._raw_calls

    def remember_paused_answer(self, blocks: Sequence[Mapping[str, Any]]) -> None:
        """Remember an answer with the stop reason `pause_turn`. The client may send it back as its last message, to
        continue it.
        """
        self._paused[_answer_identity(blocks)] = None
        while len(self._paused) > _MAX_REMEMBERED_ANSWERS:
            del self._paused[next(iter(self._paused))]

    def is_paused_answer(self, message: Mapping[str, Any]) -> bool:
        """Return whether a message is an answer that was passed to `remember_paused_answer`."""
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content or ()
        return message["role"] == "assistant" and _answer_identity(blocks) in self._paused

    def _encrypt_with_checksum(self, kind: bytes, text: str) -> str:
        """Encrypt a text, and return it with a checksum, as base64.

        `kind` is `thinking` for a signature and `redacted` for the data of a redacted block, so that one never passes
        for the other.
        """
        mac = hmac.digest(self._key, kind + text.encode(), "sha256")
        return base64.b64encode(_SIGNATURE_PREFIX + mac + self._xor_with_keystream(mac, text.encode())).decode()

    def _decrypt_and_verify(self, kind: bytes, encrypted: str) -> str | None:
        """Return the text that `_encrypt_with_checksum` encrypted, or None if `encrypted` was changed or encrypted with
        another key.
        """
        try:
            raw = base64.b64decode(encrypted, validate=True)
            mac, hidden = (
                raw[len(_SIGNATURE_PREFIX) : len(_SIGNATURE_PREFIX) + _CHECKSUM_BYTES],
                raw[len(_SIGNATURE_PREFIX) + _CHECKSUM_BYTES :],
            )
            text = self._xor_with_keystream(mac, hidden).decode()
        except ValueError:
            return None
        return text if self._encrypt_with_checksum(kind, text) == encrypted else None

    def _xor_with_keystream(self, mac: bytes, data: bytes) -> bytes:
        """Encrypt or decrypt `data`: combine it by XOR with bytes derived from the key and from `mac`, the text's
        checksum.
        """
        stream = hashlib.shake_256(self._key + mac).digest(len(data))
        return bytes(one ^ other for one, other in zip(data, stream, strict=True))


def _prepend_position_in_answer(thinking: str, position: str) -> str:
    """Return a thinking text with its position in the answer in front of it, unless the position is empty."""
    return f"{position}\0{thinking}" if position else thinking


def _remove_position_in_answer(decrypted: str) -> str:
    """Return a decrypted thinking text without the position in front of it."""
    return _POSITION_PATTERN.sub("", decrypted, count=1) if _POSITION_PATTERN.match(decrypted) else decrypted


def _answer_identity(blocks: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the types and texts of an answer's blocks, to recognise the answer when a client sends it back.

    Other keys do not count, because clients drop and add some.
    """
    keys = ("text", "id", "tool_use_id", "signature", "data")
    return tuple(f"{block.get('type')}:{next((block[key] for key in keys if key in block), '')}" for block in blocks)
