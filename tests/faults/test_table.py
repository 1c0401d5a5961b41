"""The table of faults."""

import inspect

import pytest

from flag_harness import faults
from flag_harness.faults import FaultKind


def test_every_fault_that_is_offered_is_in_the_table() -> None:
    """And nothing else: a new fault cannot be forgotten."""
    offered = [name for name in faults.__all__ if hasattr(getattr(faults, name), "kind")]
    assert sorted(faults.FAULT_KINDS) == sorted(offered)
    assert list(faults.FAULT_KINDS) == [kind.name for kind in faults.fault_kinds()]


def test_families_stand_together() -> None:
    """Eight of them."""
    families = [kind.family for kind in faults.fault_kinds()]
    expected = ["status", "stream_error", "cut", "stall", "bytes", "encoding", "connection", "client"]
    assert expected == list(dict.fromkeys(families))
    assert sorted(families, key=expected.index) == families


@pytest.mark.parametrize("kind", faults.fault_kinds(), ids=lambda kind: kind.name)
def test_a_row_is_filled(kind: FaultKind) -> None:
    """What it does in a sentence, what the SDK makes of it, and points where it takes `at`."""
    assert "." == kind.description[-1]
    assert kind.stream_result
    assert kind.create_result
    assert bool(kind.points) == ("at" in inspect.signature(kind.make_fault).parameters)
    fault = kind.make_fault()
    assert (kind.name, kind.family, kind.is_transport_only) == (fault.name, fault.family, fault.is_transport_only)
    assert kind.side == fault.side


def test_some_only_a_transport_can_play() -> None:
    """A server that answers cannot refuse its own connection, nor run the client's clock."""
    assert ["connection_refused", "read_timeout"] == [
        kind.name for kind in faults.fault_kinds() if kind.is_transport_only
    ]


def test_faults_are_plain_functions_with_keywords() -> None:
    """With their own signature and documentation."""
    assert inspect.isfunction(faults.overloaded)
    assert ["retry_after", "should_retry", "when"] == list(inspect.signature(faults.overloaded).parameters)
    assert "529 `overloaded_error`: the API has too many requests." == faults.overloaded.__doc__
