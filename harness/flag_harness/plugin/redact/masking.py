"""Mask the secrets of a test's requests and responses in any text."""

import threading

from flag_harness.cassette import REDACTED, Filters
from flag_harness.cassette.redact.scan import redact_keys
from flag_harness.wire.timeline import Cut, End, Piece, Request
from flag_harness.wire.traffic_log import TrafficLog


class TrafficMask:
    """Masks API keys, and every value that the filters removed from a test's traffic. Thread-safe."""

    def __init__(self, filters: Filters, traffic_log: TrafficLog) -> None:
        self._filters, self._traffic_log = filters, traffic_log
        self._read_entries, self._secrets = 0, set[str]()
        self._open_exchanges: list[tuple[Request, list[Piece], int]] = []
        self._secrets_longest_first: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def __call__(self, text: str) -> str:
        text = self._filters.filter_text(text)
        for secret in self._secrets_in_traffic() if self._filters else ():
            text = text.replace(secret, REDACTED)
        return redact_keys(text)

    def _secrets_in_traffic(self) -> tuple[str, ...]:
        """Return the values that the filters have removed so far, longest first, also from unfinished responses."""
        with self._lock:
            new = self._traffic_log.entries(self._read_entries)
            self._read_entries += len(new)
            known, still_open = len(self._secrets), []
            for request, pieces, length in (*self._open_exchanges, *((*one, -1) for one in new)):
                arrived = tuple(pieces)
                if len(arrived) != length:
                    self._secrets |= self._filters.secrets(request, arrived)
                if not (arrived and isinstance(arrived[-1], (Cut, End))):
                    still_open.append((request, pieces, len(arrived)))
            self._open_exchanges = still_open
            if len(self._secrets) > known:
                self._secrets_longest_first = tuple(sorted(self._secrets, key=len, reverse=True))
            return self._secrets_longest_first
