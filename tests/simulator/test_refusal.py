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
