"""Answers that a fault spoiled on their way are served again when the same request comes again.

A fault that edits an answer uses up the interaction that it came from; the agent's retry would otherwise be a miss.
"""

from collections.abc import Iterable

from flag_harness.cassette import Replay
from flag_harness.faults.fault import Fault
from flag_harness.wire.timeline import Layer, Piece, Request


def given_back(fault: Fault, replay: Replay) -> Layer:
    """The fault as a layer that tells the replay of each answer that it spoiled."""

    def layer(request: Request) -> object:
        found = fault(request)
        if found is None or isinstance(found, tuple):
            return found
        replay.expect_spoiling(request)

        def edit(piece: Piece) -> Iterable[Piece]:
            before = fault.fired
            pieces = list(found(piece))
            if fault.fired > before:
                replay.play_again(request)
            return pieces

        return edit

    return layer  # type: ignore[return-value]
