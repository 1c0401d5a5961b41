"""The index of a cassette: which of its interactions answers a request, in constant time however many there are."""

from bisect import insort
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, cycle

from flag_harness.cassette.interaction import Interaction
from flag_harness.cassette.match.bindings import bind
from flag_harness.cassette.match.matching import MatchWord, hashed
from flag_harness.cassette.match.normalise import NO_NORMALISERS, Normalisers
from flag_harness.wire.timeline import Request


class Index:
    """Finds interactions by what their requests say, normalised, with ids that answers gave named by their source.

    `aliases` are the same interactions as they were before something was filtered out of them: each is found under its
    alias's request too. Of equal ones, those whose places are in `first` come first.
    """

    def __init__(
        self,
        interactions: Sequence[Interaction],
        match_on: tuple[MatchWord, ...] = (),
        normalisers: Normalisers = NO_NORMALISERS,
        aliases: Sequence[Interaction] = (),
        first: Collection[int] = (),
    ) -> None:
        self._interactions, self._match_on, self._normalisers = interactions, match_on, normalisers
        keys, self.bindings = bind(map(self._content, interactions), [one.response for one in interactions], hashed)
        self._keys = dict(zip((_whole(one.request) for one in interactions), keys, strict=True))
        self.places: dict[bytes, list[int]] = {}
        for place, key in enumerate(keys):
            self.places.setdefault(key, []).append(place)
        for place, alias in enumerate(aliases):
            if place not in (places := self.places.setdefault(self.key(alias), [])):
                insort(places, place)
        for places in self.places.values() if first else ():
            places.sort(key=lambda place: (place not in first, place))

    def key(self, asked: Interaction) -> bytes:
        """What decides which recorded request a new one equals. One that equals it byte by byte has its key."""
        return self._keys.get(_whole(asked.request)) or hashed(self.bindings.bound(self._content(asked)))

    def exact(self, key: bytes) -> dict[bytes, list[int]]:
        """The places of a key by what their requests say with their own ids: see `exact_key`."""
        exact: dict[bytes, list[int]] = {}
        for place in self.places[key]:
            exact.setdefault(self.exact_key(self._interactions[place]), []).append(place)
        return exact

    def exact_key(self, asked: Interaction) -> bytes:
        """The hash of what a request says with the ids that it has."""
        return hashed(self._content(asked))

    def compared(self, asked: Interaction) -> Interaction:
        """The request as normalisers leave it."""
        return Interaction(self._normalisers.request(asked.request), asked.response) if self._normalisers else asked

    def _content(self, asked: Interaction) -> bytes:
        return self.compared(asked).content_on(self._match_on)


def _whole(request: Request) -> tuple[object, ...]:
    """The request byte by byte. A tuple is hashed and compared in half the time of a dataclass."""
    return request.method, request.url, request.headers, request.body


class Queues:
    """The interactions of an index that are left to be played, equal ones in recorded order. Not safe under threads.

    With `repeat` there are always some left: after the last of equal ones comes the first.
    """

    def __init__(self, index: Index, *, repeat: bool = False) -> None:
        self._index, self._repeat = index, repeat
        self._turns: dict[tuple[bytes, bytes], Iterator[int]] = {}
        self._left: dict[bytes, Iterator[int]] = {key: iter(places) for key, places in index.places.items()}
        self._exact: dict[bytes, dict[bytes, Iterator[int]]] = {}
        self._again: dict[bytes, list[int]] = {}
        self._taken: dict[int, bytes] = {}

    @property
    def taken(self) -> frozenset[int]:
        """The places that were taken."""
        return frozenset(self._taken)

    def take(self, key: bytes, asked: Interaction) -> int | None:
        """The place that answers a request, which is taken with it; `None` where there is none left.

        First what was recorded with the very same ids; then any that equals; then what was given back, last because
        a cassette that was recorded under the same fault holds the answer to the retry too.
        """
        if key not in self._left:
            return None
        if self._repeat:
            place = next(self._turn(key, asked))
            self._taken[place] = key
            return place
        queues = [self._left[key]]
        if self._index.bindings and len(self._index.places[key]) > 1:
            queues[:0] = self._with_same_ids(key, asked)
        for place in chain.from_iterable(queues):
            if place not in self._taken:
                self._taken[place] = key
                return place
        again = self._again.get(key)
        return again.pop(0) if again else None

    def give_back(self, place: int) -> None:
        """Let the same request be answered by this place once more."""
        again = self._again.setdefault(self._taken[place], [])
        if place not in again:
            again.append(place)

    def _turn(self, key: bytes, asked: Interaction) -> Iterator[int]:
        """The places that were recorded with the very same ids, or all that equal, round and round."""
        exact = self._index.exact_key(asked) if self._index.bindings else b""
        if (key, exact) not in self._turns:
            same = self._index.exact(key).get(exact) if exact else None
            self._turns[key, exact] = cycle(same or self._index.places[key])
        return self._turns[key, exact]

    def _with_same_ids(self, key: bytes, asked: Interaction) -> list[Iterator[int]]:
        if key not in self._exact:
            self._exact[key] = {exact: iter(places) for exact, places in self._index.exact(key).items()}
        queue = self._exact[key].get(self._index.exact_key(asked))
        return [] if queue is None else [queue]
