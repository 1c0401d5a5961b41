"""Drift between a recorded answer and one that comes now."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from flag_harness.analysis.drift import AnswerDrift, DriftResult, compare_answers, reason_not_to_verify
from flag_harness.cassette import CassetteMetadata, Interaction
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Piece, Request, Response

USAGE = {"input_tokens": 3, "output_tokens": 1, "cache_creation": {"ephemeral_5m_input_tokens": 0}}
TEXT = {"type": "text", "text": "Hi"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "bash", "input": {"command": "ls"}}


def _message(*content: dict[str, Any], **changes: Any) -> dict[str, Any]:
    fixed = {"type": "message", "role": "assistant", "model": "m", "id": "msg_1", "stop_reason": "end_turn"}
    return {**fixed, "stop_sequence": None, "content": list(content or [TEXT]), "usage": USAGE, **changes}


def _plain(value: Any, status: int = 200, last: Piece | None = None) -> Response:
    head = Head(0.0, status, (("content-type", "application/json"),))
    return head, Chunk(0.1, json.dumps(value).encode()), last or End(0.2)


def _stream(*events: dict[str, Any], last: Piece | None = None) -> Response:
    data = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    return Head(0.0, 200, (("content-type", "text/event-stream"),)), Chunk(0.1, data.encode()), last or End(0.2)


def _events(text: str = "Hi", usage: dict[str, Any] = USAGE, **delta: Any) -> list[dict[str, Any]]:
    start = {**_message(usage=usage), "content": [], "stop_reason": None}
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", **delta}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]


def _error(kind: str, status: int) -> Response:
    return _plain({"type": "error", "error": {"type": kind, "message": "No."}}, status)


def _lines(recorded: Response, now: Response) -> Sequence[str]:
    verdict = compare_answers(recorded, now)
    assert "" == verdict.inconclusive_reason
    return [str(drift) for drift in verdict.drifts]


def test_words_numbers_ids_and_inputs_are_the_models_own() -> None:
    """They differ from answer to answer, and are no drift."""
    other = {**CALL, "id": "toolu_2", "input": {"path": ["x"]}}
    usage = {"input_tokens": 9, "output_tokens": 4.0, "cache_creation": {"ephemeral_5m_input_tokens": 7}}
    now = _message({"type": "text", "text": "Bye"}, other, id="msg_2", usage=usage)
    assert DriftResult() == compare_answers(_plain(_message(TEXT, CALL)), _plain(now))
    assert DriftResult() == compare_answers(_stream(*_events("Hi")), _stream(*_events("Bye, bye")))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"model": "m-2"}, ["model: recorded m, now m-2"]),
        ({"stop_reason": "refusal"}, ["stop_reason: recorded end_turn, now refusal"]),
        ({"content": [CALL]}, ["content: recorded ['text'], now ['tool_use:bash']"]),
        ({"content": [{**TEXT, "citations": []}]}, ["content[text].citations: recorded nothing, now a list"]),
        ({"content": [{"type": "text", "text": 3}]}, ["content[text].text: recorded text, now a number"]),
        ({"usage": {**USAGE, "tier": "x"}}, ["usage.tier: recorded nothing, now text"]),
        ({"usage": {"input_tokens": 3, "output_tokens": 1}}, ["usage.cache_creation: recorded an object, now nothing"]),
        ({"usage": {**USAGE, "output_tokens": True}}, ["usage.output_tokens: recorded a number, now true or false"]),
        ({"stop_sequence": "END"}, []),
        ({"usage": None}, []),
    ],
)
def test_a_place_that_has_changed_is_named(changes: dict[str, Any], expected: list[str]) -> None:
    """Once, by the highest path that tells it; null may stand for anything."""
    assert expected == _lines(_plain(_message()), _plain(_message(**changes)))


def test_a_stream_is_compared_event_by_event() -> None:
    """Also where the message that it makes is the same."""
    usage = {"input_tokens": 3, "output_tokens": 1}
    now = _stream(*_events(usage=usage, stop_details={"type": "x"}))
    expected = [
        "message_start.message.usage.cache_creation: recorded an object, now nothing",
        "message_delta.delta.stop_details: recorded nothing, now an object",
    ]
    assert expected == _lines(_stream(*_events()), now)


def test_a_stream_that_comes_as_a_whole_has_drifted() -> None:
    """And the other way."""
    assert ["content-type: recorded a stream, now a plain answer"] == _lines(_stream(*_events()), _plain(_message()))
    assert ["content-type: recorded a plain answer, now a stream"] == _lines(_plain(_message()), _stream(*_events()))


@pytest.mark.parametrize("last", [End(0.2, is_abandoned=True), Cut(0.2, "reset")])
def test_of_a_recording_that_broke_off_what_had_come_is_compared(last: Piece) -> None:
    """What comes after it is no drift; what came before it may be."""
    recorded = _stream(*_events()[:4], last=last)
    assert [] == _lines(recorded, _stream(*_events(stop_details=None)))
    other = [*_events()]
    other[1] = {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}
    other[3] = {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "a"}}
    assert ["content: recorded ['text'], now ['thinking']"] == _lines(recorded, _stream(*other))


def test_another_status_is_all_there_is_to_say() -> None:
    """With the API's reason where it is an error."""
    now = _error("invalid_request_error", 400)
    expected = "status: recorded 200, now 400 invalid_request_error: No."
    assert [expected] == _lines(_plain(_message()), now)
    assert [AnswerDrift("status", 400, 200)] == list(compare_answers(now, _plain(_message())).drifts)


