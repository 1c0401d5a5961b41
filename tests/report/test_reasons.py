"""How a report shortens the reasons of failures."""

import pytest

from flag_harness.report.failures.reasons import shorten_failure_reason


@pytest.mark.parametrize(
    ("reason", "short"),
    [
        (
            "anthropic.BadRequestError: Error code: 400 - {'type': 'error', 'error': {'type': 'invalid_request_error', "
            "'message': 'A maximum of 4 blocks may be provided. Found 5.'}, 'request_id': 'req_01'}",
            "400 BadRequestError: A maximum of 4 blocks may be provided. Found 5.",
        ),
        (
            "RateLimitError: Error code: 429 - {'error': {'message': \"You're too fast.\", 'type': 'x'}}",
            "429 RateLimitError: You're too fast.",
        ),
        ("AssertionError: assert 1 == 2", "AssertionError: assert 1 == 2"),
        ("anthropic.InternalServerError: Error code: 500", "anthropic.InternalServerError: Error code: 500"),
        ("", ""),
    ],
)
def test_an_error_of_the_api_is_shortened_to_its_message(reason: str, short: str) -> None:
    """Any other reason stays as it is."""
    assert short == shorten_failure_reason(reason)
