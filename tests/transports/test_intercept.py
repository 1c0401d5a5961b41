"""Interception: clients that the code under test makes itself."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import httpx2
import pytest

from flag_harness import LoopbackServer
from flag_harness.clock import VirtualClock
from flag_harness.transports import SystemClock, intercept_clients
from flag_harness.transports.interception.custom_transports import find_custom_transports
from flag_harness.transports.scope import ApiScope
from flag_harness.wire.timeline import Chunk, End, Head, Request, Response, body
from flag_harness.wire.traffic_log import TrafficLog

BODY = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hello"}],'
    b'"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}'
)
ASKED: dict[str, Any] = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hello"}]}
LIVE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)


def _upstream(request: Request) -> Response:
    return Head(0.0, 200, (("content-type", "application/json"),)), Chunk(0.0, BODY), End(0.0)


def _anthropic(url: str) -> str:
    with anthropic.Anthropic(api_key="x", base_url=url, max_retries=0) as client:
        return client.messages.create(**ASKED).content[0].text  # type: ignore[union-attr]


def _async_anthropic(url: str) -> str:
    async def ask() -> str:
        async with anthropic.AsyncAnthropic(api_key="x", base_url=url, max_retries=0) as client:
            return (await client.messages.create(**ASKED)).content[0].text  # type: ignore[union-attr]

    return asyncio.run(ask())


def _plain(http: Any) -> Callable[[str], str]:
    def ask(url: str) -> str:
        with http.Client() as client:
            text: str = client.post(f"{url}/v1/messages", json=ASKED).json()["content"][0]["text"]
            return text

    return ask


def _async_plain(http: Any) -> Callable[[str], str]:
    async def post(url: str) -> str:
        async with http.AsyncClient() as client:
            text: str = (await client.post(f"{url}/v1/messages", json=ASKED)).json()["content"][0]["text"]
            return text

    return lambda url: asyncio.run(post(url))


def _aiohttp_anthropic(url: str) -> str:
    async def ask() -> str:
        http_client = anthropic.DefaultAioHttpClient()
        async with anthropic.AsyncAnthropic(api_key="x", base_url=url, http_client=http_client) as client:
            return (await client.messages.create(**ASKED)).content[0].text  # type: ignore[union-attr]

    return asyncio.run(ask())


CODE_UNDER_TEST = {
    "anthropic": _anthropic,
    "async anthropic": _async_anthropic,
    "anthropic over aiohttp": _aiohttp_anthropic,
    "httpx2": _plain(httpx2),
    "async httpx2": _async_plain(httpx2),
    "httpx": _plain(httpx),
    "async httpx": _async_plain(httpx),
}


@pytest.fixture(params=CODE_UNDER_TEST)
def ask(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Code that makes its own client and sends one request to the address that it is given."""
    return CODE_UNDER_TEST[request.param]


def test_a_client_of_the_code_under_test_is_answered(ask: Callable[[str], str]) -> None:
    """The address, which nobody may hold, is never looked up."""
    tap = TrafficLog()
    with intercept_clients(_upstream, tap, clock=VirtualClock()):
        assert "hello" == ask("https://api.example.invalid")
    ((request, response),) = tap.exchanges
    assert ("POST", "https://api.example.invalid/v1/messages") == (request.method, request.url)
    assert BODY == body(response)


def test_without_an_upstream_live_traffic_is_teed(ask: Callable[[str], str], byte_server: Callable[..., Any]) -> None:
    """The request goes out over the real transport; what came back is noted as the server sent it."""
    server, tap = byte_server((LIVE,)), TrafficLog()
    with intercept_clients(None, tap, clock=SystemClock()):
        assert "hello" == ask(server.url.removesuffix("/v1/messages"))
    assert [LIVE] == server.sent[0]
    ((request, response),) = tap.exchanges
    assert server.requests[0].endswith(request.body)
    assert BODY == body(response)
    assert isinstance(response[-1], End)


def test_afterwards_clients_reach_the_network_again(ask: Callable[[str], str], byte_server: Callable[..., Any]) -> None:
    """Also where the code under test failed."""
    methods = _methods()

    def failing() -> None:
        with intercept_clients(_upstream, clock=VirtualClock()):
            assert methods != _methods()
            ask("https://api.example.invalid")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()
    assert methods == _methods()
    server = byte_server((LIVE,))
    assert "hello" == ask(server.url.removesuffix("/v1/messages"))
    assert 1 == len(server.requests)


def _methods() -> list[object]:
    return [
        method
        for http in (httpx, httpx2)
        for method in (http.HTTPTransport.handle_request, http.AsyncHTTPTransport.handle_async_request)
    ]


def test_an_upstream_that_counts_as_false_is_asked_all_the_same() -> None:
    """Only `None` means the network."""

    class Empty:
        def __len__(self) -> int:
            return 0

        def __call__(self, request: Request) -> Response:
            return _upstream(request)

    with intercept_clients(Empty(), clock=VirtualClock()):
        assert "hello" == _plain(httpx2)("https://api.example.invalid")


@pytest.mark.asyncio
async def test_a_client_made_before_is_answered_too() -> None:
    """The transports' methods are patched, not the clients."""
    async with httpx2.AsyncClient() as client:
        with intercept_clients(_upstream, clock=VirtualClock()):
            assert BODY == (await client.post("https://api.example.invalid/")).content


def test_a_library_that_nobody_uses_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the SDK's own."""
    monkeypatch.delitem(sys.modules, "httpx")
    with intercept_clients(_upstream, clock=VirtualClock()):
        assert "httpx" not in sys.modules
        assert "hello" == _plain(httpx2)("https://api.example.invalid")


def test_a_transport_is_found_in_the_client_that_another_one_holds() -> None:
    """The innermost one answers, so that what the other one does still happens."""

    class Sending(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            return httpx2.Response(200)

    class Retrying(Sending):
        def __init__(self, client: httpx2.Client) -> None:
            self.client = client

    with httpx2.Client(transport=Sending()) as client:
        assert [Sending] == find_custom_transports(Retrying(client), httpx2, "handle_request", frozenset())


@pytest.mark.asyncio
async def test_a_transport_that_nobody_sees_within_another_passes_the_request_on() -> None:
    """What sends through a transport in a closure is one request to the layers, not two."""
    inner, async_inner, seen = httpx2.HTTPTransport(), httpx2.AsyncHTTPTransport(), list[Request]()

    class Closure(httpx2.BaseTransport):
        def handle_request(self, request: httpx2.Request) -> httpx2.Response:
            return inner.handle_request(request)

        def close(self) -> None:
            inner.close()

    class AsyncClosure(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            return await async_inner.handle_async_request(request)

        async def aclose(self) -> None:
            await async_inner.aclose()

    with LoopbackServer(_upstream) as server:
        scope = ApiScope(base_url=server.url)
        with intercept_clients(None, seen.append, clock=VirtualClock(), scope=scope):
            with httpx2.Client(transport=Closure()) as client:
                assert BODY == client.get(server.url).content
            async with httpx2.AsyncClient(transport=AsyncClosure()) as async_client:
                assert BODY == (await async_client.get(server.url)).content
    assert 2 == len(seen)
