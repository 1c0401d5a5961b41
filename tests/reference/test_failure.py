"""Failures: what the SDK's exceptions mean, by the real ones that it raises."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from flag_harness.reference import AgentError, RetryPolicy, TurnDiscarded, TurnEnded
from flag_harness.reference.request.failure import (
    BrokenAnswerError,
    RequestFailure,
    failure_before_answer,
    failure_during_answer,
)
from flag_harness.wire.timeline import Chunk, Cut, End, Head

ONCE = RetryPolicy(max_attempts=1)
KEPT = "(your turn is kept: send again)"


async def told(start: Callable[..., Any], reply: Any, environ: dict[str, str] | None = None) -> AgentError:
    """What the agent tells of one reply that it gets."""
    session = start([reply], retry=ONCE, environ=environ)
    await session.send("Hello")
    error: AgentError = session.events[-1]
    return error


@pytest.mark.parametrize(
    ("status", "type", "kind"),
    [
        (402, "billing_error", "credentials"),
        (403, "permission_error", "credentials"),
        (404, "not_found_error", "request"),
        (413, "request_too_large", "request"),
        (422, "invalid_request_error", "request"),
        (429, "rate_limit_error", "rate_limit"),
        (500, "api_error", "server"),
        (529, "overloaded_error", "overloaded"),
    ],
)
@pytest.mark.asyncio
async def test_statuses_have_kinds(
    start: Callable[..., Any], wire: SimpleNamespace, status: int, type: str, kind: str
) -> None:
    """Whatever class the installed SDK has for them."""
    error = await told(start, wire.error(status, type, "Sorry"))
    assert (kind, status, "req_error") == (error.kind, error.status, error.request_id)
    assert error.message.startswith(f"{status} {type}: Sorry (your turn is kept: ")


PAGE = b"<!DOCTYPE html><html><head><title>Just a\nmoment</title></head><body>Wait.</body></html>"
HTML = (("content-type", "text/html; charset=UTF-8"), ("server", "cloudflare"))


@pytest.mark.parametrize("status", [400, 401, 403, 404])
@pytest.mark.parametrize("streaming", ["0", "1"])
@pytest.mark.asyncio
async def test_a_page_of_the_edge_is_no_answer_of_the_api(
    start: Callable[..., Any], wire: SimpleNamespace, status: int, streaming: str
) -> None:
    """It says nothing about the key, and no feature is dropped because of it."""
    session = start([wire.plain(status, PAGE, HTML)], environ={"ENABLE_STREAMING": streaming})
    await session.send("Hello")
    error = session.events[-1]
    words = (
        f"{status}: a gateway or proxy (cloudflare) answered in place of the API: 'Just a moment'; check the network "
        f"and ANTHROPIC_BASE_URL {KEPT}"
    )
    assert ("connection", words, status) == (error.kind, error.message, error.status)
    assert 1 == len(session.bodies)


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind"),
    [
        (502, PAGE, HTML, "server"),
        (403, b"error code: 1020", (("content-type", "text/plain"),), "connection"),
        (403, b'{"message": "Forbidden"}', (("content-type", "application/json"),), "connection"),
        (403, PAGE, (("content-type", "text/plain"),), "connection"),
        (429, PAGE, HTML, "rate_limit"),
        (413, PAGE, HTML, "request"),
    ],
)
@pytest.mark.asyncio
async def test_who_answered_is_told_by_the_body(
    start: Callable[..., Any], wire: SimpleNamespace, status: int, body: bytes, headers: Any, kind: str
) -> None:
    """A gateway's own errors are not the API's, whatever form they have."""
    error = await told(start, wire.plain(status, body, headers))
    assert (kind, status) == (error.kind, error.status)
    assert "ANTHROPIC_API_KEY" not in error.message


@pytest.mark.parametrize(
    ("type", "status", "kind"), [("overloaded_error", 529, "overloaded"), ("what_error", 500, "server")]
)
@pytest.mark.asyncio
async def test_an_error_event_counts_as_its_type_says(
    start: Callable[..., Any], wire: SimpleNamespace, type: str, status: int, kind: str
) -> None:
    """Though its response began with 200; one of an unknown type is the server's."""
    reply = wire.played([("error", {"error": {"type": type, "message": "Sorry"}})])
    error = await told(start, reply, {"ENABLE_STREAMING": "1"})
    words = f"{status} {type}: Sorry {KEPT}"
    assert AgentError(error.at, kind, words, status, "req_1") == error