def test_an_error_is_compared_by_its_type() -> None:
    """Its words may change."""
    recorded = _error("invalid_request_error", 400)
    assert [] == _lines(
        recorded, _plain({"type": "error", "error": {"type": "invalid_request_error", "message": ""}}, 400)
    )
    expected = ["error.type: recorded invalid_request_error, now billing_error"]
    assert expected == _lines(recorded, _error("billing_error", 400))


@pytest.mark.parametrize(
    ("now", "reason", "is_final"),
    [
        ((Cut(0.1, "refused"),), "there was no answer (refused)", True),
        (_error("rate_limit_error", 429), "it was answered with 429 rate_limit_error: No.", True),
        ((Head(0.0, 503, ()), End(0.1)), "it was answered with 503", True),
        (_stream({"type": "error", "error": {"type": "overloaded_error", "message": "O"}}),
         "it was answered with 200 overloaded_error: O", True),
        (_stream(*_events()[:4], last=Cut(0.3, "reset")), "the answer was incomplete (reset)", False),
        (_error("scenario_has_no_turn", 400), "the simulator's scenario has no turn for it", False),
    ],
)  # fmt: skip
def test_what_tells_of_the_moment_alone_is_inconclusive(now: Response, reason: str, is_final: bool) -> None:
    """It is no drift, and it has not passed."""
    assert DriftResult(inconclusive_reason=reason, applies_to_later_requests=is_final) == compare_answers(
        _plain(_message()), now
    )


def _interaction(body: Any, response: Response, method: str = "POST", path: str = "/v1/messages") -> Interaction:
    return Interaction(Request(method, path, (), json.dumps(body).encode()), response)


THOUGHT = {"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm", "signature": "s"}]}]}


@pytest.mark.parametrize(
    ("interaction", "reason"),
    [
        (_interaction({}, _plain({})), ""),
        (_interaction({}, _plain({}), "GET", "/v1/models?limit=2"), ""),
        (_interaction({}, _plain({}), path="/v1/messages/count_tokens?beta=true"), ""),
        (
            _interaction({}, _plain({}), path="/v1/messages/batches"),
            "POST /v1/messages/batches would change something at the upstream, so it is not sent",
        ),
        (_interaction({}, (Cut(0.0, "refused"),)), "no answer was recorded to compare with"),
        (
            _interaction({}, _error("overloaded_error", 529)),
            "a temporary error (529 overloaded_error: No.) was recorded, which cannot be requested again",
        ),
        (
            _interaction({"metadata": "REDACTED"}, _plain({})),
            "a filter removed part of the recorded request, so what was sent is not known",
        ),
        (
            _interaction(THOUGHT, _plain({})),
            "it contains a thinking block signed by the simulator, which the live upstream would refuse",
        ),
    ],
)
def test_a_request_that_cannot_be_verified_is_not_sent(interaction: Interaction, reason: str) -> None:
    """Each with its reason."""
    assert reason == reason_not_to_verify(interaction, CassetteMetadata("simulator", ""), "live")


def test_sealed_blocks_go_back_where_they_came_from() -> None:
    """What was imported is the live API's; a block without a seal may go anywhere."""
    interaction = _interaction(THOUGHT, _plain({}))
    assert "" == reason_not_to_verify(interaction, CassetteMetadata("simulator", ""), "simulator")
    assert "" == reason_not_to_verify(interaction, CassetteMetadata("imported", ""), "live")
    expected = "it contains a thinking block signed by the live API, which the simulator upstream would refuse"
    assert expected == reason_not_to_verify(interaction, CassetteMetadata("live", ""), "simulator")
    unsealed = {"messages": [{"type": "thinking", "signature": ""}, {"type": ["odd"]}]}
    assert "" == reason_not_to_verify(_interaction(unsealed, _plain({})), CassetteMetadata("simulator", ""), "live")


def test_an_answer_that_is_no_object_has_no_shape() -> None:
    """And so no drift of it."""
    assert DriftResult() == compare_answers(_plain([1]), _plain([2]))


BARE = Interaction(Request("POST", "/v1/messages", (), b""), _plain({}))
PACKED = (Head(0.0, 200, (("content-encoding", "br"),)), Chunk(0.1, b"\x0b\x05"), End(0.2))


@pytest.mark.parametrize(
    ("interaction", "word", "reason"),
    [
        (BARE, "request-body-missing", "did not keep the request body"),
        (
            BARE,
            "request-headers-dropped",
            "did not keep the request headers, so its betas are not known",
        ),
        (_interaction({}, PACKED), "still-encoded", "kept the answer in a compression that cannot be read"),
    ],
)
def test_what_its_source_left_out_cannot_be_verified(interaction: Interaction, word: str, reason: str) -> None:
    """It would be drift that is none. What is whole beside it can."""
    recording = CassetteMetadata("imported", "", fidelity=("timing-invented", word))
    assert f"it was imported from a source that {reason}" == reason_not_to_verify(interaction, recording, "live")
    whole = Interaction(Request("POST", "/v1/messages", (("anthropic-beta", "x"),), b"{}"), _plain({}))
    assert "" == reason_not_to_verify(whole, recording, "live")
    assert "" == reason_not_to_verify(BARE, CassetteMetadata("imported", "", fidelity=("timing-invented",)), "live")


def test_a_request_without_a_body_that_needs_none_is_sent() -> None:
    """Where others of its cassette have lost theirs."""
    listing = Interaction(Request("GET", "/v1/models", (), b""), _plain({}))
    recording = CassetteMetadata("imported", "", fidelity=("request-body-missing",))
    assert "" == reason_not_to_verify(listing, recording, "live")
