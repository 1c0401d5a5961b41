"""Interrupts: the user cancels the agent's turn while an answer arrives."""

import asyncio
from typing import Any, Unpack

from flag_harness.errors import HarnessError
from flag_harness.faults import Fault
from flag_harness.faults.condition import ConditionArguments
from flag_harness.faults.edits import ALL_POINTS, PointContext, StreamChange, make_effect_at_point
from flag_harness.faults.fault import FaultEffect, FaultyRequest, fault_kind
from flag_harness.flag import nearest_name_hint
from flag_harness.wire.timeline import Chunk, Edit, Piece

INTERRUPT_KIND = "cancelled"
"""The name of the only interrupt."""


class Interruption(KeyboardInterrupt):
    """The exception by which a sweep interrupts code that runs outside asyncio tasks, as Ctrl-C would."""


@fault_kind(
    "interrupt",
    stream_result="raises asyncio.CancelledError or KeyboardInterrupt",
    create_result="raises asyncio.CancelledError or KeyboardInterrupt",
    points=ALL_POINTS,
)
def cancelled(*, at: str = "inside_text", **when: Unpack[ConditionArguments]) -> FaultEffect:
    """Return the effect that the user cancels the agent's turn, once the answer has arrived up to the point `at`."""

    def make_answer_edit(due: FaultyRequest) -> Edit:
        def interrupt_stream(point: PointContext) -> StreamChange:
            _interrupt_caller(due)
            return StreamChange((Chunk(point.time, point.next_event),))

        def interrupt_body(data: bytes, moment: float) -> tuple[Piece, ...] | None:
            _interrupt_caller(due)
            return None

        made = make_effect_at_point(at, 1, interrupt_stream, interrupt_body)(due)
        assert callable(made)
        return made

    return make_answer_edit


def make_interrupt(at: str, request_number: int) -> Fault:
    """Return an interrupt at a point of the answer to request number `request_number`."""
    return cancelled(at=at, on=request_number)


def parse_interrupt(text: str) -> Fault:
    """Parse an interrupt such as `inside_text:on=2`. Raise `HarnessError` if there is no such point."""
    point, _, number = text.partition(":on=")
    if point not in ALL_POINTS:
        raise HarnessError(
            f"--harness-interrupt={text}: there is no point {point!r}; {nearest_name_hint(point, ALL_POINTS)}"
        )
    if not (number or "1").isdecimal() or int(number or 1) < 1:
        raise HarnessError(f"--harness-interrupt={text}: on={number} must be 1 or more; type {point}:on=1")
    return make_interrupt(point, int(number or 1))


def _interrupt_caller(due_request: FaultyRequest) -> None:
    """Cancel the running asyncio task, or raise `Interruption` if there is none.

    `due_request` is the request whose answer is arriving.
    """
    if (task := current_task()) is None:
        due_request.mark_as_fired()
        raise Interruption("the sweep interrupts the turn")
    task.cancel()


def current_task() -> asyncio.Task[Any] | None:
    """Return the task that runs in this thread, or None."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None
