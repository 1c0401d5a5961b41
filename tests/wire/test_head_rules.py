"""What HTTP can carry."""

import pytest

from flag_harness.wire.head_rules import reason_head_is_invalid, reason_headers_are_invalid


@pytest.mark.parametrize(
    ("status", "headers", "why"),
    [
        (200, (("content-type", "text/plain"), ("x-~", "é\t~")), ""),
        (599, (), ""),
        (199, (), "status 199 is not a final answer (200 to 599)"),
        (600, (), "status 600 is not a final answer (200 to 599)"),
        (200, (("a b", ""),), "'a b' is not a valid header name"),
        (200, (("", ""),), "'' is not a valid header name"),
        (200, (("x-é", ""),), "'x-é' is not a valid header name"),
        (200, (("a", "b✓"),), "the header a has an invalid value: 'b✓'"),
        (200, (("a", "b\r\nc: d"),), r"the header a has an invalid value: 'b\r\nc: d'"),
        (200, (("a", "\x7f"),), r"the header a has an invalid value: '\x7f'"),
    ],
)
def test_a_head_is_told_from_what_no_server_could_send(
    status: int, headers: tuple[tuple[str, str], ...], why: str
) -> None:
    """With the status, the name or the value that is wrong."""
    assert why == reason_head_is_invalid(status, headers)


def test_headers_are_judged_without_a_status() -> None:
    """A request has none."""
    assert "'a b' is not a valid header name" == reason_headers_are_invalid((("a b", ""),))
