"""Progress is watched apart from bytes: on virtual clocks, on a virtual loop, and on a real one."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from flag_harness.clock import VirtualClock
from flag_harness.reference import AgentError, RetryPolicy, TurnDiscarded, TurnEnded, WaitingForRetry
from flag_harness.reference.request.failure import SilentAnswerError
from flag_harness.reference.request.watchdog import SilenceWatchdog
from flag_harness.transports import SystemClock
from flag_harness.transports.virtual_time import LoopClock, VirtualLoop
from flag_harness.wire.timeline import Chunk, Piece, Response

STREAMING = {"ENABLE_STREAMING": "true"}
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
SILENT = "the answer broke off: nothing but pings came for 120 s"


def stalled(response: Response, after: int, seconds: float) -> Response:
    """The stream with a silence of `seconds` after its first events, in which only pings come."""
    head, *pieces = response
    late = [replace(piece, at=piece.at + seconds) for piece in pieces[after:]]
    pings = [Chunk(pieces[after - 1].at + 10.0 * number, PING) for number in range(1, int(seconds // 10))]
    shifted: list[Piece] = [head, *pieces[:after], *pings, *late]
    return tuple(shifted)


@pytest.mark.asyncio
async def test_pings_are_no_progress(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """A stream that brings nothing else is given up and asked for again."""
    sound = wire.stream(wire.text("Hello"))
    session = start([stalled(sound, 3, 200), sound], environ=STREAMING)
    await session.send("Hi")
    assert [SILENT] == [event.reason for event in session.events_of(TurnDiscarded)]
    assert ["end_turn"] == [event.stop_reason for event in session.events_of(TurnEnded)]


@pytest.mark.asyncio
async def test_a_pause_that_is_short_enough_is_waited_for(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """Pauses do not add up once something has come in between."""
    session = start([stalled(stalled(wire.stream(wire.text("Hello")), 2, 100), 12, 100)], environ=STREAMING)
    await session.send("Hi")
    assert [] == session.events_of(TurnDiscarded)
    assert ["end_turn"] == [event.stop_reason for event in session.events_of(TurnEnded)]


@pytest.mark.asyncio
async def test_a_head_that_never_comes_is_no_answer(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """Tried once more; then told, and the turn is kept. Nothing was shown, so nothing is discarded."""
    late = tuple(replace(piece, at=piece.at + 130) for piece in wire.stream(wire.text("Hello")))
    session = start([late, late], environ=STREAMING)
    await session.send("Hi")
    [error] = session.events_of(AgentError)
    assert "connection" == error.kind
    assert error.message.startswith("no answer from the API: nothing but pings came for 120 s (2 attempts in ")
    assert ([], 1) == (session.events_of(TurnDiscarded), len(session.events_of(WaitingForRetry)))
    assert [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}] == list(session.agent.context.messages)


@pytest.mark.asyncio
async def test_what_hangs_after_the_answer_breaks_nothing(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """`message_stop` is the end of the answer; what comes of the body then is of no matter."""
    whole = wire.events(wire.text("Hello"))
    head, *pieces = wire.played([*whole, whole[-1]])
    session = start([(head, *pieces[:-1], replace(pieces[-1], at=5000.0))], environ=STREAMING)
    await session.send("Hi")
    assert ["end_turn"] == [event.stop_reason for event in session.events_of(TurnEnded)]


@pytest.mark.asyncio
async def test_the_readers_own_time_is_no_silence() -> None:
    """A screen may take as long as it likes between two events."""
    clock = VirtualClock()
    watchdog = SilenceWatchdog(clock, 10)
    for _ in range(3):
        await watchdog.wait_for(clock.async_sleep(4))
        watchdog.reset()
        clock.sleep(100)
    await watchdog.wait_for(clock.async_sleep(9))
    with pytest.raises(SilentAnswerError, match=r"^nothing but pings came for 10 s$"):
        await watchdog.wait_for(clock.async_sleep(1))


@pytest.mark.asyncio
async def test_on_a_real_clock_the_wait_itself_ends() -> None:
    """Nothing comes at all: the watchdog does not wait for it."""
    watchdog = SilenceWatchdog(SystemClock(), 0.05)
    with pytest.raises(SilentAnswerError):
        await watchdog.wait_for(asyncio.get_running_loop().create_future())


@pytest.mark.asyncio
async def test_a_timeout_of_somebody_else_stays_what_it_is() -> None:
    """Only the watchdog's own limit means silence."""

    async def fails() -> None:
        raise TimeoutError("of the socket")

    with pytest.raises(TimeoutError, match="of the socket"):
        await SilenceWatchdog(SystemClock(), 10).wait_for(fails())


@pytest.mark.asyncio
async def test_a_wait_of_several_steps_ends_as_it_would_without_the_watchdog() -> None:
    """Its errors are caught inside it, its result comes back, and a cancellation reaches it."""
    seen = list[str]()

    async def steps(last: "asyncio.Future[str]") -> str:
        failing = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(failing.set_exception, OSError("gone"))
        try:
            await failing
        except OSError as error:
            seen.append(str(error))
        try:
            return await last
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    last = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(0.01, last.set_result, "done")
    assert "done" == await SilenceWatchdog(SystemClock(), 10).wait_for(steps(last))
    never = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(SilenceWatchdog(SystemClock(), 10).wait_for(steps(never)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ["gone", "gone", "cancelled"] == seen


def test_on_a_virtual_loop_it_strikes_to_the_second() -> None:
    """Where time can be waited for, silence ends when it is over the limit, not when it is over."""

    async def silent() -> float:
        loop = asyncio.get_running_loop()
        with pytest.raises(SilentAnswerError):
            await SilenceWatchdog(LoopClock(loop), 120).wait_for(asyncio.sleep(900))  # type: ignore[arg-type]
        return loop.time()

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        assert 120 == runner.run(silent())


def test_silence_cannot_be_shorter_than_nothing() -> None:
    """The policy says so."""
    with pytest.raises(ValueError, match="no time can be below 0"):
        RetryPolicy(max_silence=-1)


@pytest.mark.asyncio
async def test_what_a_discarded_answer_cost_is_spent(start: Callable[..., Any], wire: SimpleNamespace) -> None:
    """Its input is paid for, and the output that the stream had told of."""
    whole = wire.events(wire.text("Hello"))
    session = start([wire.played(whole[:-1]), wire.stream(wire.text("Hello"))], environ=STREAMING)
    await session.send("Hi")
    [discarded] = session.events_of(TurnDiscarded)
    assert (10, 5) == (discarded.usage.input_tokens, discarded.usage.output_tokens)
    assert (20, 10) == (session.agent.context.usage.input_tokens, session.agent.context.usage.output_tokens)


@pytest.mark.asyncio
async def test_a_wait_that_takes_no_real_time_is_too_long_too() -> None:
    """The loop does not see the time of this clock."""
    clock = VirtualClock(moves_loop=False)
    watchdog = SilenceWatchdog(clock, 10)
    await watchdog.wait_for(clock.async_sleep(9))
    with pytest.raises(SilentAnswerError):
        await watchdog.wait_for(clock.async_sleep(10))
