"""`tools = "record"` keeps the answers to the HTTP requests of tools, and returns them under each trouble."""

import asyncio
import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest

from flag_harness.plugin.sweep.tools.http import store_or_replay_responses
from flag_harness.plugin.sweep.tools.results import BaselineToolResults, NotRecordedError, StoredToolResult
from flag_harness.transports.scope import ApiScope
from tests.loopback import LoopbackServer

requests = pytest.importorskip("requests")
urllib3 = pytest.importorskip("urllib3")


def _with_httpx(url: str, body: str) -> str:
    return httpx.post(url, content=body).text


def _with_async_httpx(url: str, body: str) -> str:
    async def post() -> str:
        async with httpx.AsyncClient() as client:
            return (await client.post(url, content=body)).text

    return asyncio.run(post())


def _with_requests(url: str, body: str) -> str:
    with requests.Session() as session:
        return str(session.post(url, data=body.encode()).content.decode())


def _with_urllib3(url: str, body: Any) -> str:
    with urllib3.PoolManager(retries=False) as pool:
        return str(pool.request("POST", url, body=body).data.decode())


def _with_a_file(url: str, body: str) -> str:
    return _with_urllib3(url, io.BytesIO(body.encode()))


def _with_parts(url: str, body: str) -> str:
    return _with_urllib3(url, iter([body[:1].encode(), body[1:]]))


Post = Callable[[str, str], str]
ALL = [_with_httpx, _with_async_httpx, _with_requests, _with_urllib3, _with_a_file, _with_parts]


@pytest.mark.parametrize("post", ALL)
def test_a_request_is_sent_in_the_baseline_only(post: Post, loopback_server: LoopbackServer) -> None:
    """Under a trouble it gets the same answers in the same order, and then the last one again."""
    recording, url = BaselineToolResults(), f"{loopback_server.url}/items?page=1"
    with store_or_replay_responses(recording, ApiScope()):
        first = [post(url, "socks"), post(url, "socks"), post(url, "shoes")]
        recording.is_baseline = False
        recording.used_count_by_call.clear()
        moved = "http://127.0.0.1:9/items?page=1"  # the server may listen on another port in the next run
        assert first == [post(moved, "socks"), post(url, "socks"), post(url, "shoes")]
        assert first[1] == post(url, "socks")
        with pytest.raises(
            NotRecordedError, match=r"POST http://127\.0\.0\.1/items\?page=1 was not sent with hats without a"
        ):
            post(url, "hats")
    assert ["1: socks\nä", "2: socks\nä", "3: shoes\nä"] == first
    assert 3 == len(loopback_server.received)
    post(url, "hats")
    assert 4 == len(loopback_server.received)


@pytest.mark.parametrize("post", [_with_httpx, _with_async_httpx, _with_urllib3])
def test_a_request_that_fails_fails_again(post: Post, loopback_server: LoopbackServer) -> None:
    """Nobody listens in the baseline; under a trouble no connection is made, though somebody does."""
    recording = BaselineToolResults()
    with store_or_replay_responses(recording, ApiScope()):
        with pytest.raises((httpx.ConnectError, urllib3.exceptions.NewConnectionError)) as first:
            post("http://127.0.0.1:9/items", "socks")
        recording.is_baseline = False
        recording.used_count_by_call.clear()
        with pytest.raises(type(first.value)):
            post(f"{loopback_server.url}/items", "socks")
    assert [] == loopback_server.received


@pytest.mark.parametrize("post", [_with_httpx, _with_async_httpx, _with_urllib3])
def test_requests_to_the_api_are_left_alone(post: Post, loopback_server: LoopbackServer) -> None:
    """They are not the tools'."""
    recording = BaselineToolResults()
    with store_or_replay_responses(recording, ApiScope(base_url=loopback_server.url)):
        assert ["1: Hi\nä", "2: Hi\nä"] == [post(f"{loopback_server.url}/v1/messages", "Hi") for _ in range(2)]
    assert {} == recording.results_by_call


def test_a_request_without_a_body_is_named_by_its_address() -> None:
    """The address holds the port of another machine."""
    recording = BaselineToolResults(is_baseline=False)
    words = r"GET http://shop\.test:81/a was not sent without a trouble"
    with store_or_replay_responses(recording, ApiScope()):
        with pytest.raises(NotRecordedError, match=words):
            httpx.get("http://shop.test:81/a")
        with pytest.raises(NotRecordedError, match=words), urllib3.PoolManager(retries=False) as pool:
            pool.request("GET", "http://shop.test:81/a")


def test_an_exception_is_raised_again_with_the_same_traceback() -> None:
    """Otherwise it keeps the frames of each run under a trouble, with all that they hold."""
    recording, error = BaselineToolResults(is_baseline=False), ValueError("sold out")
    with suppress(ValueError):
        raise error
    recording.keep_result(("buy", b""), StoredToolResult(error=error))
    lengths = set()
    for _ in range(3):
        with pytest.raises(ValueError, match="sold out") as raised:
            recording.results_by_call["buy", b""][0].return_or_raise()
        lengths.add(len(raised.traceback))
    assert 1 == len(lengths)


def test_a_request_that_urllib3_sends_again_is_one_request() -> None:
    """Only how it ended is recorded; nobody listens."""
    recording = BaselineToolResults()
    retries = urllib3.Retry(1, backoff_factor=0)
    failure = pytest.raises(urllib3.exceptions.MaxRetryError)
    with store_or_replay_responses(recording, ApiScope()), urllib3.PoolManager() as pool, failure:
        pool.request("GET", "http://127.0.0.1:9/items", retries=retries)
    assert [1] == [len(results) for results in recording.results_by_call.values()]
