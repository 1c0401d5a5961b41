"""Rules about requests, log and times that hold for every `send` of every case."""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flag_harness.conformance.exchange import Exchange
from flag_harness.conformance.support import Send, cache_marks
from flag_harness.reference import (
    AgentError,
    BlockDropped,
    FeatureDropped,
    RequestUsage,
    ToolResult,
    ToolUse,
    TurnDiscarded,
    WaitingForRetry,
)
from flag_harness.reference.logs import REPLACEMENT_FOR_SECRETS, JsonLinesFormatter
from flag_harness.wire.timeline import header_value
from flag_harness.wire.usage import Usage

TOOL_DELAY = 0.5
LONGEST_WAIT = 60.0
MAX_ATTEMPTS = 4
SLACK = 0.05
"""The most seconds between an event of the agent and the moment it is about, on the virtual clock."""

RETRIED = frozenset({408, 409, 429})
TRUE_WORDS = frozenset({"true", "t", "yes", "y", "1"})
LOGGED = (
    (RequestUsage, "answer"),
    (WaitingForRetry, "retry"),
    (TurnDiscarded, "turn_discarded"),
    (FeatureDropped, "feature_dropped"),
    (BlockDropped, "block_dropped"),
    (AgentError, "error"),
)
"""The events of the agent that are logged, each with the name of its log line."""


def check_requests(send: Send, exchanges: Sequence[Exchange]) -> None:
    """Check that each request follows the flags at the time of the `send`, and that only the agent retries, not the
    SDK.
    """
    gone, gone_before = {*send.after.dropped_features}, {*send.before.dropped_features}
    caches, streams = _is_on(send, "ENABLE_PROMPT_CACHE"), _is_on(send, "ENABLE_STREAMING")
    for exchange in exchanges:
        body = exchange.body
        assert "0" == header_value(exchange.headers, "x-stainless-retry-count", "0"), "the client does not retry"
        assert streams == bool(body.get("stream")), "stream is set by its flag"
        assert send.before.model == body["model"], "the model is the session's"
        assert _expected_tokens(send) == body["max_tokens"], "max_tokens is set by its flag"
        budget = body.get("thinking", {}).get("budget_tokens")
        assert budget in (None, int(send.environ.get("THINKING_BUDGET") or 12_000)), "the budget is THINKING_BUDGET"
        legacy = send.environ.get("PROMPT_CACHE_BETA") or "none"
        betas = header_value(exchange.headers, "anthropic-beta").split(",")
        assert caches or legacy not in betas, "the legacy beta is sent only with prompt caching"
        assert not gone_before.intersection((*betas, *body)), "nothing is sent again that was refused"
        assert _is_on(send, "ENABLE_TOOLS", "1") == bool(body.get("tools")), "tools are offered by their flag"
        if caches and "cache_control" not in gone:
            assert _expected_marks(body) == [*cache_marks(body)], "tools, system and the latest user turns are marked"
        if not caches:
            assert not cache_marks(body), "cache marks are set by their flag"


def _expected_tokens(send: Send) -> int:
    """Return the `max_tokens` that requests must have under the flags of a `send`."""
    return int(send.environ.get("MAX_TOKENS") or 16_384) if _is_on(send, "ENABLE_EXTENDED_OUTPUT") else 4096


def _is_on(send: Send, name: str, default: str = "") -> bool:
    return (send.environ.get(name) or default).lower() in TRUE_WORDS


def _expected_marks(body: Mapping[str, Any]) -> list[str]:
    """Return the paths at which a request should have cache marks, sorted."""
    users = [index for index, message in enumerate(body["messages"]) if message["role"] == "user"]
    turns = [f"messages[{index}].content[{len(body['messages'][index]['content']) - 1}]" for index in users[-2:]]
    parts = [f"{key}[{len(body[key]) - 1}]" for key in ("system", "tools") if body.get(key)]
    automatic = [""] if "cache_control" in body else []
    return sorted([*automatic, *parts, *turns[-max(4 - len(parts) - len(automatic), 0) :]])


