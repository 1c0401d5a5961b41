"""Requests that are kept compressed."""

from flag_harness.analysis.effects.packed_requests import PackedRequests
from flag_harness.analysis.effects.request_changes import SentRequest


def test_packed_requests_are_those_that_were_packed() -> None:
    """One by one, as a slice, and all; with numbers and characters that JSON barely allows."""
    bodies = [{"a": [1, 2.5, None, 10**30, "\ud800é"]}, b"not \xff JSON", None]
    rows = [SentRequest("POST", "/v1/messages", (("anthropic-beta", "x"),), body) for body in bodies]
    packed = PackedRequests(rows)
    assert (rows, rows[1:], rows[2], 3) == (list(packed), packed[1:], packed[2], len(packed))
