"""Clients that an upstream answers."""

import asyncio
from importlib.metadata import version
from typing import Any

import httpx
import httpx2
import pytest
import trio

from flag_harness.clock import VirtualClock
from flag_harness.transports import (
    SystemClock,
    async_http_client,
    clients,
    http_client,
    live_async_http_client,
    live_http_client,
    make_clock_for_pace,
    sdk_http_library,
    sdk_version,
)
from flag_harness.wire.timeline import Chunk, Cut, End, Head, Request, Response, body
from flag_harness.wire.traffic_log import TrafficLog
from tests.loopback import LoopbackServer

BODY = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"hello"}],'
    b'"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":1,"output_tokens":1}}'
)
ASKED: dict[str, Any] = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "hello"}]}


def _upstream(request: Request) -> Response:
    return Head(1.0, 200, (("content-type", "application/json"),)), Chunk(2.0, BODY), End(3.0)


def test_the_sync_sdk_is_answered() -> None:
    """On a clock of one's own, which then shows how long it took."""
    import anthropic

    clock = VirtualClock()
    with anthropic.Anthropic(api_key="x", http_client=http_client(_upstream, clock=clock)) as client:
        message = client.messages.create(**ASKED)
    assert "hello" == message.content[0].text  # type: ignore[union-attr]
    assert 3.0 == clock.now()


@pytest.mark.asyncio
async def test_the_async_sdk_is_answered() -> None:
    """The same upstream serves both."""
    import anthropic

    clock = VirtualClock()
    async with anthropic.AsyncAnthropic(api_key="x", http_client=async_http_client(_upstream, clock=clock)) as client:
        message = await client.messages.create(**ASKED)
    assert "hello" == message.content[0].text  # type: ignore[union-attr]
    assert 3.0 == clock.now()


def test_the_async_sdk_is_answered_under_trio() -> None:
    """Where the SDK runs, so does the transport."""
    import anthropic

    clock = VirtualClock()

    async def ask() -> str:
        http = async_http_client(_upstream, clock=clock)
        async with anthropic.AsyncAnthropic(api_key="x", http_client=http) as client:
            return (await client.messages.create(**ASKED)).content[0].text  # type: ignore[union-attr]

    assert ("hello", 3.0) == (trio.run(ask), clock.now())


def test_layers_stand_before_the_upstream() -> None:
    """Outermost first."""

    def busy(request: Request) -> Response:
        return Head(0.0, 529, ()), End(0.0)

    with http_client(_upstream, busy) as client:
        assert 529 == client.get("http://x/").status_code


@pytest.mark.asyncio
async def test_layers_stand_before_the_async_upstream() -> None:
    """Just so."""

    def busy(request: Request) -> Response:
        return Head(0.0, 529, ()), End(0.0)

    async with async_http_client(_upstream, busy) as client:
        assert 529 == (await client.get("http://x/")).status_code


def test_the_sdks_own_check_of_long_requests_stays_on() -> None:
    """It looks at the client's timeout, which has to be the SDK's default."""
    import anthropic

    with (
        anthropic.Anthropic(api_key="x", http_client=http_client(_upstream)) as client,
        pytest.raises(ValueError, match="Streaming is required for operations that may take longer than 10 minutes"),
    ):
        client.messages.create(**ASKED | {"max_tokens": 64000})


def test_timeouts_are_those_of_the_sdk() -> None:
    """Ten minutes, five seconds to connect, whether the network is asked or not."""
    import anthropic

    makers = (lambda: http_client(_upstream), lambda: async_http_client(_upstream), live_http_client)
    for make in (*makers, live_async_http_client):
        client = make()
        assert anthropic.DEFAULT_TIMEOUT == client.timeout
        assert client.follow_redirects


def test_layers_of_a_live_client_see_what_is_sent_and_received(
    loopback_server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxies that the environment names are still used."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    log = TrafficLog()

    async def send() -> None:
        async with live_async_http_client(log) as client:
            assert b"1: hello" in (await client.post(loopback_server.url, content=b"hello")).content
            with pytest.raises(httpx2.ConnectError):
                await client.get("https://api.anthropic.com")

    asyncio.run(send())
    (_, answer), (_, refused) = log.exchanges
    assert b"1: hello" in body(answer)
    assert isinstance(refused[-1], Cut)


@pytest.mark.parametrize(("pace", "kind"), [(0, VirtualClock), (1, SystemClock), (0.5, SystemClock)])
def test_the_pace_chooses_the_clock(pace: float, kind: type[Any]) -> None:
    """Virtual at 0, real above."""
    clock = make_clock_for_pace(pace)
    assert isinstance(clock, kind)
    assert pace == getattr(clock, "pace", 0)


def test_the_sdks_version_is_that_of_the_distribution() -> None:
    """As metadata and reports name it."""
    assert f"anthropic {version('anthropic')}" == sdk_version()


@pytest.mark.parametrize(("installed", "library"), [("2.12.0", httpx2), ("1.0.0", httpx2), ("0.125.0", httpx)])
def test_the_library_under_the_sdk(installed: str, library: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """httpx2 since 1.0."""
    monkeypatch.setattr(clients, "_installed_sdk_version", lambda: installed)
    assert library is sdk_http_library()
    with http_client(_upstream) as client:
        assert isinstance(client, library.Client)  # type: ignore[attr-defined]
