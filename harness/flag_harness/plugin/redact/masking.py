"""Mask the secrets of a test's requests and responses in any text."""

import threading

from flag_harness.cassette import REDACTED, Filters
from flag_harness.cassette.redact.scan import redact_api_keys
from flag_harness.wire.timeline import Cut, End, Piece, Request
from flag_harness.wire.traffic_log import TrafficLog


class TrafficMask:
    """Masks API keys, and every value that the filters removed from a test's traffic. Thread-safe."""

    def __init__(self, filters: Filters, traffic_log: TrafficLog) -> None:
        self._filters, self._traffic_log = filters, traffic_log
        self._read_entries, self._secrets = 0, set[str]()
        self._open_exchanges: list[_OpenExchange] = []
        self._secrets_longest_first: tuple[str, ...] = ()
        self._lock = threading.RLock()  # reentrant: an object that is garbage collected in here may write a log

    def __call__(self, text: str) -> str:
        text = self._filters.filter_text(text)
        for secret in self._secrets_in_traffic() if self._filters else ():
            text = text.replace(secret, REDACTED)
        return redact_api_keys(text)

    def _secrets_in_traffic(self) -> tuple[str, ...]:
        """Return the values that the filters have removed so far, longest first. Unfinished responses count too."""
        with self._lock:
            new = self._traffic_log.entries_from(self._read_entries)
            self._read_entries += len(new)
            self._open_exchanges += [_OpenExchange(request, pieces) for request, pieces in new]
            for exchange in tuple(self._open_exchanges):
                self._secrets.update(exchange.find_new_secrets(self._filters))
            self._open_exchanges = [exchange for exchange in self._open_exchanges if exchange.is_open]
            if len(self._secrets) > len(self._secrets_longest_first):
                self._secrets_longest_first = tuple(sorted(self._secrets, key=len, reverse=True))
            return self._secrets_longest_first


class _OpenExchange:
    """A request whose response may still be arriving."""

    def __init__(self, request: Request, pieces: list[Piece]) -> None:
        self._request, self._pieces = request, pieces
        self._read_pieces, self.is_open = -1, True

    def find_new_secrets(self, filters: Filters) -> set[str]:
        """Return the values that the filters remove from the request, and from the response as far as it has arrived.

        Return an empty set if nothing has arrived since the last call.
        """
        arrived = tuple(self._pieces)
        if len(arrived) == self._read_pieces:
            return set()
        self._read_pieces = len(arrived)
        secrets = filters.secrets(self._request, arrived)
        self.is_open = not (arrived and isinstance(arrived[-1], (Cut, End)))
        return set(secrets)
