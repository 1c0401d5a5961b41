"""`harness_respx`: users' own respx routes, on whichever HTTP library the SDK stands."""

import pytest

SUITE = """
import anthropic
import httpx
import pytest

MESSAGE = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn",
    "stop_sequence": None, "content": [{"type": "text", "text": "Routed."}],
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
ASK = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello."}]}
STREAM = (
    'event: message_start\\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant",'
    '"model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}}\\n\\n'
    'event: content_block_start\\ndata: {"type":"content_block_start","index":0,'
    '"content_block":{"type":"text","text":""}}\\n\\n'
    'event: content_block_delta\\ndata: {"type":"content_block_delta","index":0,'
    '"delta":{"type":"text_delta","text":"Streamed."}}\\n\\n'
    'event: content_block_stop\\ndata: {"type":"content_block_stop","index":0}\\n\\n'
    'event: message_stop\\ndata: {"type":"message_stop"}\\n\\n'
)

def test_sync(harness_respx):
    route = harness_respx.post("https://api.anthropic.com/v1/messages").mock(httpx.Response(200, json=MESSAGE))
    assert anthropic.Anthropic(api_key="x").messages.create(**ASK).content[0].text == "Routed."
    assert route.call_count == 1

def test_streaming(harness_respx):
    headers = {"content-type": "text/event-stream"}
    harness_respx.post("https://api.anthropic.com/v1/messages").mock(httpx.Response(200, text=STREAM, headers=headers))
    with anthropic.Anthropic(api_key="x").messages.stream(**ASK) as stream:
        assert "".join(stream.text_stream) == "Streamed."

@pytest.mark.asyncio
@pytest.mark.respx(base_url="https://api.anthropic.com")
async def test_async_with_respx_own_mark(harness_respx):
    harness_respx.post("/v1/messages").mock(httpx.Response(200, json=MESSAGE))
    message = await anthropic.AsyncAnthropic(api_key="x").messages.create(**ASK)
    assert message.content[0].text == "Routed."

def test_a_request_without_a_route_reaches_nothing(harness_respx):
    with pytest.raises(Exception) as error:
        anthropic.Anthropic(api_key="x", max_retries=0).messages.create(**ASK)
    assert "not mocked" in repr(error.value.__cause__) + repr(error.value)

def test_respx_own_fixture_is_left_alone(respx_mock):
    respx_mock.get("https://example.test/").mock(httpx.Response(204))
    assert httpx.get("https://example.test/").status_code == 204
"""


def test_routes_answer_the_sdk(pytester: pytest.Pytester) -> None:
    """Sync, async, streaming, under respx's own mark; what has no route goes nowhere."""
    pytester.makepyfile(SUITE)
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=5)
