"""A request of the agent with its answer, in the form in which the rules for all cases read it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flag_harness.analysis.metrics import seconds_to_first_token
from flag_harness.conformance.support import Conversation, Send
from flag_harness.wire.message import ParsedResponse, parse_response
from flag_harness.wire.timeline import Headers

CUT = frozenset({"max_tokens", "model_context_window_exceeded"})
"""Stop reasons after which the input of the last tool call is incomplete."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request of the agent and its answer.

    `sent` is the time of the request. `first_token` and `seconds` are the seconds until the first token and until the
    end.
    """

    body: Mapping[str, Any]
    headers: Headers
    sent: float
    answer: ParsedResponse
    answer_headers: Headers
    first_token: float | None
    seconds: float

    @property
    def is_answered(self) -> bool:
        """True if the answer is a complete message in which every tool input is valid JSON, unless the last input was
        cut off.
        """
        inputs = [block["input"] for block in self.answer.blocks if "input" in block]
        is_readable = self.stop_reason in CUT or not any(isinstance(one, str) for one in inputs)
        return self.answer.status == 200 and self.answer.is_complete and self.answer.error is None and is_readable

    @property
    def stop_reason(self) -> Any:
        """The stop reason of the answer."""
        return self.answer.message.get("stop_reason")

    @property
    def content(self) -> list[dict[str, Any]]:
        """The content blocks of the answer as they must be sent back: without blank texts, and with `{}` in place of a
        cut input.
        """
        blocks = [dict(block) for block in self.answer.blocks]
        for block in blocks:
            if isinstance(block.get("input"), str):
                block["input"] = {}
        return [block for block in blocks if block["type"] != "text" or block["text"].strip()]


def exchanges_of(conversation: Conversation, send: Send) -> Iterator[Exchange]:
    """Yield the requests, with their answers, that the agent sent during one `send` of a conversation."""
    cassette, chosen = conversation.cassette, send.requests
    for (request, response), time in zip(cassette.exchanges[chosen], cassette.times[chosen], strict=True):
        head = getattr(response[0], "headers", ())
        parsed = parse_response(response)
        times = seconds_to_first_token(response), response[-1].at
        yield Exchange(json.loads(request.body), request.headers, time, parsed, head, *times)


def without_marks(messages: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return messages whose content is a list of blocks without cache marks."""
    blocks = ((message, blocks_of(message)) for message in messages)
    return [
        {**message, "content": [{key: block[key] for key in block if key != "cache_control"} for block in content]}
        for message, content in blocks
    ]


def blocks_of(message: Mapping[str, Any]) -> list[dict[str, Any]]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
