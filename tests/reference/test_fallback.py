"""Fallbacks: what a rejection names is dropped, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.reference.request.failure import RequestFailure
from flag_harness.reference.request.fallback import find_rejected_features
from flag_harness.reference.request.request import PreparedRequest

COMPUTER, CACHING = "computer-use-2025-11-24", "prompt-caching-2024-07-31"
PREPARED = PreparedRequest(
    arguments={},
    betas=(COMPUTER, CACHING),
    beta_by_tool_type={"computer_20251124": COMPUTER},
    droppable_features=(COMPUTER, CACHING, "thinking", "output_config", "temperature", "cache_control"),
)


def rejected(words: str) -> RequestFailure:
    """A 400 with these words."""
    return RequestFailure("request", f"400 invalid_request_error: {words}", status=400, original_message=words)


@pytest.mark.parametrize(
    ("words", "features"),
    [
        (f"Unexpected value(s) `{COMPUTER}` for the `anthropic-beta` header.", (COMPUTER,)),
        (f"Unexpected value(s) `{CACHING}`, `{COMPUTER}` for the `anthropic-beta` header.", (COMPUTER, CACHING)),
        ("Unexpected value(s) `computer-use-2025-11-24-v2` for the `anthropic-beta` header.", ()),
        (
            "tools.0: Input tag 'computer_20251124' found using 'type' does not match any of the expected tags",
            (COMPUTER,),
        ),
        ("tools.0: Input tag 'magic' found does not match any of the expected tags: 'computer_20251124'", ()),
        ("tools.0.custom.input_schema.thinking: Field required", ()),
        ("`temperature` may only be set to 1 when thinking is enabled", ("temperature",)),
        ("Thinking may not be enabled when tool_choice forces tool use.", ("thinking",)),
        ("`max_tokens` must be greater than `thinking.budget_tokens`.", ("thinking",)),
        ("budget_tokens: Extra inputs are not permitted", ("thinking",)),
        ("This model does not support effort level 'xhigh'. Supported levels: high, low, max.", ("output_config",)),
        ("messages.1.content.0: `thinking` or `redacted_thinking` blocks cannot be modified.", ()),
        ("messages.0.content.2.text: cache_control cannot be set for empty text blocks", ("cache_control",)),
        ("A maximum of 4 blocks with cache_control may be provided. Found 5.", ("cache_control",)),
        ("max_tokens: 204096 > 64000, which is the maximum allowed number of output tokens", ()),
        ("prompt is too long: 3333404 tokens > 200000 maximum", ()),
    ],
)
def test_what_the_api_names_is_found(words: str, features: tuple[str, ...]) -> None:
    """By the API's own words: betas all, of parameters the first, of the contents of messages and tools none."""
    assert features == find_rejected_features(rejected(words), PREPARED)


@pytest.mark.parametrize(("keyword", "features"), [("thinking", ("thinking",)), ("messages", ()), ("beta", ())])
def test_a_keyword_is_dropped_where_it_can_be(keyword: str, features: tuple[str, ...]) -> None:
    """What the SDK's signature lacks; an argument that every request needs cannot be dropped."""
    words = f"create() got an unexpected keyword argument '{keyword}'"
    assert features == find_rejected_features(
        RequestFailure("request", words, original_message=words, rejected_argument=keyword), PREPARED
    )


@pytest.mark.parametrize("status", [401, 404, 413, 429, 500, 529])
def test_only_a_rejection_drops(status: int) -> None:
    """Whatever words another error has."""
    kind = {401: "credentials", 404: "request", 413: "request"}.get(status, "server")
    assert () == find_rejected_features(
        RequestFailure(kind, "thinking", status=status, original_message="thinking"), PREPARED
    )


@given(st.text())
def test_nothing_is_dropped_that_is_not_named(words: str) -> None:
    """In any text at all, what is found stands in it."""
    for feature in find_rejected_features(rejected(words), PREPARED):
        names = {"thinking": ("thinking", "budget_tokens"), "output_config": ("output_config", "effort")}
        assert any(name in words.lower() for name in names.get(feature, (feature, "prompt caching")))
