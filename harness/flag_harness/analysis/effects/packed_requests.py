"""Keep the requests of a long conversation in little memory."""

import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from flag_harness.analysis.effects.request_changes import SentRequest


class PackedRequests(Sequence[SentRequest]):
    """Requests that are kept compressed. Each is decompressed whenever it is needed."""

    def __init__(self, requests: Iterable[SentRequest]) -> None:
        self._rows = [_pack_request(one) for one in requests]

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> SentRequest: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[SentRequest]: ...

    def __getitem__(self, index: int | slice) -> SentRequest | Sequence[SentRequest]:
        if isinstance(index, slice):
            return [_unpack_request(row) for row in self._rows[index]]
        return _unpack_request(self._rows[index])

    def __iter__(self) -> Iterator[SentRequest]:
        return map(_unpack_request, self._rows)


def _pack_request(request: SentRequest) -> bytes:
    """Compress a request. Its body is a JSON value, or bytes if it is not JSON."""
    is_json = not isinstance(request.body, bytes)
    body = request.body if is_json else request.body.decode("latin-1")
    text = json.dumps((request.method, request.path, request.headers, is_json, body))
    return zlib.compress(text.encode("ascii"), level=1)


def _unpack_request(row: bytes) -> SentRequest:
    method, path, headers, is_json, body = json.loads(zlib.decompress(row))
    return SentRequest(
        method, path, tuple((name, value) for name, value in headers), body if is_json else body.encode("latin-1")
    )
