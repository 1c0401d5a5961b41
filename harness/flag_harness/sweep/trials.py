"""List the trials of a sweep: every kind of fault, at every point of a stream, on the first request, the second and all
requests.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flag_harness.faults import FAULT_KINDS, Fault, FaultKind
from flag_harness.faults.edits import INSIDE_BODY

_UNREACHABLE_POINTS = frozenset({"inside_citations"})
"""Points that no stream of the sweep reaches, since its model cites nothing."""
_KINDS_THAT_NEED_AN_EVENT = frozenset(
    {"clean_end", "malformed_json", "missing_blank_line", "duplicated_event", "reordered_events", "dropped_event"}
    | {"invalid_utf8"}
)
"""Kinds of faults that change the next event of a stream, so they do nothing at its end."""
_LONG_SILENCE_SECONDS = 900
"""Seconds of silence that exceed the SDK's read timeout (600)."""

ARGUMENTS_BY_FAULT_KIND: Mapping[str, tuple[dict[str, Any], ...]] = {
    "rate_limited": (
        {"retry_after": 2},
        {"retry_after": None},
        {"retry_after": 86_400},
        {"retry_after": "soon"},
        {"retry_after": None, "retry_after_ms": 40},
        {"should_retry": False},
    ),
    "overloaded": ({}, {"should_retry": False}, {"retry_after": 3}),
    "bad_request": ({}, {"should_retry": True}),
    "parameter_rejected": ({"parameter": "thinking"}, {"parameter": "max_tokens"}),
    "beta_rejected": ({"beta": "prompt-caching-2024-07-31"},),
    "line_ends": ({"kind": "cr"}, {"kind": "crlf"}),
    "missing_usage": ({"where": "message_start"}, {"where": "message_delta"}, {"where": "everywhere"}),
    "slow_start": ({"seconds": 60}, {"seconds": _LONG_SILENCE_SECONDS}),
    "read_timeout": ({},),
    "stall": ({"seconds": _LONG_SILENCE_SECONDS},),
    "ping_only": ({},),
    "trickle": ({"size": 16},),
}
"""The arguments with which each kind of fault is tried. Kinds that are missing here are tried without arguments."""

FURTHER_ARGUMENTS_BY_FAULT_KIND: Mapping[str, tuple[dict[str, Any], ...]] = {
    "stream_error": ({"kind": "rate_limit_error"}, {"kind": "api_error"}, {"kind": "invalid_request_error"}),
    "reset": ({"torn": True},),
    "end_of_file": ({"torn": True},),
    "clean_end": ({"torn": True},),
    "stall": ({"seconds": 60},),
    "ping_only": ({"then": "resume"}, {"then": "reset"}, {"then": "resume", "count": 4}),
}
"""Further arguments, which are tried only at the default point of each kind of fault."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault to try. `environ` has the environment variables that the agent needs for the fault to have an
    effect.
    """

    fault: Fault
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The fault as it is written on the command line, such as `overloaded:on=2`."""
        return str(self.fault)

    def can_apply(self, agent_streams: bool) -> bool:
        """Return whether the fault can fire with an agent that streams, or does not.

        The point `inside_body` needs an answer that is not a stream; all other points need a stream.
        """
        at = dict(self.fault.arguments).get("at") or ("inside_text" if self._needs_stream else None)
        return at is None or agent_streams == (at != INSIDE_BODY)

    @property
    def _needs_stream(self) -> bool:
        return bool(FAULT_KINDS[self.fault.name].points) and self.fault.name != "read_timeout"


def all_trials() -> tuple[Trial, ...]:
    """Return all trials of a full sweep, grouped by kind of fault."""
    return tuple(make_trial(fault) for kind in FAULT_KINDS.values() for fault in _faults_of_kind_to_try(kind))


def make_trial(fault: Fault) -> Trial:
    """Return the trial of one fault, with the environment variables that the fault needs."""
    return Trial(fault, _environment_variables_for_fault(fault))


def count_fault_point_pairs(trials: tuple[Trial, ...]) -> int:
    """Count the pairs of a kind of fault and a point that are tried. A fault without points counts as one pair."""
    return len({(trial.fault.name, dict(trial.fault.arguments).get("at")) for trial in trials})


def _faults_of_kind_to_try(kind: FaultKind) -> Iterator[Fault]:
    """Yield the faults of one kind to try: on the first request, on the second (sent after the tool ran), and on all
    requests.
    """
    for arguments in ARGUMENTS_BY_FAULT_KIND.get(kind.name, ({},)):
        points = [
            point for point in kind.points if point not in _UNREACHABLE_POINTS and can_fault_change_answer(kind, point)
        ]
        yield from (kind.make_fault(**arguments, at=point, on=1) for point in points)
        if not points or kind.name == "read_timeout":
            yield kind.make_fault(**arguments, on=1)
        yield kind.make_fault(**arguments, on=2)
        yield kind.make_fault(**arguments)
    yield from (kind.make_fault(**arguments, on=1) for arguments in FURTHER_ARGUMENTS_BY_FAULT_KIND.get(kind.name, ()))


def can_fault_change_answer(kind: FaultKind, point: str) -> bool:
    """Return whether a kind of fault can change an answer at this point of the stream."""
    if kind.name == "reordered_events" and point == "after_message_delta":
        return False  # reordering needs two events, and only one follows
    return point != "after_message_stop" or kind.name not in _KINDS_THAT_NEED_AN_EVENT


def _environment_variables_for_fault(fault: Fault) -> dict[str, str]:
    """Return the environment variables that a fault needs to have an effect on the reference agent."""
    beta = dict(fault.arguments).get("beta")
    return {"PROMPT_CACHE_BETA": str(beta)} if beta else {}
