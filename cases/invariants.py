"""Rules that hold for every `send` of every case. They are checked with the traffic, the events and the log alone."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from flag_harness.conformance.exchange import Exchange, blocks_of, exchanges_of, without_marks
from flag_harness.conformance.request_invariants import SLACK, check_log, check_requests, check_secrets, check_times
from flag_harness.conformance.support import Conversation, Send
from flag_harness.reference import (
    AgentError,
    BlockDropped,
    RequestUsage,
    TextDelta,
    ThinkingDelta,
    ToolResult,
    ToolUse,
    TurnDiscarded,
    TurnEnded,
    repair_context,
)
from flag_harness.wire.timeline import header_value
from flag_harness.wire.usage import Usage


def check_conversation(conversation: Conversation) -> None:
    """Check all rules for every `send` of a conversation."""
    check_secrets()
    for send in conversation.sends:
        exchanges = [*exchanges_of(conversation, send)]
        _check_end(send, exchanges)
        _check_shown(send, exchanges)
        _check_calls(send, exchanges)
        _check_usage(send, exchanges)
        _check_messages(send, exchanges)
        check_requests(send, exchanges)
        check_log(send, exchanges)
        if conversation.path is not None:
            _check_saves(send)
        if conversation.cassette.is_virtual:
            check_times(send, exchanges)


def _check_end(send: Send, exchanges: Sequence[Exchange]) -> None:
    """Check that the last event, and no other, says how the turn ended, with the API's stop reason or status."""
    ends = [event for event in send.events if isinstance(event, (TurnEnded, AgentError))]
    assert send.events[-1:] == ends, "the last event alone ends the turn"
    end = ends[0]
    if isinstance(end, TurnEnded):
        assert exchanges[-1].stop_reason == end.stop_reason, "the stop reason is the API's"
    elif end.status is not None and exchanges and exchanges[-1].answer.status != 200:
        failed = exchanges[-1]
        assert failed.answer.status == end.status, "the error has the API's status"
        assert header_value(failed.answer_headers, "request-id") == (end.request_id or ""), "it has the request's id"
    moments = [event.at for event in send.events]
    assert sorted(moments) == moments, "events are in the order of time"


def _check_shown(send: Send, exchanges: Sequence[Exchange]) -> None:
    """Check that the events show each delta of a text or of thinking and, without a stream, each such block."""
    shown = [(type(event), event.text) for event in send.events if isinstance(event, (TextDelta, ThinkingDelta))]
    assert [*_deltas(exchanges)] == shown, "what arrives is shown as it arrives"


def _deltas(exchanges: Iterable[Exchange]) -> Iterator[tuple[type, str]]:
    kinds = {"text": TextDelta, "thinking": ThinkingDelta}
    for exchange in exchanges:
        if exchange.answer.is_stream:
            for event in exchange.answer.events:
                for key, kind in kinds.items():
                    if key in event.get("delta", {}):
                        yield kind, event["delta"][key]
        elif exchange.is_answered:
            for block in exchange.answer.blocks:
                if block.get(block["type"]):
                    yield kinds[block["type"]], block[block["type"]]


def _check_calls(send: Send, exchanges: Sequence[Exchange]) -> None:
    """Check that the events show each tool call as it came, and exactly one result for it, which is also sent back."""
    accepted = [one for one in exchanges if one.is_answered and one.stop_reason != "refusal"]
    calls = [block for one in accepted for block in one.content if block["type"] == "tool_use"]
    uses = [event for event in send.events if isinstance(event, ToolUse)]
    if isinstance(send.events[-1], TurnEnded):
        expected = [(call["id"], call["name"], call["input"]) for call in calls]
        assert expected == [(use.id, use.name, use.input) for use in uses], "each call is shown as it came"
    results = [event for event in send.events if isinstance(event, ToolResult)]
    assert [use.id for use in uses] == [result.id for result in results], "each call gets its result"
    said = [block for message in send.after.messages for block in blocks_of(message) if block["type"] == "tool_result"]
    kept = said[len(said) - len(results) :]
    shown = [(result.id, result.content, result.is_error) for result in results]
    assert shown == [(one["tool_use_id"], one["content"], one.get("is_error", False)) for one in kept], (
        "each result is kept as it is shown"
    )


