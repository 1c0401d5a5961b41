"""The nearest requests, cheaply: which of many are worth comparing in full with a new one."""

from bisect import bisect_left
from collections.abc import Iterable
from heapq import nsmallest
from typing import TypeAlias

import msgspec

from flag_harness.cassette.match.matching import betas
from flag_harness.wire.timeline import Request

Part: TypeAlias = tuple[str | int, str | bytes]

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


def nearest(asked: Request, recorded: Iterable[tuple[int, Request]], count: int) -> list[int]:
    """The places of the `count` recorded requests that share most with the one that was sent, the nearest first.

    Compared is what is written in parts: method, path, betas, and of a JSON body each member, each message by itself.
    Of those that share as much, those are nearer that begin and end like it, then those of like length, then those that
    come first.
    """
    parts, body = _parts(asked), asked.body

    def distance(row: tuple[int, Request]) -> tuple[int, int, int]:
        other, its = _parts(row[1]), row[1].body
        longest = max(len(body), len(its))
        unlike = longest - _common(body, its) - _common(body[::-1], its[::-1])
        return max(len(parts), len(other)) - len(parts & other), unlike, longest - min(len(body), len(its))

    return [place for place, _ in nsmallest(count, recorded, key=distance)]


def _common(one: bytes, other: bytes) -> int:
    """How many leading bytes two texts share."""
    longest = min(len(one), len(other))
    return bisect_left(range(1, longest + 1), True, key=lambda length: one[:length] != other[:length])


def _parts(request: Request) -> set[Part]:
    parts: set[Part] = {("method", request.method), *(("beta", one) for one in betas(request.headers))}
    parts.update(enumerate(request.path.split("/")))
    try:
        members = _OBJECT.decode(request.body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return parts | {("body", request.body)}
    for name, raw in members.items():
        data = bytes(raw)
        parts.update(("", bytes(one)) for one in _LIST.decode(data)) if data[:1] == b"[" else parts.add((name, data))
    return parts
