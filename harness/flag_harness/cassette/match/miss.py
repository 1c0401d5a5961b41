"""A miss: the nearest recorded request, what differs, which flag changes that, and what to type."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from flag_harness.cassette.cassette import Cassette
from flag_harness.cassette.interaction import Interaction
from flag_harness.cassette.match.difference import Difference, changed_words, differences
from flag_harness.cassette.match.index import Index
from flag_harness.cassette.match.matching import MatchWord, betas, canonical_path
from flag_harness.cassette.match.nearest import nearest

SHOWN = 8
"""Differences that a report lists before it only counts."""
MOST_RANKED = 500
"""Recorded requests that are looked at to find the nearest: the first that have not been played, the test's own before
others. 500 conversations of 200 turns, 50 MB, are ranked in half a second."""
COMPARED = 8
"""Requests that are compared in full with a new one: the nearest at first sight."""

_PARTS: dict[str, frozenset[MatchWord]] = {
    "method": frozenset({"method"}),
    "path": frozenset({"path", "query", "uri"}),
    "anthropic-beta": frozenset({"headers"}),
}
_BODY: frozenset[MatchWord] = frozenset({"body", "raw_body"})


@dataclass(frozen=True, slots=True)
class Miss:
    """A request that was not answered: `place` is the nearest interaction, `None` where none is compared.

    `message` is the whole report, a line or two of summary and one for each difference; `reason` says what is wrong
    where it is no difference.
    """

    asked: Interaction
    place: int | None
    differences: tuple[Difference, ...]
    message: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reporter:
    """Says what was missed in a cassette. `explain` names the flag that changes a path; `record` is what to type."""

    cassette: Cassette
    index: Index
    explain: Callable[[str], str | None]
    record: str

    def miss(self, asked: Interaction, unplayed: Sequence[int]) -> Miss:
        """The report of a request that none that is left equals; the nearest of those in `unplayed` is named."""
        if places := self.index.places.get(self.index.key(asked)):
            times = f"{len(places)} time{'s' if len(places) != 1 else ''}"
            lines = [f"It was recorded {times}, and each answer has been played."]
            return self._report(asked, None, (), lines, "sent more often than it was recorded")
        candidates = (unplayed or range(len(self.cassette.interactions)))[:MOST_RANKED]
        if not candidates:
            return self._report(asked, None, (), [], "nothing is recorded")
        requests = ((place, self.cassette.interactions[place].request) for place in candidates)
        found = {place: self._differences(place, asked) for place in nearest(asked.request, requests, COMPARED)}
        fewest = min(map(len, found.values()))
        place = min((place for place in found if len(found[place]) == fewest), key=lambda place: _size(found[place]))
        return self._report(asked, place, found[place], self._nearest(place, found[place]))

    def read_on(self, asked: Interaction, place: int) -> Miss:
        """The report of a client that reads past the end of a recording whose own client had stopped there."""
        where = f"{asked.request.method} {asked.request.path}: the answer of interaction {place} of {self._name}"
        lines = [f"{where} ends where its client stopped reading; this one read on."]
        return Miss(asked, None, (), "\n".join([*lines, *self._command()]), "read on where the recorded client stopped")

    @property
    def _name(self) -> str:
        return str(self.cassette.path or "the cassette")

    def _report(
        self,
        asked: Interaction,
        place: int | None,
        found: Sequence[Difference],
        lines: Iterable[str],
        reason: str = "",
    ) -> Miss:
        count = len(self.cassette.interactions)
        where = f"{self._name} ({count} interaction{'s' if count != 1 else ''})"
        first = f"{asked.request.method} {asked.request.path} is not in {where}."
        return Miss(asked, place, tuple(found), "\n".join([first, *lines, *self._command()]), reason)

    def _nearest(self, place: int, found: Sequence[Difference]) -> Iterator[str]:
        yield f"The nearest is interaction {place}; it differs in:"
        for difference in islice(found, SHOWN):
            flag = self.explain(difference.path)
            yield f"  {difference}" + (f"   [the flag {flag} changes this]" if flag else "")
        if (more := len(found) - SHOWN) > 0:
            yield f"  ... and {more} more"

    def _command(self) -> list[str]:
        return [f"To record it: {self.record}"] if self.record else []

    def _differences(self, place: int, asked: Interaction) -> list[Difference]:
        recorded, sent = self.index.compared(self.cassette.interactions[place]), self.index.compared(asked)
        match_on = self.cassette.envelope.match_on
        found = request_differences(recorded, sent, self._same) or request_differences(recorded, sent)
        return [one for one in found if _matters(one, match_on)]

    def _same(self, recorded: Any, sent: Any) -> bool:
        """Whether two values differ in nothing but ids that answers to equal requests gave."""
        named = self.index.bindings.by_source
        return isinstance(recorded, str) and isinstance(sent, str) and named(recorded) == named(sent)


def request_differences(
    recorded: Interaction, asked: Interaction, equal: Callable[[Any, Any], bool] = lambda one, other: False
) -> list[Difference]:
    """What differs between two requests: method, path, betas, and the places of the body."""
    pairs = [
        ("method", recorded.request.method, asked.request.method),
        ("path", canonical_path(recorded.request.path), canonical_path(asked.request.path)),
        ("anthropic-beta", betas(recorded.request.headers), betas(asked.request.headers)),
    ]
    outside = [Difference(*pair) for pair in pairs if pair[1] != pair[2] and not equal(*pair[1:])]
    return [*outside, *differences(recorded.value, asked.value, equal)]


def _size(found: Sequence[Difference]) -> int:
    """How much differs, where as many places do: the words of texts, and the length of other values."""
    return sum(
        len("".join((*words.recorded, *words.sent)))
        for one in found
        for words in [changed_words(_text(one.recorded), _text(one.sent))]
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _matters(difference: Difference, match_on: tuple[MatchWord, ...]) -> bool:
    """Whether a difference keeps a request from matching, where only the named parts are compared."""
    words = _BODY if difference.at else _PARTS.get(difference.path, _BODY)
    return not match_on or not words.isdisjoint(match_on)
