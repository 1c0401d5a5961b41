"""Message threads: conversations that the API stores, so that a request sends only its new messages.

The SDK's `tool_runner` uses them by default (anthropic 2.14, beta `message-threads-2026-08-12`).
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from flag_harness.simulator.rules import RefusedRequest, api_key
from flag_harness.wire.json import decode_json_object
from flag_harness.wire.timeline import Request

_MAX_THREADS = 1024
"""The number of threads that are kept. The oldest one is forgotten first."""
_CREATE_ONLY_FIELDS = ("system", "tools")
"""The fields that only the first request of a thread may set (`CREATE_ONLY_FIELDS` of the SDK)."""


class MessageThreads:
    """The message threads (conversations that the API stores) by API key and the id of the last answer."""

    def __init__(self) -> None:
        self._threads: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()

    def add_earlier_messages(self, request: Request) -> Request | RefusedRequest:
        """If a request continues a thread, return it with the thread's earlier messages added. Return other requests
        unchanged.

        Return an error if the thread is unknown, or if the request sets a field that only the first request of a thread
        may set.
        """
        body = decode_json_object(request.body) if b'"thread"' in request.body else {}
        thread = body.get("thread")
        previous = thread.get("previous_message_id") if isinstance(thread, dict) else None
        if not isinstance(previous, str) or not isinstance(body.get("messages"), list):
            return request
        kept = self._threads.get((api_key(request.headers), previous))
        if kept is None:
            words = f"thread: no thread has an answer with the id {previous}"
            return RefusedRequest("thread", 404, "not_found_error", words, {"error_code": "thread_not_found"})
        changed = next((name for name in _CREATE_ONLY_FIELDS if name in body), None)
        if changed is not None:
            words = f"thread.continue: `{changed}` may only be set by the request that creates the thread"
            return RefusedRequest("thread", 400, "invalid_request_error", words)
        whole = {**body, **kept, "messages": [*kept["messages"], *body["messages"]]}
        return replace(request, body=msgspec.json.encode(whole))

    def store_answer(
        self, api_key: str, body: Mapping[str, Any], message_id: str, content: Sequence[Mapping[str, Any]]
    ) -> None:
        """Store the conversation with its new answer if the request creates or continues a thread."""
        if not body.get("thread"):
            return
        answer = [{"role": "assistant", "content": list(content)}] if content else []
        kept = {name: body[name] for name in _CREATE_ONLY_FIELDS if name in body}
        self._threads[api_key, message_id] = {**kept, "messages": [*body["messages"], *answer]}
        if len(self._threads) > _MAX_THREADS:
            self._threads.popitem(last=False)
