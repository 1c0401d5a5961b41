"""The table of all kinds of faults, by name."""

from collections.abc import Mapping
from types import MappingProxyType, ModuleType

from flag_harness.faults.fault import FaultKind
from flag_harness.faults.kinds import clients, connections, cuts, encodings, events, stalls, statuses, stream_errors

_FAULT_FAMILIES: tuple[ModuleType, ...] = (
    statuses,
    stream_errors,
    cuts,
    stalls,
    events,
    encodings,
    connections,
    clients,
)
FAULT_KINDS: Mapping[str, FaultKind] = MappingProxyType(
    {
        kind.name: kind
        for family in _FAULT_FAMILIES
        for function in vars(family).values()
        if isinstance(kind := getattr(function, "kind", None), FaultKind)
    }
)


def fault_kinds() -> tuple[FaultKind, ...]:
    """Return all kinds of faults, grouped by family."""
    return tuple(FAULT_KINDS.values())