@pytest.mark.asyncio
async def test_a_gateways_page_is_one_line(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """A 502 with HTML in it has no type and no message; what there is, is told in a line of bounded length."""
    page = b"<html>\n<body>" + b"Bad gateway\n" * 100 + b"</body></html>"
    error = await told(start, wire.plain(502, page, (("content-type", "text/html"),)))
    assert error.message.startswith(
        "502: a gateway or proxy answered in place of the API: '<html> <body>Bad gateway Bad gateway "
    )
    assert error.message.endswith(f"…'; check the network and ANTHROPIC_BASE_URL {KEPT}")
    assert len(error.message) < 700
    assert ("server", 502, None) == (error.kind, error.status, error.request_id)


@pytest.mark.parametrize("how", ["reset", "eof", "read_timeout", "refused"])
@pytest.mark.asyncio
async def test_no_answer_is_a_connection_that_failed(start: Callable[..., Any], how: Any) -> None:
    """Before the first byte; the cause is named, and tried again as the policy allows."""
    session = start([(Cut(1.0, how),)] * 4)
    await session.send("Hello")
    error = session.events[-1]
    assert "connection" == error.kind
    assert f"the connection was cut: {how} (4 attempts in " in error.message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "the answer broke off: the stream ended before message_stop"),
        (b"event: message_start\ndata: {oops}\n\n", "the answer broke off: JSONDecodeError: "),
        (b'event: message_start\ndata: {"type": "message_start"}\n\n', "the answer broke off: "),
        (b"event: error\ndata: oops\n\n", "500: oops"),
    ],
    ids=["empty", "no JSON", "no message", "a bare error"],
)
@pytest.mark.asyncio
async def test_a_garbled_stream_is_told(
    start: Callable[..., Any], wire: SimpleNamespace, body: bytes, words: str
) -> None:
    """Raw errors out of the SDK are faults of the stream: discarded, tried again, told."""
    reply = (Head(0.0, 200, wire.sse), Chunk(0.1, body), End(0.1))
    session = start([reply, wire.stream(wire.text("Hi."))], environ={"ENABLE_STREAMING": "1"})
    await session.send("Hello")
    assert [words] == [event.reason[: len(words)] for event in session.events_of(TurnDiscarded)]
    assert isinstance(session.events[-1], TurnEnded)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{oops", (("content-type", "application/json"),)),
        (b'{"content": "\xff"}', (("content-type", "application/json"),)),
        (b"", (("content-type", "application/json"),)),
        (b"<html></html>", (("content-type", "text/html"),)),
        (b"[]", (("content-type", "application/json"),)),
        (b'{"type": "message", "content": null}', (("content-type", "application/json"),)),
    ],
    ids=["no JSON", "no UTF-8", "empty", "a page", "a list", "no content"],
)
@pytest.mark.asyncio
async def test_a_garbled_answer_is_tried_once_more(
    start: Callable[..., Any], wire: SimpleNamespace, body: bytes, headers: Any
) -> None:
    """A 200 that is no message; nothing was shown of it, so nothing is discarded."""
    broken = wire.plain(200, body, headers)
    session = start([broken, broken, wire.message(wire.text("Hi."))])
    await session.send("Hello")
    assert "broken_answer" == session.events[-1].kind
    assert 2 == len(session.requests)
    assert [] == session.events_of(TurnDiscarded)
    await session.send("Hello")
    assert isinstance(session.events[-1], TurnEnded)


def test_a_call_that_the_sdk_refuses_names_its_keyword() -> None:
    """A TypeError or ValueError of the SDK is about the request."""
    words = "AsyncMessages.create() got an unexpected keyword argument 'beta'"
    refused = RequestFailure(
        "request", f"the SDK refused the request: {words}", original_message=words, rejected_argument="beta"
    )
    assert refused == failure_before_answer(TypeError(words))
    assert refused.is_rejection
    words = "Streaming is required for operations that may take longer than 10 minutes."
    assert RequestFailure(
        "request", f"the SDK refused the request: {words}", original_message=words
    ) == failure_before_answer(ValueError(words))


def test_a_missing_key_is_about_credentials() -> None:
    """The SDK tells it by a TypeError."""
    failure = failure_before_answer(
        TypeError('"Could not resolve authentication method. Expected one of api_key, ..."')
    )
    assert ("credentials", False) == (failure.kind, failure.is_rejection)


def test_other_exceptions_are_told_as_they_are() -> None:
    """With their name; while an answer is read, they mean that it broke."""
    assert RequestFailure("unexpected", "OSError: full") == failure_before_answer(OSError("full"))
    assert RequestFailure("broken_answer", "the answer broke off: AssertionError", "once") == failure_during_answer(
        AssertionError()
    )
    assert RequestFailure("broken_answer", "the answer cannot be read: no", "once") == failure_before_answer(
        BrokenAnswerError("no")
    )
