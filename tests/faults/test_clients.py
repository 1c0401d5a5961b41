"""A keyword that the installed SDK really refuses."""

from typing import Any

import pytest

from flag_harness.faults import FaultError, overloaded, refused_keyword, with_refused_keywords
from flag_harness.transports import http_client
from flag_harness.wire.timeline import Request, Upstream

ASK: dict[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 1,
    "messages": [{"role": "user", "content": "Where?"}],
}


@pytest.fixture
def client(upstream: Upstream) -> Any:
    """A client of the installed SDK."""
    import anthropic

    with http_client(upstream) as http:
        yield anthropic.Anthropic(api_key="x", http_client=http)


def test_the_sdk_refuses_the_keyword(client: Any) -> None:
    """With its own words; the next call passes, and the client that was copied is as it was."""
    fault = refused_keyword(on=1)
    changed = with_refused_keywords(client, fault)
    with pytest.raises(TypeError, match=r"^Messages\.create\(\) got an unexpected keyword argument 'beta'$"):
        changed.messages.create(**ASK)
    assert "tool_use" == changed.messages.create(**ASK).stop_reason
    assert "tool_use" == client.messages.create(**ASK).stop_reason
    assert [2, 1] == [fault.counter.request_count, fault.fired]


def test_streams_and_betas_are_refused_too(client: Any) -> None:
    """All four calls."""
    changed = with_refused_keywords(client, refused_keyword())
    for messages in (changed.messages, changed.beta.messages):
        for call in (messages.create, messages.stream):
            with pytest.raises(TypeError, match="unexpected keyword argument 'beta'"):
                call(**ASK)


def test_calls_that_take_the_keyword_are_left_alone(client: Any) -> None:
    """`betas` is a parameter of `beta.messages`, and of it alone."""
    changed = with_refused_keywords(client, refused_keyword(keyword="betas"))
    with pytest.raises(TypeError, match="unexpected keyword argument 'betas'"):
        changed.messages.create(**ASK)
    assert "tool_use" == changed.beta.messages.create(betas=[], **ASK).stop_reason


def test_a_keyword_that_the_sdk_takes_is_no_fault(client: Any) -> None:
    """The message says which, and one that works."""
    with pytest.raises(FaultError) as caught:
        with_refused_keywords(client, refused_keyword(keyword="thinking"))
    assert "refused_keyword: the installed SDK accepts 'thinking'; try 'beta', which no version accepts" == str(
        caught.value
    )


def test_it_may_depend_on_the_call(client: Any) -> None:
    """`when` gets the call's name as the request's method."""
    fault = refused_keyword(when=lambda call: call.method == "stream")
    changed = with_refused_keywords(client, fault, overloaded())
    assert "tool_use" == changed.messages.create(**ASK).stop_reason
    with pytest.raises(TypeError):
        changed.messages.stream(**ASK)


def test_on_the_wire_it_does_nothing() -> None:
    """It is a layer that lets everything pass, and counts no request."""
    fault = refused_keyword()
    assert fault(Request("POST", "https://api.anthropic.com/v1/messages", (), b"{}")) is None
    assert 0 == fault.counter.request_count
