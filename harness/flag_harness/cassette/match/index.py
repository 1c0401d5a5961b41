"""Find the recorded interaction that answers a request, in a time that does not depend on their number."""

from bisect import insort
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, cycle

from flag_harness.cassette.interaction import Interaction
from flag_harness.cassette.match.matching import MatchPart, hash_content
from flag_harness.cassette.match.normalisers import NO_NORMALISERS, Normalisers
from flag_harness.cassette.match.returned_ids import replace_ids_in_match_contents
from flag_harness.wire.timeline import Request


class RequestIndex:
    """Finds interactions by their request, as normalisers change it. Ids of the API are compared by where they came
    from.

    `match_on` are the parts of a request that are compared. `aliases` are the interactions before filtering; an
    interaction is found by this form, too. Of interactions with equal requests, those whose indices are in `preferred`
    are played first.
    """

    def __init__(
        self,
        interactions: Sequence[Interaction],
        match_on: tuple[MatchPart, ...] = (),
        normalisers: Normalisers = NO_NORMALISERS,
        aliases: Sequence[Interaction] = (),
        preferred: Collection[int] = (),
    ) -> None:
        self._interactions, self._match_on, self._normalisers = interactions, match_on, normalisers
        responses = [one.response for one in interactions]
        keys, self.id_replacements = replace_ids_in_match_contents(
            map(self._match_content_after_normalisers, interactions), responses, hash_content
        )
        self._keys_by_request = dict(zip((_hashable_request(one.request) for one in interactions), keys, strict=True))
        self.indices_by_key: dict[bytes, list[int]] = {}
        for index, key in enumerate(keys):
            self.indices_by_key.setdefault(key, []).append(index)
        for index, alias in enumerate(aliases):
            if index not in (indices := self.indices_by_key.setdefault(self.matching_key(alias), [])):
                insort(indices, index)
        for indices in self.indices_by_key.values() if preferred else ():
            indices.sort(key=lambda index: (index not in preferred, index))

    def matching_key(self, sent: Interaction) -> bytes:
        """Return the hash by which a request is looked up. Requests that count as equal have the same hash."""
        return self._keys_by_request.get(_hashable_request(sent.request)) or hash_content(
            self.id_replacements.replace_ids(self._match_content_after_normalisers(sent))
        )

    def indices_by_exact_key(self, key: bytes) -> dict[bytes, list[int]]:
        """Return the indices of the interactions with this matching key, grouped by the `exact_key` of
        their requests.
        """
        exact: dict[bytes, list[int]] = {}
        for index in self.indices_by_key[key]:
            exact.setdefault(self.exact_key(self._interactions[index]), []).append(index)
        return exact

    def exact_key(self, sent: Interaction) -> bytes:
        """Return a hash of a request's content.

        Unlike in `matching_key`, different ids of the API give different hashes.
        """
        return hash_content(self._match_content_after_normalisers(sent))

    def normalise_request(self, sent: Interaction) -> Interaction:
        """Return the interaction with values in its request masked that vary from run to run, as normalisers say."""
        if not self._normalisers:
            return sent
        return Interaction(self._normalisers.normalise_request(sent.request), sent.response)

    def _match_content_after_normalisers(self, sent: Interaction) -> bytes:
        """Return the bytes by which an interaction's request is compared, after normalisers have masked values."""
        return self.normalise_request(sent).match_content(self._match_on)


def _hashable_request(request: Request) -> tuple[object, ...]:
    """Return the request as a tuple, which Python hashes and compares in half the time of a dataclass."""
    return request.method, request.url, request.headers, request.body


class UnplayedInteractions:
    """The interactions that can still be played. For equal requests, they are played in recorded order. Not
    thread-safe.

    With `repeat`, a recorded request can be sent any number of times: after its last interaction, the first one is
    played again, then the second, and so on.
    """

    def __init__(self, request_index: RequestIndex, *, repeat: bool = False) -> None:
        self._index, self._repeats = request_index, repeat
        self._cycles: dict[tuple[bytes, bytes], Iterator[int]] = {}
        self._unplayed: dict[bytes, Iterator[int]] = {
            key: iter(indices) for key, indices in request_index.indices_by_key.items()
        }
        self._unplayed_by_exact_key: dict[bytes, dict[bytes, Iterator[int]]] = {}
        self._requeued: dict[bytes, list[int]] = {}
        self._played: dict[int, bytes] = {}

    @property
    def indices_already_played(self) -> frozenset[int]:
        """The indices of the interactions that have been played."""
        return frozenset(self._played)

    def take_next_answer(self, key: bytes, sent: Interaction) -> int | None:
        """Return the index of the interaction that answers a request, and mark it as played. Return None if none is
        left.

        `key` is the request's matching key. An interaction with the same ids of the API is preferred to one that only
        has an equal key. Interactions that were made available again come last, because a cassette that was recorded
        under the same fault also holds the answer to the retry.
        """
        if key not in self._unplayed:
            return None
        if self._repeats:
            index = next(self._endless_cycle_of_answers(key, sent))
            self._played[index] = key
            return index
        queues = [self._unplayed[key]]
        if self._index.id_replacements and len(self._index.indices_by_key[key]) > 1:
            queues[:0] = self._answers_with_same_ids(key, sent)
        for index in chain.from_iterable(queues):
            if index not in self._played:
                self._played[index] = key
                return index
        requeued = self._requeued.get(key)
        return requeued.pop(0) if requeued else None

    def requeue_interaction(self, index: int) -> None:
        """Make an interaction that has been played available again."""
        requeued = self._requeued.setdefault(self._played[index], [])
        if index not in requeued:
            requeued.append(index)

    def _endless_cycle_of_answers(self, key: bytes, sent: Interaction) -> Iterator[int]:
        """Return an endless iterator of the indices of interactions that answer a request.

        They are those with the same ids of the API or, if there are none, all with the same matching key.
        """
        exact = self._index.exact_key(sent) if self._index.id_replacements else b""
        if (key, exact) not in self._cycles:
            same = self._index.indices_by_exact_key(key).get(exact) if exact else None
            self._cycles[key, exact] = cycle(same or self._index.indices_by_key[key])
        return self._cycles[key, exact]

    def _answers_with_same_ids(self, key: bytes, sent: Interaction) -> list[Iterator[int]]:
        """Return the indices of the interactions whose requests have the same ids of the API, as one iterator in a
        list.

        The list is empty if there are no such interactions.
        """
        if key not in self._unplayed_by_exact_key:
            self._unplayed_by_exact_key[key] = {
                exact: iter(indices) for exact, indices in self._index.indices_by_exact_key(key).items()
            }
        queue = self._unplayed_by_exact_key[key].get(self._index.exact_key(sent))
        return [] if queue is None else [queue]
