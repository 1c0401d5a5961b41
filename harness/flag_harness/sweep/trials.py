"""What is tried: every kind of fault, at every point that the streams have, on every request that matters."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flag_harness.faults import KINDS, Fault, Kind
from flag_harness.faults.edits import INSIDE_BODY

_NEVER_MET = frozenset({"inside_citations"})
"""Points that the model of the sweep, which cites nothing, has no streams with."""
_NEEDS_AN_EVENT = frozenset(
    {"clean_end", "malformed_json", "missing_blank_line", "duplicated_event", "reordered_events", "dropped_event"}
    | {"invalid_utf8"}
)
"""Kinds that change the event after a point, and so nothing where the stream is over."""
_LONG = 900
"""Seconds of silence: longer than the SDK's read timeout (600)."""

_ARGUMENTS: Mapping[str, tuple[dict[str, Any], ...]] = {
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
    "slow_start": ({"seconds": 60}, {"seconds": _LONG}),
    "read_timeout": ({},),
    "stall": ({"seconds": _LONG},),
    "ping_only": ({},),
    "trickle": ({"size": 16},),
}
"""With which arguments a kind is tried, where not with none."""

_AT_ONE_POINT: Mapping[str, tuple[dict[str, Any], ...]] = {
    "stream_error": ({"kind": "rate_limit_error"}, {"kind": "api_error"}, {"kind": "invalid_request_error"}),
    "reset": ({"torn": True},),
    "end_of_file": ({"torn": True},),
    "clean_end": ({"torn": True},),
    "stall": ({"seconds": 60},),
    "ping_only": ({"then": "resume"}, {"then": "reset"}, {"then": "resume", "count": 4}),
}
"""Arguments that are tried at the kind's own point only."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One fault to be tried. `environ` holds variables that an agent must see for the fault to have an effect."""

    fault: Fault
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The fault as the command line spells it."""
        return str(self.fault)

    def may_apply(self, streams: bool) -> bool:
        """Whether the fault could fire: points are met in streams only, and half a plain body never is."""
        at = dict(self.fault.arguments).get("at") or ("inside_text" if self._acts_in_streams else None)
        return at is None or streams == (at != INSIDE_BODY)

    @property
    def _acts_in_streams(self) -> bool:
        return bool(KINDS[self.fault.name].points) and self.fault.name != "read_timeout"


def trials() -> tuple[Trial, ...]:
    """Everything that is tried, kind by kind."""
    return tuple(trial(fault) for kind in KINDS.values() for fault in _faults(kind))


def trial(fault: Fault) -> Trial:
    """One fault, with what an agent must see for it to have an effect."""
    return Trial(fault, _environ(fault))


def pairs(tried: tuple[Trial, ...]) -> int:
    """How many different pairs of a fault and a point are among them; a fault without points counts once."""
    return len({(one.fault.name, dict(one.fault.arguments).get("at")) for one in tried})


def _faults(kind: Kind) -> Iterator[Fault]:
    """A kind's faults on the first request, on the one after the tool has run, and on every request."""
    for arguments in _ARGUMENTS.get(kind.name, ({},)):
        points = [point for point in kind.points if point not in _NEVER_MET and _can_act(kind, point)]
        yield from (kind.make(**arguments, at=point, on=1) for point in points)
        if not points or kind.name == "read_timeout":
            yield kind.make(**arguments, on=1)
        yield kind.make(**arguments, on=2)
        yield kind.make(**arguments)
    yield from (kind.make(**arguments, on=1) for arguments in _AT_ONE_POINT.get(kind.name, ()))


def _can_act(kind: Kind, point: str) -> bool:
    if kind.name == "reordered_events" and point == "after_message_delta":
        return False  # it takes two events
    return point != "after_message_stop" or kind.name not in _NEEDS_AN_EVENT


def _environ(fault: Fault) -> dict[str, str]:
    """The legacy cache header is sent only where a setting asks for it."""
    beta = dict(fault.arguments).get("beta")
    return {"PROMPT_CACHE_BETA": str(beta)} if beta else {}
