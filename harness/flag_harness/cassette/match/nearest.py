"""Find the recorded requests that are most like a sent one by a quick estimate, before they are compared in full."""

from bisect import bisect_left
from collections.abc import Iterable
from heapq import nsmallest
from typing import TypeAlias

import msgspec

from flag_harness.cassette.match.matching import beta_features
from flag_harness.wire.timeline import Request

ComparablePart: TypeAlias = tuple[str | int, str | bytes]

_JSON_OBJECT_DECODER = msgspec.json.Decoder(dict[str, msgspec.Raw])
_JSON_LIST_DECODER = msgspec.json.Decoder(list[msgspec.Raw])


def nearest_requests(sent: Request, recorded: Iterable[tuple[int, Request]], count: int) -> list[int]:
    """Return the indices of the `count` recorded requests that are most like the sent one, the nearest first.

    Requests are alike if they have many parts in common: method, path, beta features, and members and messages of a
    JSON body. If two requests are equally near, the one comes first whose body has more in common with that of the sent
    one at the start and end. If these are equal, too, it is the one of more similar length, else the earlier one.
    """
    parts, body = _comparable_request_parts(sent), sent.body

    def distance_to_sent(row: tuple[int, Request]) -> tuple[int, int, int]:
        """Return a sort key for the index of a recorded request and the request: the smaller, the more like the sent
        one.
        """
        other, its = _comparable_request_parts(row[1]), row[1].body
        longest = max(len(body), len(its))
        unlike = longest - _common_prefix_length(body, its) - _common_prefix_length(body[::-1], its[::-1])
        return max(len(parts), len(other)) - len(parts & other), unlike, longest - min(len(body), len(its))

    return [index for index, _ in nsmallest(count, recorded, key=distance_to_sent)]


def _common_prefix_length(one: bytes, other: bytes) -> int:
    """Return the number of bytes at the beginning that two byte strings have in common."""
    longest = min(len(one), len(other))
    return bisect_left(range(1, longest + 1), True, key=lambda length: one[:length] != other[:length])


def _comparable_request_parts(request: Request) -> set[ComparablePart]:
    """Return the parts of a request, such as its path and each member of its body, to count those that two requests
    share.
    """
    parts: set[ComparablePart] = {
        ("method", request.method),
        *(("beta", one) for one in beta_features(request.headers)),
    }
    parts.update(enumerate(request.path.split("/")))
    try:
        members = _JSON_OBJECT_DECODER.decode(request.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return parts | {("body", request.body)}
    for name, raw in members.items():
        data = bytes(raw)
        parts.update(("", bytes(one)) for one in _JSON_LIST_DECODER.decode(data)) if data[:1] == b"[" else parts.add(
            (name, data)
        )
    return parts