def _check_usage(send: Send, exchanges: Sequence[Exchange]) -> None:
    """Check that the tokens of each answer are reported as the API states them, and that the session's total is their
    sum.
    """
    stated = [Usage.from_mapping(one.answer.usage) for one in exchanges if one.is_answered]
    reported = [event for event in send.events if isinstance(event, RequestUsage)]
    assert stated == [event.usage for event in reported], "each answer's usage is reported"
    for event, exchange in zip(reported, (one for one in exchanges if one.is_answered), strict=True):
        first = event.first_token_seconds or 0
        assert (exchange.first_token or 0) - SLACK <= first <= exchange.seconds + SLACK, (
            "the first delta's time is told"
        )
        assert first - SLACK <= event.total_seconds <= exchange.seconds + SLACK, "the answer's time is told"
    broken = [Usage.from_mapping(one.answer.usage) for one in exchanges if not one.is_answered and one.answer.is_stream]
    discarded = [event.usage for event in send.events if isinstance(event, TurnDiscarded)]
    assert broken == discarded, "the usage of each discarded answer is reported"
    total = sum([*stated, *broken], send.before.usage)
    assert total == send.after.usage, "the session's usage is that of all its answers"
    if reported and reported[-1] in send.events[-2:]:
        assert total == reported[-1].session_total, "the reported total is the session's"


def _check_messages(send: Send, exchanges: Sequence[Exchange]) -> None:
    """Check that each request, and at last the context, has all that was said before, block for block."""
    dropped = any(isinstance(event, BlockDropped) for event in send.events)
    bodies = [without_marks(one.body["messages"]) for one in exchanges]
    said = without_marks(send.before.messages)
    if said and said[-1]["role"] == "user":
        said.pop()  # an unanswered turn is joined with the new text
    is_repaired = any(record.getMessage().startswith("healed") for record in send.records)
    if not bodies:
        return
    for body in bodies[:1]:
        assert is_repaired or said == body[: len(said)], "the first request holds what was said before"
    for exchange, before, after in zip(
        exchanges, bodies, [*bodies[1:], without_marks(send.after.messages)], strict=True
    ):
        expected = _with_answer(before, exchange)
        if not dropped and exchange.stop_reason != "refusal":
            assert expected == after[: len(expected)], "what was said is sent back unchanged"
            assert len(after) <= len(expected) + 1, "nothing is added but tool results"
    if exchanges and isinstance(send.events[-1], AgentError) and not exchanges[-1].is_answered:
        assert bodies[-1] == without_marks(send.after.messages), "the user's turn is kept"


def _with_answer(messages: list[dict[str, Any]], exchange: Exchange) -> list[dict[str, Any]]:
    """Return the messages of a request followed by its answer.

    The answer is joined to a paused answer that it continues.
    """
    if not exchange.is_answered or not exchange.content:
        return messages
    if messages[-1]["role"] == "assistant":
        return [*messages[:-1], {"role": "assistant", "content": [*messages[-1]["content"], *exchange.content]}]
    return [*messages, {"role": "assistant", "content": exchange.content}]


def _check_saves(send: Send) -> None:
    """Check that after each event the session file has the agent's context, so that a killed session can continue."""
    for step in send.steps:
        is_new = step.saved is None and not step.context.messages
        assert is_new or step.context == step.saved, "the context is saved after each step"
        if isinstance(step.event, ToolResult) and " was not run: " not in step.event.content:
            healed = [block for message in repair_context(step.saved)[0].messages for block in blocks_of(message)]
            result = next(one for one in healed if one.get("tool_use_id") == step.event.id)
            assert step.event.content == result["content"], "a session that is killed now keeps the tool's result"
