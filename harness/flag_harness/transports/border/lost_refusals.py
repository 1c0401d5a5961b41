"""End an event loop if a request of one of its callbacks was refused, and no code would ever see the error."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from flag_harness.errors import LateRequest, Refusal
from flag_harness.transports.patch import replace_attribute


@contextmanager
def end_loops_at_lost_refusals() -> Iterator[None]:
    """Inside the context, end an event loop of the main thread if a callback of it raises a refusal, and raise that
    refusal where the loop was started.

    asyncio only logs what a callback raises. Libraries such as tornado expect an `Exception` at most, so the request
    that they wait for would never end. Refusals of work that belongs to an ended test are left alone.
    """
    refusals: dict[asyncio.BaseEventLoop, Refusal | None] = {}
    call_handler, run = asyncio.BaseEventLoop.call_exception_handler, asyncio.BaseEventLoop.run_forever

    def call_exception_handler(loop: asyncio.BaseEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if loop not in refusals or "handle" not in context or not _is_of_running_test(error):
            call_handler(loop, context)
        elif refusals[loop] is None:
            refusals[loop] = error
            loop.stop()

    def run_forever(loop: asyncio.BaseEventLoop) -> None:
        if threading.current_thread() is threading.main_thread():
            refusals[loop] = None
        try:
            run(loop)
        finally:
            refusal = refusals.pop(loop, None)
        if refusal is not None:
            raise refusal

    with ExitStack() as patches:
        patches.enter_context(
            replace_attribute(asyncio.BaseEventLoop, "call_exception_handler", call_exception_handler)
        )
        patches.enter_context(replace_attribute(asyncio.BaseEventLoop, "run_forever", run_forever))
        yield


def _is_of_running_test(error: object) -> bool:
    return isinstance(error, Refusal) and not isinstance(error, LateRequest)
