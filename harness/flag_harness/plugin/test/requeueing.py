"""Makes the answers that a fault has altered available again.

A fault that edits an answer uses up the recorded interaction it came from. Without this, the agent's retry would miss.
"""

from collections.abc import Iterable

from flag_harness.cassette import Replay
from flag_harness.faults.fault import Fault
from flag_harness.wire.timeline import Layer, Piece, Request


def make_requeueing_layer(fault: Fault, replay: Replay) -> Layer:
    """Return a layer that applies the fault and tells `replay` to play each altered answer again."""

    def layer(request: Request) -> object:
        found = fault(request)
        if found is None or isinstance(found, tuple):
            return found
        replay.track_answer(request)

        def edit(piece: Piece) -> Iterable[Piece]:
            before = fault.fired
            pieces = list(found(piece))
            if fault.fired > before:
                replay.requeue_answer(request)
            return pieces

        return edit

    return layer  # type: ignore[return-value]