def check_log(send: Send, exchanges: Sequence[Exchange]) -> None:
    """Check that each step of the agent is logged once, as one line of JSON."""
    lines = [json.loads(JsonLinesFormatter().format(record)) for record in send.records]
    counts = Counter(line["event"] for line in lines)
    unsent = sum(
        event.reason.startswith("the SDK refused") for event in send.events if isinstance(event, FeatureDropped)
    )
    assert len(exchanges) + unsent == counts["request"], "each request is logged"
    for kind, name in LOGGED:
        assert sum(isinstance(event, kind) for event in send.events) == counts[name], f"each {name} is logged"
    results = [event for event in send.events if isinstance(event, ToolResult)]
    refused = [result for result in results if " was not run: " in result.content and "schema" not in result.content]
    assert len(results) - len(refused) == counts["tool_run"], "each run of a tool is logged"
    levels = {logging.getLevelName(record.levelno).lower() for record in send.records}
    assert levels == {line["level"] for line in lines}, "each line has its level"
    logged = [Usage.from_mapping(line["fields"]["usage"]) for line in lines if line["event"] == "answer"]
    assert [one.usage for one in send.events if isinstance(one, RequestUsage)] == logged, "usage is logged"


def check_secrets() -> None:
    """Check that a log line hides values that look like a secret, or that stand under the name of a secret."""
    record = logging.LogRecord("flag_harness", logging.INFO, "", 0, "key", None, None)
    record.fields = {"api_key": "x-y-z", "words": ["say sk-ant-api03-secret"], "sum": 3}
    line = json.loads(JsonLinesFormatter().format(record))
    assert {"api_key": REPLACEMENT_FOR_SECRETS, "words": [f"say {REPLACEMENT_FOR_SECRETS}"], "sum": 3} == line[
        "fields"
    ], "no secret is logged"
    assert ["time", "level", "logger", "event", "fields"] == [*line], "a line has its time, level, logger and event"


def check_times(send: Send, exchanges: Sequence[Exchange]) -> None:
    """Check that the agent makes its waits and delays, and waits as long as the API asks or the retry policy says."""
    times = [one.sent for one in exchanges]
    for event in send.events:
        if isinstance(event, WaitingForRetry):
            moment = event.at + event.seconds
            assert any(moment <= time <= moment + SLACK for time in times), "a wait is made before the next request"
    uses = [event for event in send.events if isinstance(event, ToolUse)]
    results = [event for event in send.events if isinstance(event, ToolResult)]
    for use, result in zip(uses, results, strict=True):
        assert result.is_error or result.at - use.at > TOOL_DELAY - SLACK, "a tool starts half a second after its event"
    waits = [event.seconds for event in send.events if isinstance(event, WaitingForRetry)]
    if not any(isinstance(event, (FeatureDropped, BlockDropped)) for event in send.events):
        assert waits == [*_expected_waits(exchanges)][: len(waits)], "a wait is as long as asked, or doubles from 0.5 s"
    if isinstance(send.events[-1], AgentError) and exchanges and exchanges[-1].answer.status != 200:
        status = exchanges[-1].answer.status or 500
        retried = status in RETRIED or status >= 500
        header = header_value(exchanges[-1].answer_headers, "x-should-retry")
        assert MAX_ATTEMPTS == len(exchanges) or not retried or header == "false", "a passing failure is retried"


def _expected_waits(exchanges: Iterable[Exchange]) -> Iterator[float]:
    """Yield the seconds to wait after each failed request: as long as its answer asks, else 0.5, 1, 2 and so on."""
    failed = 0
    for exchange in exchanges:
        failed = 0 if exchange.is_answered else failed + 1
        if failed:
            asked = _asked_wait(exchange)
            yield min(2 ** (failed - 1) / 2 if asked is None else asked, LONGEST_WAIT)


def _asked_wait(exchange: Exchange) -> float | None:
    """Return the seconds that an answer asks the client to wait, or None."""
    headers = exchange.answer_headers
    milliseconds, seconds = header_value(headers, "retry-after-ms"), header_value(headers, "retry-after")
    if exchange.answer.status == 200:
        return None  # the headers of a stream that failed later
    if milliseconds:
        return float(milliseconds) / 1000
    return float(seconds) if seconds.replace(".", "").isdigit() else None
