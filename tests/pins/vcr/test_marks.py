"""Two tests with the marks of pytest-recording: a plain answer, and a streamed one."""

import anthropic
import pytest


@pytest.fixture(scope="module")
def vcr_config() -> dict:
    """Return the settings of vcrpy that the suite has always had."""
    return {"filter_headers": ["x-api-key"], "match_on": ["method", "path"]}


@pytest.mark.vcr
def test_an_answer_is_played() -> None:
    """From the YAML that vcrpy wrote."""
    message = anthropic.Anthropic(api_key="k").messages.create(
        model="claude-haiku-4-5", max_tokens=64, messages=[{"role": "user", "content": "Which open lines are there?"}]
    )
    assert "Two." == message.content[0].text


@pytest.mark.vcr
def test_a_streamed_answer_is_played() -> None:
    """Event by event, from the text that vcrpy wrote."""
    client = anthropic.Anthropic(api_key="k")
    with client.messages.stream(
        model="claude-haiku-4-5", max_tokens=64, messages=[{"role": "user", "content": "Say them in order."}]
    ) as stream:
        assert "a, b." == "".join(stream.text_stream)
