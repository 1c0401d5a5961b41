"""The message of a request that a vcrpy cassette holds no answer for."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from flag_harness.cassette.match.difference import Difference, differences
from flag_harness.cassette.match.matching import body_value
from flag_harness.cassette.redact.scan import redact_keys
from flag_harness.vcr.matchers import Matcher, failing
from flag_harness.vcr.request import VcrRequest

SHOWN = 8
"""Differences of a body that are listed."""
_PARTS = ("method", "uri", "url", "scheme", "host", "port", "path", "query")


def message(
    sent: VcrRequest,
    path: Path,
    recorded: Sequence[VcrRequest],
    played: Collection[int],
    matchers: Mapping[str, Matcher],
    advice: str,
) -> str:
    """What was sent, where it is not, the nearest of what is left and what differs, and what to type; no key in it."""
    count = len(recorded)
    lines = [f"{sent.method} {sent.uri} is not in {path} ({count} interaction{'s' if count != 1 else ''})."]
    lines += _why(sent, recorded, played, matchers)
    return redact_keys("\n".join([*lines, *([advice] if advice else [])]))


def _why(
    sent: VcrRequest, recorded: Sequence[VcrRequest], played: Collection[int], matchers: Mapping[str, Matcher]
) -> Iterator[str]:
    found = {place: failing(sent, request, matchers) for place, request in enumerate(recorded)}
    if not found:
        return
    if equal := [place for place, names in found.items() if not names]:
        times = f"{len(equal)} time{'s' if len(equal) != 1 else ''}"
        yield f"It was recorded {times}, and each answer has been played."
        return
    left = [place for place in found if place not in played] or list(found)
    nearest = min(left, key=lambda place: len(found[place]))
    yield f"The nearest is interaction {nearest}; it differs in:"
    for name in found[nearest]:
        yield from (f"  {line}" for line in _lines(name, sent, recorded[nearest]))


def _lines(name: str, sent: VcrRequest, recorded: VcrRequest) -> Iterator[str]:
    """What differs in the part of a matcher. Of headers only the names are shown."""
    if name in ("body", "raw_body"):
        found = list(differences(body_value(recorded.body), body_value(sent.body)))
        if not found:
            yield f"{name}: the bytes differ, what they say does not"
        yield from map(str, islice(found, SHOWN))
        if (more := len(found) - SHOWN) > 0:
            yield f"... and {more} more"
    elif name == "headers":
        names = sorted({*map(str.lower, sent.headers), *map(str.lower, recorded.headers)})
        differing = [one for one in names if sent.headers.get(one) != recorded.headers.get(one)]
        yield f"headers: {', '.join(differing)}"
    elif name in _PARTS:
        yield str(Difference(name, getattr(recorded, name), getattr(sent, name)))
    else:
        yield f"what the matcher {name!r} compares"
