"""A refusal that a callback of an event loop raises, and that nobody waits for, ends the loop."""

import asyncio
import threading
from contextlib import suppress
from typing import Any

import pytest

from flag_harness.errors import LateRequest, NetworkRefused
from flag_harness.transports.border.lost_refusals import end_loops_at_lost_refusals
from flag_harness.transports.network import refuse_network


async def _wait_forever(error: BaseException, times: int = 1) -> None:
    """Wait for what a callback would give, as tornado does; the callback raises an error."""

    def fail() -> None:
        raise error

    for _ in range(times):
        asyncio.get_running_loop().call_soon(fail)
    await asyncio.get_running_loop().create_future()


@pytest.mark.parametrize("times", [1, 2])
def test_a_lost_refusal_is_raised_where_the_loop_was_started(times: int) -> None:
    """The first one, if there are several; another loop runs as always."""
    with end_loops_at_lost_refusals():
        with pytest.raises(NetworkRefused, match="tried to reach"):
            asyncio.run(_wait_forever(NetworkRefused("tried to reach a.example"), times))
        assert 3 == asyncio.run(asyncio.sleep(0, 3))


def test_a_client_that_resolves_in_a_task_of_its_own_ends() -> None:
    """Its request is refused in another thread, and comes back to a callback of the task."""

    async def fetch() -> None:
        task = asyncio.create_task(asyncio.open_connection("far.example", 443))  # type: ignore[arg-type]
        task.add_done_callback(lambda done: done.result())
        await asyncio.get_running_loop().create_future()

    with refuse_network() as refusals, pytest.raises(NetworkRefused, match=r"tried to reach far\.example:443"):
        asyncio.run(fetch())
    assert 1 == len(refusals)


@pytest.mark.parametrize("error", [LateRequest("late"), ValueError("no")])
def test_other_errors_are_given_to_the_handler_of_the_loop(error: BaseException) -> None:
    """Work of an ended test must not end the loop of another one."""
    seen: list[Any] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: seen.append(context["exception"]))
        with suppress(TimeoutError):
            await asyncio.wait_for(_wait_forever(error), 0.01)

    with end_loops_at_lost_refusals():
        asyncio.run(run())
    assert [error] == seen


def test_the_loop_of_another_thread_runs_on() -> None:
    """It may be that of a server, which others wait for."""
    results: list[int] = []

    async def run() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: results.append(1))
        with suppress(TimeoutError):
            await asyncio.wait_for(_wait_forever(NetworkRefused("no")), 0.01)
        results.append(2)

    with end_loops_at_lost_refusals():
        thread = threading.Thread(target=lambda: asyncio.run(run()))
        thread.start()
        thread.join(20)
    assert [1, 2] == results
