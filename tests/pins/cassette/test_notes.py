"""Two tests with `cassette`: a plain answer, and a streamed one from the async client."""

import asyncio

import anthropic
import pytest

pytestmark = pytest.mark.scenario("notes")


def _request(question: str) -> dict:
    return {"model": "claude-haiku-4-5", "max_tokens": 64, "messages": [{"role": "user", "content": question}]}


@pytest.mark.usefixtures("cassette")
def test_a_plain_answer_is_played() -> None:
    """From a client that the test makes itself."""
    message = anthropic.Anthropic().messages.create(**_request("How many open lines are there?"))
    assert "There are two open lines." == message.content[0].text


def test_a_streamed_answer_is_played(cassette) -> None:
    """From the async client, event by event."""

    async def ask() -> str:
        async with anthropic.AsyncAnthropic() as client, client.messages.stream(**_request("Say them in order.")) as it:
            return "".join([text async for text in it.text_stream])

    assert "In order they are a, b." == asyncio.run(ask())
    assert 1 == len(cassette.exchanges)
