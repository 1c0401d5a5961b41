"""Texts as they may be shown: without what the filters name or took out of a test's traffic, and without any key."""

import threading

from flag_harness.cassette import REDACTED, Filters
from flag_harness.cassette.redact.scan import without_keys
from flag_harness.wire.tap import Tap
from flag_harness.wire.timeline import Cut, End, Piece, Request


class Hiding:
    """Hides, in any text, what the filters took out of the traffic that a tap has noted. Safe among threads."""

    def __init__(self, filters: Filters, tap: Tap) -> None:
        self._filters, self._tap = filters, tap
        self._noted, self._secrets = 0, set[str]()
        self._open: list[tuple[Request, list[Piece], int]] = []
        self._longest_first: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def __call__(self, text: str) -> str:
        text = self._filters.text(text)
        for secret in self._taken() if self._filters else ():
            text = text.replace(secret, REDACTED)
        return without_keys(text)

    def _taken(self) -> tuple[str, ...]:
        """What was taken out so far. An exchange is read again when more of it has come, and never once it is whole."""
        with self._lock:
            new = self._tap.noted(self._noted)
            self._noted += len(new)
            known, left = len(self._secrets), []
            for request, pieces, read in (*self._open, *((*one, -1) for one in new)):
                come = tuple(pieces)
                if len(come) != read:
                    self._secrets |= self._filters.taken(request, come)
                if not (come and isinstance(come[-1], (Cut, End))):
                    left.append((request, pieces, len(come)))
            self._open = left
            if len(self._secrets) > known:
                self._longest_first = tuple(sorted(self._secrets, key=len, reverse=True))
            return self._longest_first
