"""The header that names the upstream of an answer."""

from flag_harness.wire.origin import ORIGIN_HEADER, add_origin_header, origin_of_answers
from flag_harness.wire.timeline import Cut, Head, Request

REQUEST = Request("POST", "/v1/messages", (), b"")


def test_an_answer_keeps_the_name_that_it_has() -> None:
    """A server that serves the recording of another one passes it on."""
    named = add_origin_header((Head(0.0, 200, ()),), "simulator")
    assert (named, "simulator") == (add_origin_header(named, "live"), origin_of_answers([(REQUEST, named)]))
    assert ((ORIGIN_HEADER, "simulator"),) == named[0].headers  # type: ignore[union-attr]


def test_an_answer_without_a_head_names_nobody() -> None:
    """The connection was cut before."""
    cut = (Cut(0.1, "eof"),)
    assert (cut, None) == (add_origin_header(cut, "live"), origin_of_answers([(REQUEST, cut)]))
