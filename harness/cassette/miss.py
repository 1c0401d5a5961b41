"""The report of a miss: the nearest recorded request, what differs, which flag changes that, and what to type."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from harness.cassette.cassette import Cassette
from harness.cassette.difference import Difference, differences
from harness.cassette.interaction import Interaction
from harness.cassette.matching import MatchWord, betas

SHOWN = 8
"""Differences that a report lists before it only counts."""

_PARTS: dict[str, frozenset[MatchWord]] = {
    "method": frozenset({"method"}),
    "path": frozenset({"path", "query", "uri"}),
    "anthropic-beta": frozenset({"headers"}),
}
_BODY: frozenset[MatchWord] = frozenset({"body", "raw_body"})


def miss_message(
    asked: Interaction,
    cassette: Cassette,
    unplayed: Sequence[int],
    explain: Callable[[str], str | None],
    record: str,
) -> str:
    """The whole report, one line a difference."""
    return "\n".join(_lines(asked, cassette, unplayed, explain, record))


def request_differences(recorded: Interaction, asked: Interaction) -> list[Difference]:
    """What differs between two requests: method, path, betas, and the places of the body."""
    pairs = [
        ("method", recorded.request.method, asked.request.method),
        ("path", recorded.request.path, asked.request.path),
        ("anthropic-beta", betas(recorded.request.headers), betas(asked.request.headers)),
    ]
    outside = [Difference(name, ours, theirs) for name, ours, theirs in pairs if ours != theirs]
    return [*outside, *differences(recorded.value, asked.value)]


def _lines(
    asked: Interaction,
    cassette: Cassette,
    unplayed: Sequence[int],
    explain: Callable[[str], str | None],
    record: str,
) -> Iterator[str]:
    count = len(cassette.interactions)
    where = f"{cassette.path or 'the cassette'} ({count} interaction{'s' if count != 1 else ''})"
    yield f"{asked.request.method} {asked.request.path} is not in {where}."
    if places := cassette.index.get(cassette.key(asked)):
        yield f"It was recorded {len(places)} time{'s' if len(places) != 1 else ''}, and each answer has been played."
    elif count:
        yield from _nearest(asked, cassette, unplayed, explain)
    if record:
        yield f"To record it: {record}"


def _nearest(
    asked: Interaction, cassette: Cassette, unplayed: Sequence[int], explain: Callable[[str], str | None]
) -> Iterator[str]:
    candidates = unplayed or range(len(cassette.interactions))
    match_on = cassette.envelope.match_on
    found = {
        place: [one for one in request_differences(cassette.interactions[place], asked) if _matters(one, match_on)]
        for place in candidates
    }
    place = min(found, key=lambda place: len(found[place]))
    yield f"The nearest is interaction {place}; it differs in:"
    for difference in islice(found[place], SHOWN):
        flag = explain(difference.path)
        yield f"  {difference}" + (f"   [the flag {flag} changes this]" if flag else "")
    if (more := len(found[place]) - SHOWN) > 0:
        yield f"  ... and {more} more"


def _matters(difference: Difference, match_on: tuple[MatchWord, ...]) -> bool:
    """Whether a difference keeps a request from matching, where only the named parts are compared."""
    return not match_on or not _PARTS.get(difference.path, _BODY).isdisjoint(match_on)
