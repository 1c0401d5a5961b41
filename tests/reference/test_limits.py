"""Limits: told before the network, with the number to use."""

import pytest

from flag_harness.models import Model, find_model
from flag_harness.reference.request.limits import broken_limit_message
from flag_harness.reference.settings import AgentSettings

HAIKU = find_model("claude-haiku-4-5")
ADAPTIVE = find_model("claude-opus-4-8")
UNKNOWN = find_model("claude-next")
EXTENDED = AgentSettings(extended_output=True, max_tokens=8000)


@pytest.mark.parametrize(
    "settings",
    [
        AgentSettings(max_tokens=10**9),
        AgentSettings(extended_output=True, max_tokens=21_333),
        AgentSettings(extended_output=True, streaming=True, max_tokens=64_000),
    ],
    ids=["plain", "unstreamed", "streamed"],
)
def test_what_fits_passes(settings: AgentSettings) -> None:
    """Up to the very limit; without extended output MAX_TOKENS takes no part."""
    assert broken_limit_message(settings, HAIKU) is None


@pytest.mark.parametrize(
    ("settings", "model"),
    [(AgentSettings(max_tokens=8000), HAIKU), (EXTENDED, ADAPTIVE), (EXTENDED, UNKNOWN)],
    ids=["plain", "effort", "no thinking"],
)
def test_a_budget_that_is_not_sent_limits_nothing(settings: AgentSettings, model: Model) -> None:
    """Nobody set it: it is 12000 where it is unset."""
    assert broken_limit_message(settings, model) is None


def test_a_model_that_is_not_in_the_table_is_said_to_be_none() -> None:
    """What it can give is a default, and no fact."""
    assert broken_limit_message(AgentSettings(extended_output=True, streaming=True, max_tokens=64_001), UNKNOWN) == (
        "MAX_TOKENS=64001 is more than the 64000 tokens assumed for claude-next, which is not in the table of "
        "models; set MAX_TOKENS to at most 64000"
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            AgentSettings(extended_output=True, max_tokens=8000),
            "THINKING_BUDGET=12000 (its default) must be below MAX_TOKENS=8000; "
            "set THINKING_BUDGET to at most 7999, or MAX_TOKENS to at least 12001",
        ),
        (
            AgentSettings(extended_output=True, max_tokens=500),
            "THINKING_BUDGET=12000 (its default) must be below MAX_TOKENS=500; set MAX_TOKENS to at least 12001",
        ),
        (
            AgentSettings(extended_output=True, thinking_budget=16_384),
            "THINKING_BUDGET=16384 must be below MAX_TOKENS=16384 (its default); "
            "set THINKING_BUDGET to at most 16383, or MAX_TOKENS to at least 16385",
        ),
        (
            AgentSettings(extended_output=True, streaming=True, max_tokens=64_001),
            "MAX_TOKENS=64001 is more than claude-haiku-4-5 can give (64000 tokens); set MAX_TOKENS to at most 64000",
        ),
        (
            AgentSettings(extended_output=True, streaming=True, max_tokens=90_000, thinking_budget=64_000),
            "MAX_TOKENS=90000 is more than claude-haiku-4-5 can give (64000 tokens); "
            "set MAX_TOKENS to at most 64000 and THINKING_BUDGET to at most 63999",
        ),
        (
            AgentSettings(extended_output=True, max_tokens=21_334),
            "MAX_TOKENS=21334 needs streaming, since an answer of that length may take over 10 minutes; "
            "set ENABLE_STREAMING=true, or MAX_TOKENS to at most 21333",
        ),
        (
            AgentSettings(extended_output=True, max_tokens=40_000, thinking_budget=30_000),
            "MAX_TOKENS=40000 needs streaming, since an answer of that length may take over 10 minutes; "
            "set ENABLE_STREAMING=true, or MAX_TOKENS to at most 21333 and THINKING_BUDGET to at most 21332",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_the_number_to_use(settings: AgentSettings, words: str) -> None:
    """One line: the variable, its value, why, and what to set."""
    assert words == broken_limit_message(settings, HAIKU)
