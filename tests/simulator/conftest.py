"""What the simulator's tests share: a legal request to change, and answers read."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from flag_harness.wire.timeline import Head, Request, Response, body

MODEL = "claude-haiku-4-5"
HEADERS = {"x-api-key": "key", "anthropic-version": "2023-06-01", "content-type": "application/json"}


def _request(path: str = "/v1/messages", headers: dict[str, str | None] | None = None, **changes: Any) -> Request:
    value = {"model": MODEL, "max_tokens": 4096, "messages": [{"role": "user", "content": "hello"}], **changes}
    sent = {name: text for name, text in {**HEADERS, **(headers or {})}.items() if text is not None}
    document = json.dumps({key: item for key, item in value.items() if item is not ...}).encode()
    return Request("POST", f"https://api.anthropic.com{path}", tuple(sent.items()), document)


def _read(response: Response) -> tuple[int, Any]:
    head = response[0]
    assert isinstance(head, Head)
    return head.status, json.loads(body(response))


@pytest.fixture
def request_for() -> Callable[..., Request]:
    """Makes a legal request with changes: `...` as a value leaves a body key out, None a header."""
    return _request


@pytest.fixture
def read() -> Callable[[Response], tuple[int, Any]]:
    """Status and JSON body of a response."""
    return _read
