"""A request of the agent and its answer, as the invariants of the cases read them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flag_harness.analysis.metrics import seconds_to_first_token
from flag_harness.conformance.support import Conversation, Send
from flag_harness.wire.message import ParsedResponse, parse_response
from flag_harness.wire.timeline import Headers

CUT = frozenset({"max_tokens", "model_context_window_exceeded"})
"""Stop reasons after which the input of the last call is not complete."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request of the agent: its body, when it was sent, and what came back."""

    body: Mapping[str, Any]
    headers: Headers
    sent: float
    answer: ParsedResponse
    answer_headers: Headers
    first_token: float | None
    seconds: float

    @property
    def is_answered(self) -> bool:
        """True if a complete message came, with inputs that are JSON unless the last one was cut."""
        inputs = [block["input"] for block in self.answer.blocks if "input" in block]
        is_readable = self.stop_reason in CUT or not any(isinstance(one, str) for one in inputs)
        return self.answer.status == 200 and self.answer.is_complete and self.answer.error is None and is_readable

    @property
    def stop_reason(self) -> Any:
        """The stop reason of the answer."""
        return self.answer.message.get("stop_reason")

    @property
    def content(self) -> list[dict[str, Any]]:
        """The blocks of the answer as they must be sent back: blank texts are left out, a cut input is empty."""
        blocks = [dict(block) for block in self.answer.blocks]
        for block in blocks:
            if isinstance(block.get("input"), str):
                block["input"] = {}
        return [block for block in blocks if block["type"] != "text" or block["text"].strip()]


def exchanges_of(conversation: Conversation, send: Send) -> Iterator[Exchange]:
    """Yield the requests of one `send`."""
    cassette, chosen = conversation.cassette, send.requests
    for (request, response), time in zip(cassette.exchanges[chosen], cassette.times[chosen], strict=True):
        head = getattr(response[0], "headers", ())
        parsed = parse_response(response)
        times = seconds_to_first_token(response), response[-1].at
        yield Exchange(json.loads(request.body), request.headers, time, parsed, head, *times)


def without_marks(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages with their content as blocks, without cache marks on these."""
    blocks = ((message, blocks_of(message)) for message in messages)
    return [
        {**message, "content": [{key: block[key] for key in block if key != "cache_control"} for block in content]}
        for message, content in blocks
    ]


def blocks_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
