"""Signals to a test's processes while an answer arrives: SIGKILL, SIGTERM and SIGINT."""

from collections.abc import Callable, Mapping
from typing import Unpack

from flag_harness.errors import HarnessError
from flag_harness.faults import Fault
from flag_harness.faults.condition import ConditionArguments
from flag_harness.faults.edits import ALL_POINTS, PointContext, StreamChange, make_effect_at_point
from flag_harness.faults.fault import FaultEffect, fault_kind
from flag_harness.flag import nearest_name_hint
from flag_harness.wire.timeline import Chunk, Cut, Piece


def _make_silence_effect(at: str) -> FaultEffect:
    """Return the effect that nothing more of an answer arrives after the point `at`, until the client gives up."""

    def silence_stream(point: PointContext) -> StreamChange:
        return StreamChange((Cut(point.time, "read_timeout"),))

    def silence_body(data: bytes, moment: float) -> tuple[Piece, ...]:
        return Chunk(moment, data[: len(data) // 2]), Cut(moment, "read_timeout")

    return make_effect_at_point(at, 1, silence_stream, silence_body)


def _make_signal_kind(name: str) -> Callable[..., Fault]:
    """Return the function that makes a fault which sends this signal to the process."""

    def signal(*, at: str = "inside_text", **when: Unpack[ConditionArguments]) -> FaultEffect:
        return _make_silence_effect(at)

    signal.__name__ = name
    result = f"the process gets {name.upper()}"
    return fault_kind("interrupt", stream_result=result, create_result=result, points=ALL_POINTS)(signal)


SIGNALS: Mapping[str, Callable[..., Fault]] = {
    name: _make_signal_kind(name) for name in ("sigkill", "sigterm", "sigint")
}
"""For each signal, a function that makes the trouble that the process gets this signal at a point of an answer."""


def parse_signal(text: str) -> tuple[str, Fault]:
    """Parse a signal such as `sigkill/inside_text:on=2`. Return its name, and the fault that delays the answer at that
    point.

    Raise `HarnessError` if there is no such signal or point.
    """
    name, _, rest = text.partition("/")
    point, _, number = rest.partition(":on=")
    if name not in SIGNALS:
        raise HarnessError(
            f"--harness-interrupt={text}: there is no signal {name!r}; {nearest_name_hint(name, SIGNALS)}"
        )
    if point not in ALL_POINTS:
        raise HarnessError(
            f"--harness-interrupt={text}: there is no point {point!r}; {nearest_name_hint(point, ALL_POINTS)}"
        )
    if not (number or "1").isdecimal() or int(number or 1) < 1:
        raise HarnessError(f"--harness-interrupt={text}: on={number} is no number from 1; type {name}/{point}:on=1")
    return name, SIGNALS[name](at=point, on=int(number or 1))
