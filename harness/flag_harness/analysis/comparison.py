"""Compare two cassettes, interaction by interaction: which parts of the requests and answers differ.

Values that the API generates anew for each answer (ids, signatures, times) are ignored. Two
requests that refer to such ids are equal if the ids were at the same path of the same answer.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from flag_harness.analysis.alignment import AlignedIndices, align_sequences
from flag_harness.analysis.conversation import describe_answer_ending
from flag_harness.cassette import Interaction
from flag_harness.cassette.match.difference import ABSENT, Difference, find_differences
from flag_harness.cassette.match.miss import request_differences
from flag_harness.wire.compression import decompress_response
from flag_harness.wire.message import ParsedResponse, parse_response
from flag_harness.wire.timeline import Chunk, Head, body

_GENERATED_KEYS = frozenset({"id", "request_id", "tool_use_id", "signature", "expires_at"})
"""Keys whose values the API generates anew for each answer."""
MAX_COMPARED_BYTES = 32 << 20
"""The largest body of which differences are listed, in bytes: the largest request that the Messages API accepts."""
_MAX_EQUAL_PAIRS = 250_000
"""The most pairs of equal requests for which the best pairing is searched.

If there are more, equal requests are paired in order, to save time.
"""


@dataclass(frozen=True, slots=True)
class InteractionPair:
    """Two matching interactions of two cassettes, and how they differ.

    `first_index` and `second_index` are their indices in the first and the second cassette; None if that cassette has
    no matching interaction. `request_differences` and `answer_differences` are the differences. In each,
    `recorded_value` is the value in the first cassette and `sent_value` that in the second.
    """

    first_index: int | None
    second_index: int | None
    method: str
    path: str
    request_differences: tuple[Difference, ...] = ()
    answer_differences: tuple[Difference, ...] = ()

    @property
    def is_different(self) -> bool:
        """Whether the interactions differ, or one of the two cassettes has no matching interaction."""
        return None in (self.first_index, self.second_index) or bool(
            self.request_differences or self.answer_differences
        )


def compare_interactions(first: Sequence[Interaction], second: Sequence[Interaction]) -> Iterator[InteractionPair]:
    """Yield pairs of matching interactions of two cassettes, in the order of the first cassette.

    Bodies of more than `MAX_COMPARED_BYTES` are only said to be equal or different.
    """
    same_ids: set[tuple[str, str]] = set()
    for before, after in _pair_interactions(first, second):
        # copies, since an interaction keeps its decoded body, and bodies may be large
        ours = None if before is None else _summarise_large_bodies(first[before])
        theirs = None if after is None else _summarise_large_bodies(second[after])
        request = (ours or theirs).request  # type: ignore[union-attr]
        if ours is None or theirs is None:
            yield InteractionPair(before, after, request.method, request.path)
            continue
        request_difference = request_differences(ours, theirs, partial(_are_same_id, same_ids))
        answers = [parse_response(decompress_response(one.response)) for one in (ours, theirs)]
        same_ids.update(_pairs_of_corresponding_ids(answers[0].decoded_body, answers[1].decoded_body))
        answer_difference = find_differences(
            *(_comparable_answer(one, answer) for one, answer in zip((ours, theirs), answers, strict=True))
        )
        yield InteractionPair(
            before, after, request.method, request.path, tuple(request_difference), tuple(answer_difference)
        )


def _summarise_large_bodies(interaction: Interaction) -> Interaction:
    """Return a copy of an interaction with each large body replaced by its size and hash."""
    request, response = interaction.request, interaction.response
    if len(request.body) > MAX_COMPARED_BYTES:
        request = replace(request, body=_size_and_hash(request.body))
    if sum(len(piece.data) for piece in response if isinstance(piece, Chunk)) > MAX_COMPARED_BYTES:
        heads = (replace(piece, headers=()) for piece in response[:1] if isinstance(piece, Head))
        response = (*heads, Chunk(0.0, _size_and_hash(body(response))), response[-1])
    return replace(interaction, request=request, response=response)


def _size_and_hash(data: bytes) -> bytes:
    return f'"{len(data):,} bytes with the SHA-256 {hashlib.sha256(data).hexdigest()}"'.encode()


def _pair_interactions(ours: Sequence[Interaction], theirs: Sequence[Interaction]) -> AlignedIndices:
    """Return pairs of the indices of matching interactions.

    First the interactions with equal requests are paired. The interactions between two such pairs are then paired in
    their order.
    """
    keys, other_keys = ([(_summarise_large_bodies(one).match_key, 0) for one in side] for side in (ours, theirs))
    counts, other_counts = Counter(keys), Counter(other_keys)
    if sum(count * other_counts[key] for key, count in counts.items()) > _MAX_EQUAL_PAIRS:
        keys, other_keys = (list(_number_repeated_keys(side)) for side in (keys, other_keys))
    return align_sequences(keys, other_keys)


def _number_repeated_keys(keys: Iterable[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    """Yield each key with the number of equal keys before it, so that no two results are equal."""
    counts: Counter[bytes] = Counter()
    for key, _ in keys:
        yield key, counts[key]
        counts[key] += 1


def _comparable_answer(interaction: Interaction, answer: ParsedResponse) -> Any:
    """Return an answer as one JSON value.

    A stream and a plain answer with the same content differ only in the key `streamed`.
    """
    ended = describe_answer_ending(interaction.response[-1])
    how = {"status": answer.status, "streamed": answer.is_stream, "ended": ended}
    error = {"error": answer.error} if answer.is_stream and answer.error is not None else {}
    value = _remove_generated_values(answer.decoded_body)
    return how | error | (value if isinstance(value, dict) else {"body": value})


def _are_same_id(same_ids: Collection[tuple[str, str]], one: Any, other: Any) -> bool:
    """Return whether `(one, other)` is among `same_ids`, the pairs of ids that stand for the same thing in both
    cassettes.
    """
    return isinstance(one, str) and isinstance(other, str) and (one, other) in same_ids


def _remove_generated_values(value: Any) -> Any:
    """Return a JSON value without the keys whose values the API generates anew for each answer, such as ids."""
    if isinstance(value, dict):
        return {key: _remove_generated_values(member) for key, member in value.items() if key not in _GENERATED_KEYS}
    return [_remove_generated_values(member) for member in value] if isinstance(value, list) else value


def _pairs_of_corresponding_ids(ours: Any, theirs: Any) -> Iterator[tuple[str, str]]:
    """Yield pairs of generated values, such as ids, that stand at the same path in two answers."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in ours.keys() & theirs.keys():
            one, other = ours[key], theirs[key]
            if key in _GENERATED_KEYS and isinstance(one, str) and isinstance(other, str):
                yield one, other
            else:
                yield from _pairs_of_corresponding_ids(one, other)
    elif isinstance(ours, list) and isinstance(theirs, list):
        for one, other in zip(ours, theirs, strict=False):
            yield from _pairs_of_corresponding_ids(one, other)


def value_for_json_output(value: Any) -> Any:
    """Return the old or new value of a difference, for JSON output. A missing value becomes None."""
    return None if value is ABSENT else list(value) if isinstance(value, tuple) else value


def difference_to_json(difference: Difference) -> Mapping[str, Any]:
    """Return a difference as a dictionary for JSON output."""
    values = {"before": difference.recorded_value, "after": difference.sent_value}
    absent = [side for side, value in values.items() if value is ABSENT]
    return {
        "path": difference.path,
        **{side: value_for_json_output(value) for side, value in values.items()},
        "absent": absent,
    }
