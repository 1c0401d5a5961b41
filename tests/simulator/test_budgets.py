"""Requests and tokens per minute are counted as the API counts them."""

from typing import Any

from flag_harness.clock import VirtualClock
from flag_harness.simulator import parse_scenario, simulate
from flag_harness.wire.timeline import header_value

SYSTEM = [{"type": "text", "text": "prefix " * 5000, "cache_control": {"type": "ephemeral"}}]


def limited(clock: VirtualClock, **limits: int) -> Any:
    """An API with these limits."""
    written = "\n".join(f"{name} = {value}" for name, value in limits.items())
    return simulate(parse_scenario(f'[limits]\n{written}\n[[turn]]\ntext = "a"\noutput_tokens = 30'), clock=clock)


def left(response: Any, kind: str) -> tuple[str, str, str]:
    """Limit, what remains, and when all is there again."""
    prefix = f"anthropic-ratelimit-{kind}"
    parts = ("limit", "remaining", "reset")
    limit, remaining, reset = (header_value(response[0].headers, f"{prefix}-{part}") for part in parts)
    return limit, remaining, reset


def test_a_request_too_many_is_told_when_to_come_again(request_for: Any, read: Any) -> None:
    """A 429 with the API's words, retry-after, and the headers; after that time it is answered."""
    clock = VirtualClock()
    simulator = limited(clock, requests=2)
    first, second, third = (simulator(request_for()) for _ in range(3))
    assert [200, 200] == [read(first)[0], read(second)[0]]
    assert ("2", "0", "2026-09-01T00:01:00Z") == left(second, "requests")
    status, error = read(third)
    organization = header_value(third[0].headers, "anthropic-organization-id")
    words = (
        "This request would exceed your organization's rate limit of 2 requests per minute "
        f"(org: {organization}, model: claude-haiku-4-5). For details, refer to: "
        "https://docs.claude.com/en/api/rate-limits. You can see the response headers for current usage. Please reduce "
        "the prompt length or the maximum tokens requested, or try again later. You may also contact sales at "
        "https://www.anthropic.com/contact-sales to discuss your options for a rate limit increase."
    )
    assert (429, {"type": "rate_limit_error", "message": words}) == (status, error["error"])
    assert ("30", "true") == tuple(header_value(third[0].headers, name) for name in ("retry-after", "x-should-retry"))
    assert ("2", "0", "2026-09-01T00:01:00Z") == left(third, "requests")
    clock.sleep(29)
    assert 429 == read(simulator(request_for()))[0]
    clock.sleep(1)
    assert 200 == read(simulator(request_for()))[0]


def test_models_have_budgets_of_their_own(request_for: Any, read: Any) -> None:
    """What one model used up is left of another."""
    simulator = limited(VirtualClock(), requests=1)
    models = ("claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-sonnet-4-5")
    assert [200, 429, 200] == [read(simulator(request_for(model=model)))[0] for model in models]


def test_input_that_is_read_from_the_cache_is_free(request_for: Any, read: Any) -> None:
    """5,000 tokens fit into 6,000 once a minute; read from the cache, any number of times."""
    simulator = limited(VirtualClock(), input_tokens=6000)
    assert [200, 200, 200] == [read(simulator(request_for(system=SYSTEM)))[0] for _ in range(3)]
    fresh = [{**SYSTEM[0], "text": "other " * 5000}]
    _, error = read(simulator(request_for(system=fresh)))
    assert "6,000 input tokens per minute" in error["error"]["message"]


def test_output_is_charged_when_it_is_known(request_for: Any, read: Any) -> None:
    """The answer that goes beyond the budget is given; the next one waits until the debt is paid."""
    clock = VirtualClock()
    simulator = limited(clock, output_tokens=50)
    statuses = [read(simulator(request_for()))[0] for _ in range(3)]
    assert [200, 200, 429] == statuses
    response = simulator(request_for())
    assert ("14", "0") == (header_value(response[0].headers, "retry-after"), left(response, "output-tokens")[1])
    clock.sleep(14)
    assert 200 == read(simulator(request_for()))[0]


def test_a_prompt_larger_than_the_budget_is_never_answered(request_for: Any, read: Any) -> None:
    """It is told to come again in a second at least, however often it comes."""
    response = limited(VirtualClock(), input_tokens=10)(request_for(messages=[{"role": "user", "content": "a " * 50}]))
    assert (429, "1") == (read(response)[0], header_value(response[0].headers, "retry-after"))


def test_without_limits_headers_state_the_recorded_ones(request_for: Any) -> None:
    """Each request finds its minute untouched: answers do not depend on one another. Tokens are told in thousands."""
    simulator = simulate()
    responses = [simulator(request_for(messages=[{"role": "user", "content": "a " * 1500}])) for _ in range(2)]
    for response in responses:
        assert ("4000", "3999") == left(response, "requests")[:2]
        assert ("2000000", "1998000") == left(response, "input-tokens")[:2]
        assert ("400000", "400000") == left(response, "output-tokens")[:2]
        assert ("2400000", "2398000") == left(response, "tokens")[:2]
