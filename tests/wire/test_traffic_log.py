"""The tap: it notes what passes and holds nothing up."""

import threading

from hypothesis import given
from hypothesis import strategies as st

from flag_harness.wire.timeline import Chunk, Cut, End, Head, Piece, Request, Response
from flag_harness.wire.traffic_log import TrafficLog

PIECES = st.lists(st.binary().map(lambda data: Chunk(0.5, data)))
LAST = st.sampled_from([End(1.0), End(1.0, is_abandoned=True), Cut(1.0, "reset")])


def _request(number: int) -> Request:
    return Request("POST", f"/{number}", (), b"")


@given(PIECES, LAST)
def test_what_passes_is_noted_and_passed_on_as_it_is(chunks: list[Chunk], last: Piece) -> None:
    """Piece by piece, at once."""
    tap = TrafficLog()
    response: Response = (Head(0.0, 200, ()), *chunks, last)
    note = tap(_request(0))
    for piece in response:
        assert (piece,) == tuple(note(piece))
    assert ((_request(0), response),) == tap.exchanges


def test_what_was_noted_can_be_followed() -> None:
    """From a request on, with what has come so far: an end only where there is one."""
    tap = TrafficLog()
    tap(_request(0))
    note = tap(_request(1))
    (followed,) = tap.entries_from(1)
    assert (_request(1), []) == followed
    note(End(1.0))
    assert (_request(1), [End(1.0)]) == followed
    assert [(_request(0), []), followed] == tap.entries_from()


@given(st.permutations(range(5)))
def test_requests_stand_in_the_order_in_which_they_were_sent(order: list[int]) -> None:
    """Whichever response comes first."""
    tap = TrafficLog()
    notes = [tap(_request(number)) for number in range(5)]
    for number in order:
        notes[number](End(float(number)))
    assert tuple((_request(number), (End(float(number)),)) for number in range(5)) == tap.exchanges


def test_a_response_that_is_still_open_counts_as_abandoned() -> None:
    """At the time of its last piece, or at once where none came."""
    tap = TrafficLog()
    tap(_request(0))
    note = tap(_request(1))
    note(Head(0.5, 200, ()))
    note(Chunk(0.75, b"x"))
    silent, begun = (response for _, response in tap.exchanges)
    assert (End(0.0, is_abandoned=True),) == silent
    assert (Head(0.5, 200, ()), Chunk(0.75, b"x"), End(0.75, is_abandoned=True)) == begun


def test_threads_lose_nothing() -> None:
    """Every request of every thread has its place."""
    tap = TrafficLog()

    def send(thread: int) -> None:
        for number in range(100):
            tap(_request(thread * 100 + number))(End(0.0))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f"/{number}" for number in range(800)} == {request.url for request, _ in tap.exchanges}
    assert {(End(0.0),)} == {response for _, response in tap.exchanges}
