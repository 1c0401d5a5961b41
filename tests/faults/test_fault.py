"""A fault as a value: compared, armed anew, and blamed where it never fired."""

from collections.abc import Callable
from dataclasses import FrozenInstanceError

import pytest

from flag_harness.faults import (
    FaultError,
    beta_rejected,
    explain_faults_that_never_fired,
    overloaded,
    parameter_rejected,
    rate_limited,
    refused_keyword,
    reordered_events,
    require_known_flags_in_combination,
    split_utf8,
    stream_error,
    unknown_block,
)
from flag_harness.wire.layers import faulty
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response, Upstream


def test_a_fault_is_a_value() -> None:
    """Equal where it says the same; frozen; its counters are no part of it."""
    fault = overloaded(on=2)
    assert overloaded(on=2) == fault
    assert overloaded(on=3) != fault
    assert hash(overloaded(on=[2, 1])) == hash(overloaded(on=(1, 2)))
    assert "overloaded" == fault.name
    assert "status" == fault.family
    with pytest.raises(FrozenInstanceError):
        fault.name = "other"  # type: ignore[misc]


def test_arming_counts_from_nothing(upstream: Upstream, request_for: Callable[..., Request]) -> None:
    """Each test arms its own; the value in the mark stays as it was."""
    marked = overloaded(on=1)
    for _ in range(2):
        armed = marked.arm()
        ask = faulty(upstream, armed)
        assert [529, 200] == [
            piece.status for _ in range(2) for piece in ask(request_for())[:1] if isinstance(piece, Head)
        ]
        assert 1 == armed.fired
    assert 0 == marked.fired


def test_the_first_layer_that_answers_wins(upstream: Upstream, request_for: Callable[..., Request]) -> None:
    """The layer below sees only what is let through."""
    outer, inner = overloaded(on=1), rate_limited(on=1)
    ask = faulty(upstream, outer, inner)
    statuses = [piece.status for _ in range(3) for piece in ask(request_for()) if isinstance(piece, Head)]
    assert [529, 429, 200] == statuses
    assert [3, 2] == [outer.counter.request_count, inner.counter.request_count]


def test_edits_compose(upstream: Upstream, request_for: Callable[..., Request]) -> None:
    """An unknown block from the inner fault is behind the error of the outer one, or before it."""
    late = stream_error(at="after_message_delta", padding=0)
    data = _body(faulty(upstream, late, unknown_block())(request_for()))
    assert data.index(b"novelty") < data.index(b"overloaded_error")
    early = stream_error(at="inside_text")
    assert b"novelty" not in _body(faulty(upstream, early, unknown_block())(request_for()))


def test_fired_faults_are_not_blamed(upstream: Upstream, request_for: Callable[..., Request]) -> None:
    """Nor are those that the combination forbids."""
    fired, forbidden = overloaded(on=1), rate_limited(combination="streaming").arm("off")
    faulty(upstream, forbidden, fired)(request_for())
    assert [] == explain_faults_that_never_fired([fired, forbidden])


def test_a_fault_that_never_fired_says_why(
    upstream: Upstream, stream: Response, plain: Response, request_for: Callable[..., Request]
) -> None:
    """No request, none due, or nothing to change: each in a sentence."""
    start = "never fired: it saw 1 request, 1 due; "
    cases: list[tuple[object, Response, str]] = [
        (overloaded(on=5), plain, "fault overloaded:on=5 never fired: it saw 1 request, of which none was due"),
        (
            overloaded(combination="off"),
            plain,
            "fault overloaded:combination=off never fired: it is bound to a combination, and was armed for none; "
            "arm(combination=...) it",
        ),
        (stream_error(), plain, f"fault stream_error {start}the answer is no stream"),
        (
            stream_error(at="inside_thinking", occurrence=2),
            stream,
            f"fault stream_error:at=inside_thinking,occurrence=2 {start}"
            "the stream came to inside_thinking fewer than 2 times where it could be changed",
        ),
        (
            stream_error(),
            (stream[0], *stream[1:3], End(1.0)),
            f"fault stream_error {start}the stream never came to inside_text "
            "(it came to first_event, before_first_block, after_block_start)",
        ),
        (
            stream_error(at="first_event"),
            (stream[0], End(1.0)),
            f"fault stream_error:at=first_event {start}the stream never came to first_event (it came to no point)",
        ),
        (stream_error(), (Head(0.0, 500, ()), End(0.0)), f"fault stream_error {start}the answer was 500"),
        (
            stream_error(),
            (Head(0.0, 200, (("content-encoding", "gzip"),)), End(0.0)),
            f"fault stream_error {start}the answer is compressed (gzip)",
        ),
        (
            reordered_events(at="after_message_delta"),
            stream,
            f"fault reordered_events:at=after_message_delta {start}nothing came after the event at after_message_delta",
        ),
        (
            split_utf8(),
            (plain[0], Chunk(0.0, b"{}"), End(0.0)),
            f"fault split_utf8 {start}the body has no character of more than one byte",
        ),
        (
            beta_rejected(),
            plain,
            f"fault beta_rejected {start}the request does not ask for the beta computer-use-2025-11-24",
        ),
        (
            parameter_rejected(parameter="speed"),
            plain,
            f"fault parameter_rejected:parameter=speed {start}the request has no speed",
        ),
        (stream_error(), (Cut(0.0, "reset"),), f"fault stream_error {start}no answer to it was read"),
    ]
    for fault, answer, expected in cases:
        faulty(lambda request, answer=answer: answer, fault)(request_for())  # type: ignore[misc, arg-type]
        assert [expected] == explain_faults_that_never_fired([fault])  # type: ignore[list-item]


def test_a_reason_is_given_once(plain: Response, request_for: Callable[..., Request]) -> None:
    """However often it was met."""
    fault = stream_error()
    for _ in range(2):
        faulty(lambda request: plain, fault)(request_for())
    expected = "fault stream_error never fired: it saw 2 requests, 2 due; the answer is no stream"
    assert [expected] == explain_faults_that_never_fired([fault])


def test_a_fault_that_saw_nothing_says_so(upstream: Upstream, request_for: Callable[..., Request]) -> None:
    """Of several requests, too; and a fault of the client's side counts calls."""
    several = overloaded(on=5)
    for _ in range(2):
        faulty(upstream, several)(request_for())
    assert [
        "fault overloaded:on=5 never fired: it saw 2 requests, of which none was due",
        "fault overloaded never fired: it saw no request",
        "fault refused_keyword never fired: it saw no call",
    ] == explain_faults_that_never_fired([several, overloaded(), refused_keyword()])


@pytest.mark.parametrize(
    ("combination", "words"),
    [
        ("streming", "no flag is called 'streming'; did you mean 'streaming'?; declared: streaming, planner"),
        ("streaming+off", "no flag is called 'off'; declared: streaming, planner"),
        (["off", "planner+x"], "no flag is called 'x'; declared: streaming, planner"),
    ],
)
def test_a_combination_of_flags_that_are_none_is_refused(combination: str, words: str) -> None:
    """Whichever of them it is; `off` stands alone."""
    fault = overloaded(combination=combination)
    with pytest.raises(FaultError) as caught:
        require_known_flags_in_combination(fault, ["streaming", "planner"])
    assert f"{fault}: {words}" == str(caught.value)
    for known in ("off", "planner+streaming", ["off", "streaming"]):
        require_known_flags_in_combination(overloaded(combination=known), ["streaming", "planner"])


def _body(response: Response) -> bytes:
    return b"".join(piece.data for piece in response if isinstance(piece, Chunk))
