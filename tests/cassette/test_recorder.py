"""The recorder: a tap that keeps what a cassette keeps."""

from hypothesis import given
from hypothesis import strategies as st

from flag_harness.cassette import Interaction, Recorder
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Piece, Request

ASKED = Request(
    "POST",
    "https://api.anthropic.com/v1/messages?beta=true",
    (("X-Api-Key", "sk-ant-secret"), ("Content-Type", "application/json"), ("host", "api.anthropic.com")),
    b'{"n":1}',
)
KEPT = Request("POST", "/v1/messages?beta=true", (("content-type", "application/json"),), b'{"n":1}')


def test_host_secrets_and_other_headers_are_not_kept() -> None:
    """Of the request, nor of the response; the pieces that pass are left as they are."""
    recorder = Recorder()
    note = recorder(ASKED)
    head = Head(0.25, 200, (("Request-Id", "req_1"), ("Set-Cookie", "secret"), ("date", "today")))
    for piece in (head, Chunk(0.5, b"data"), End(0.75)):
        assert (piece,) == tuple(note(piece))
    kept = (Head(0.25, 200, (("request-id", "req_1"),)), Chunk(0.5, b"data"), End(0.75))
    assert (Interaction(KEPT, kept),) == recorder.interactions
    assert "secret" not in repr(recorder.interactions)


@given(st.floats(0, 1e5))
def test_offsets_are_kept_to_the_microsecond(at: float) -> None:
    """For every kind of piece."""
    recorder = Recorder()
    pieces: list[Piece] = [Head(at, 200, ()), Chunk(at, b""), Cut(at, "eof")]
    note = recorder(ASKED)
    for piece in pieces:
        note(piece)
    kept = recorder.interactions[0].response
    assert 3 == len(kept)
    assert {round(at, 6)} == {piece.at for piece in kept}
    assert abs(kept[0].at - at) <= 5.1e-7


def test_a_request_takes_its_place_when_it_starts() -> None:
    """Whenever it ends; one that has not ended is kept as abandoned."""
    recorder = Recorder()
    first, second = recorder(ASKED), recorder(ASKED)
    second(End(1.0))
    first(Head(0.5, 200, ()))
    assert [(Head(0.5, 200, ()), End(0.5, is_abandoned=True)), (End(1.0),)] == [
        interaction.response for interaction in recorder.interactions
    ]
