"""What the unguarded SDK makes of each fault: the table says it, and these tests hold the table to it."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from flag_harness import faults
from flag_harness.clock import VirtualClock
from flag_harness.faults import Fault, FaultKind, with_refused_keywords
from flag_harness.transports import async_http_client, http_client, sdk_version
from flag_harness.wire.timeline import Upstream

ASK: Mapping[str, Any] = {
    "model": "claude-haiku-4-5",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Where?"}],
}
BETA = {"anthropic-beta": "computer-use-2025-11-24"}
measured = pytest.mark.skipif(
    not sdk_version().startswith("anthropic 2."), reason="the table was measured on anthropic 2.12"
)


def _sync(upstream: Upstream, fault: Fault, streamed: bool) -> tuple[Any, float]:
    import anthropic

    clock = VirtualClock()
    with http_client(upstream, fault, clock=clock) as http:
        client = anthropic.Anthropic(api_key="x", http_client=http, max_retries=0, default_headers=BETA)
        messages = with_refused_keywords(client, fault).messages
        try:
            if not streamed:
                return messages.create(**ASK), clock.now()
            with messages.stream(**ASK) as events:
                return events.get_final_message(), clock.now()
        except Exception as error:
            return error, clock.now()


def _async(upstream: Upstream, fault: Fault, streamed: bool) -> tuple[Any, float]:
    import anthropic

    async def ask() -> tuple[Any, float]:
        clock = VirtualClock()
        async with async_http_client(upstream, fault, clock=clock) as http:
            client = anthropic.AsyncAnthropic(api_key="x", http_client=http, max_retries=0, default_headers=BETA)
            messages = with_refused_keywords(client, fault).messages
            try:
                if not streamed:
                    return await messages.create(**ASK), clock.now()
                async with messages.stream(**ASK) as events:
                    return await events.get_final_message(), clock.now()
            except Exception as error:
                return error, clock.now()

    return asyncio.run(ask())


def _outcome(run: Any, upstream: Upstream, fault: Fault, streamed: bool) -> str:
    """In the words of the table."""
    found, moment = run(upstream, fault, streamed)
    if isinstance(found, Exception):
        module = type(found).__module__.partition(".")[0]
        return f"raises {'' if module == 'builtins' else module + '.'}{type(found).__name__}"
    if not fault.fired:
        return "does not apply"
    wanted, wanted_moment = run(upstream, faults.overloaded(on=99), streamed)
    got, expected = found.to_dict(), wanted.to_dict()
    differing = [name for name in expected if got.get(name) != expected[name]]
    late = ", late" if moment > wanted_moment else ""
    return (f"answers differently: {', '.join(differing)}" if differing else "answers as usual") + late


@measured
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
@pytest.mark.parametrize("run", [_sync, _async])
@pytest.mark.parametrize("kind", faults.fault_kinds(), ids=lambda kind: kind.name)
def test_the_table_says_what_the_sdk_does(kind: FaultKind, run: Any, upstream: Upstream) -> None:
    """Streamed and plain, sync and async: the exception's name, or the fields that are silently wrong."""
    assert kind.stream_result == _outcome(run, upstream, kind.make_fault(on=1), streamed=True)
    assert kind.create_result == _outcome(run, upstream, kind.make_fault(on=1), streamed=False)


@measured
@pytest.mark.parametrize("run", [_sync, _async])
@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (faults.reset(at="inside_body"), "raises anthropic.APIConnectionError"),
        (faults.end_of_file(at="inside_body"), "raises anthropic.APIConnectionError"),
        (faults.read_timeout(at="inside_body"), "raises anthropic.APITimeoutError"),
        (faults.clean_end(at="inside_body"), "raises json.JSONDecodeError"),
        (faults.malformed_json(at="inside_body"), "raises json.JSONDecodeError"),
    ],
    ids=str,
)
def test_a_plain_body_that_breaks(fault: Fault, expected: str, run: Any, upstream: Upstream) -> None:
    """What `create` makes of half a body."""
    assert expected == _outcome(run, upstream, fault.arm(), streamed=False)


@measured
@pytest.mark.parametrize("kind", ["overloaded_error", "rate_limit_error", "api_error"])
@pytest.mark.parametrize("at", faults.FAULT_KINDS["stream_error"].points)
def test_an_error_event_at_any_point(at: str, kind: str, upstream: Upstream) -> None:
    """It raises everywhere but behind `message_stop`, with a status of 200 and the type that was sent."""
    found, _ = _sync(upstream, faults.stream_error(kind=kind, at=at, on=1), streamed=True)
    told = (found.status_code, found.type) if isinstance(found, Exception) else found.stop_reason
    assert (200, kind) == told


@measured
@pytest.mark.parametrize("at", faults.FAULT_KINDS["clean_end"].points[:-1])
def test_a_clean_end_is_silent_or_nearly_so(at: str, upstream: Upstream) -> None:
    """No exception but a bare `AssertionError`: only the missing stop reason shows that the message is not whole."""
    found, _ = _sync(upstream, faults.clean_end(at=at, on=1), streamed=True)
    if at == "first_event":
        assert "AssertionError" == type(found).__name__
    elif at in {"after_message_delta", "after_message_stop"}:
        assert "tool_use" == found.stop_reason
    else:
        assert found.stop_reason is None


@measured
def test_a_retry_gets_past_a_fault_that_is_over(upstream: Upstream) -> None:
    """`until=1`: the SDK's own second attempt succeeds."""
    import anthropic

    fault = faults.rate_limited(until=1, retry_after=None, retry_after_ms=1)
    with http_client(upstream, fault) as http:
        client = anthropic.Anthropic(api_key="x", http_client=http, max_retries=1)
        assert "tool_use" == client.messages.create(**ASK).stop_reason
    assert [2, 1] == [fault.counter.request_count, fault.fired]


@measured
def test_should_retry_stops_the_retries(upstream: Upstream) -> None:
    """A 529 that says `x-should-retry: false` is asked once."""
    import anthropic

    fault = faults.overloaded(should_retry=False)
    with http_client(upstream, fault) as http, pytest.raises(anthropic.APIStatusError):
        anthropic.Anthropic(api_key="x", http_client=http, max_retries=2).messages.create(**ASK)
    assert 1 == fault.counter.request_count
