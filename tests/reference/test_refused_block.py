"""Blocks that the API takes back no more must not end the session."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from flag_harness.reference import AgentError, BlockDropped, ConversationContext, FeatureDropped, TurnEnded
from flag_harness.reference.request.failure import RequestFailure
from flag_harness.reference.request.refused_block import drop_refused_block

THINKING = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
NOVELTY = {"type": "novelty", "novelty": 1}
HELLO = {"type": "text", "text": "Hello"}
SIGNATURE = "messages.1.content.0: Invalid `signature` in `thinking` block"
UNKNOWN = "messages.1.content.2: Input tag 'novelty' found using 'type' does not match any of the expected tags: 'text'"
EXPECTED = "messages.1.content.0.type: Expected `thinking` or `redacted_thinking`, but found `text`."


def context(*content: dict[str, Any]) -> ConversationContext:
    """A conversation whose second message holds the blocks."""
    return ConversationContext(
        messages=(
            {"role": "user", "content": [HELLO]},
            {"role": "assistant", "content": list(content)},
            {"role": "user", "content": [HELLO]},
        )
    )


def rejected(words: str, status: int = 400) -> RequestFailure:
    """A rejection in the API's words."""
    return RequestFailure("request", words, status=status, original_message=words)


@pytest.mark.parametrize(
    ("content", "words", "kept", "kind"),
    [
        ([THINKING, HELLO], SIGNATURE, [HELLO], "thinking"),
        ([THINKING, HELLO, THINKING, HELLO], SIGNATURE, [HELLO, HELLO], "thinking"),
        ([THINKING, HELLO, NOVELTY], UNKNOWN, [THINKING, HELLO], "novelty"),
    ],
)
def test_the_named_block_goes_and_the_rest_stays(content: Any, words: str, kept: Any, kind: str) -> None:
    """Thinking goes with all thinking of its message, which is signed as a whole."""
    found = drop_refused_block(context(*content), rejected(words))
    assert found is not None
    assert (kept, kind) == (found[0].messages[1]["content"], found[1])


def test_a_message_that_held_nothing_else_goes_with_it() -> None:
    """The two of the user are joined, which is how the API reads them."""
    found = drop_refused_block(context(THINKING), rejected(SIGNATURE))
    assert found is not None
    assert [{"role": "user", "content": [HELLO, HELLO]}] == list(found[0].messages)


@pytest.mark.parametrize(
    ("content", "failure"),
    [
        ([THINKING, HELLO], rejected("max_tokens: too many")),
        ([THINKING, HELLO], rejected(SIGNATURE, status=500)),
        ([HELLO], rejected(SIGNATURE)),
        ([THINKING, HELLO], rejected("messages.0.content.0: text is not allowed")),
        ([THINKING, HELLO], rejected("messages.1.content.7: no such block")),
        ([THINKING, HELLO], rejected("messages.9.content.0: no such message")),
    ],
    ids=["no place", "no rejection", "a text", "the user's", "no block", "no message"],
)
def test_nothing_else_is_given_up(content: Any, failure: RequestFailure) -> None:
    """Texts, calls, and what the user said are never dropped to please the API."""
    assert drop_refused_block(context(*content), failure) is None


def test_a_message_whose_content_is_a_string_has_no_blocks() -> None:
    """There is nothing in it that could be left out."""
    messages = ({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"})
    assert drop_refused_block(ConversationContext(messages=messages), rejected(SIGNATURE)) is None


@pytest.mark.asyncio
async def test_the_session_goes_on_without_the_block(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """It is told, and the next request does not hold it."""
    session = start(
        [
            wire.message(THINKING, HELLO),
            wire.error(400, "invalid_request_error", SIGNATURE),
            wire.message(wire.text("Done")),
        ]
    )
    await session.send("One")
    await session.send("Two")
    assert [("thinking", f"400 invalid_request_error: {SIGNATURE}")] == [
        (event.block_type, event.reason) for event in session.events_of(BlockDropped)
    ]
    assert [HELLO] == session.bodies[-1]["messages"][1]["content"]
    assert (2, []) == (len(session.events_of(TurnEnded)), session.events_of(AgentError))


@pytest.mark.asyncio
async def test_a_loop_that_lost_its_thinking_is_completed_without(
    start: Callable[..., Any], wire: SimpleNamespace
) -> None:
    """While a call is answered, the API wants its thinking back: where that is gone, thinking is switched off."""
    session = start(
        [wire.error(400, "invalid_request_error", EXPECTED), wire.message(wire.text("Done"))],
        environ={"ENABLE_EXTENDED_OUTPUT": "true"},
        model="claude-haiku-4-5",
    )
    await session.send("One")
    assert ["thinking"] == [event.feature for event in session.events_of(FeatureDropped)]
    assert ["thinking" in body for body in session.bodies] == [True, False]
