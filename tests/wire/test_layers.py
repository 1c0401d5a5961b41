"""Layers before an upstream."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from flag_harness.wire.layers import apply_edits, faulty, pass_request_to_layers
from flag_harness.wire.timeline import Chunk, Edit, End, Head, Layer, Piece, Request, Response

REQUEST = Request("POST", "/v1/messages", (), b"{}")
ANSWER: Response = (Head(0.0, 200, ()), Chunk(0.5, b"body"), End(1.0))
REFUSAL: Response = (Head(0.0, 529, ()), End(0.0))


def _marking(mark: bytes) -> Layer:
    """A layer that writes its mark behind what it gets from below."""

    def mark_piece(piece: Piece) -> Iterable[Piece]:
        return (Chunk(piece.at, piece.data + mark),) if isinstance(piece, Chunk) else (piece,)

    return lambda request: mark_piece


def _passing(request: Request) -> None:
    """A layer that lets every request pass."""


def _answering(request: Request) -> Response:
    return REFUSAL


def _doubling(request: Request) -> Edit:
    return lambda piece: (piece, piece) if isinstance(piece, Chunk) else (piece,)


def test_without_layers_the_upstream_answers() -> None:
    """Nothing is changed."""
    assert ANSWER == faulty(lambda request: ANSWER)(REQUEST)


@given(st.lists(st.sampled_from([b"a", b"b", b"c", None]), max_size=5))
def test_edits_apply_from_the_innermost_outwards(marks: list[bytes | None]) -> None:
    """As a response travels; layers that let pass leave no trace."""
    layers = [_passing if mark is None else _marking(mark) for mark in marks]
    expected = b"body" + b"".join(mark for mark in reversed(marks) if mark)
    assert (ANSWER[0], Chunk(0.5, expected), ANSWER[2]) == faulty(lambda request: ANSWER, *layers)(REQUEST)


def test_the_first_layer_that_answers_wins_and_nothing_below_it_is_asked() -> None:
    """Only the edits of the layers above it apply."""
    asked: list[str] = []

    def upstream(request: Request) -> Response:
        asked.append("upstream")
        return ANSWER

    def below(request: Request) -> Response:
        asked.append("below")
        return ANSWER

    answer = faulty(upstream, _marking(b"!"), _answering, below)(REQUEST)
    assert REFUSAL == answer
    assert [] == asked


def test_opening_gives_the_answer_and_the_edits_innermost_first() -> None:
    """So that a live response can go through the same edits."""
    ready, edits = pass_request_to_layers(REQUEST, [_marking(b"outer"), _passing, _marking(b"inner")])
    assert ready is None
    assert [Chunk(0.0, b"-innerouter")] == list(apply_edits(Chunk(0.0, b"-"), edits))
    ready, edits = pass_request_to_layers(REQUEST, [_marking(b"outer"), _answering, _marking(b"inner")])
    assert REFUSAL == ready
    assert [Chunk(0.0, b"-outer")] == list(apply_edits(Chunk(0.0, b"-"), edits))


def test_one_piece_may_become_several_or_none() -> None:
    """Each of the several goes through the edits above."""

    def swallow(request: Request) -> Edit:
        return lambda piece: () if isinstance(piece, Head) else (piece,)

    doubled = (Chunk(0.5, b"body!"), Chunk(0.5, b"body!"), End(1.0))
    assert doubled == faulty(lambda request: ANSWER, swallow, _marking(b"!"), _doubling)(REQUEST)


def test_every_request_gets_edits_of_its_own() -> None:
    """Two responses that run at the same time do not mix."""

    def counting(request: Request) -> Edit:
        seen: list[Piece] = []

        def count(piece: Piece) -> Iterable[Piece]:
            seen.append(piece)
            return (Chunk(0.0, str(len(seen)).encode()),)

        return count

    _, first = pass_request_to_layers(REQUEST, [counting])
    _, second = pass_request_to_layers(REQUEST, [counting])
    numbers = [next(iter(apply_edits(End(0.0), edits))) for edits in (first, second, first, second)]
    assert [b"1", b"1", b"2", b"2"] == [piece.data for piece in numbers if isinstance(piece, Chunk)]
