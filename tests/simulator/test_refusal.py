"""Whether the API would refuse a recorded request."""

import json
from typing import Any

import pytest

from flag_harness.simulator.refusal import refusal_message
from flag_harness.wire.timeline import Request

BODY = {"model": "claude-haiku-4-5", "max_tokens": 10, "messages": [{"role": "user", "content": "Hello."}]}


@pytest.mark.parametrize(
    ("change", "message"),
    [({}, None), ({"temperature": 3}, "temperature: range: 0..1"), ({"model": "no-such-model"}, None)],
)
def test_only_illegal_bodies_are_refused(change: dict[str, Any], message: str | None) -> None:
    """The headers that a cassette leaves out are no reason, and neither is a model that is not known."""
    request = Request("POST", "/v1/messages", (), json.dumps({**BODY, **change}).encode())
    assert message == refusal_message(request)


def test_an_endpoint_in_the_query_is_a_mistake_of_the_client() -> None:
    """A recording would hold only the answer to another path; a query that names a path of its own is none."""
    message = refusal_message(Request("POST", "/gateway?tenant=a/v1/messages", (), b"{}"))
    assert message is not None
    assert 'default_query={"tenant": ...}' in message
    assert refusal_message(Request("POST", "/v2/other?tenant=a", (), b"{}")) is None
