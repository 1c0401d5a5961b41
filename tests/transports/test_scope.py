"""Which addresses are the API's."""

import pytest

from flag_harness.transports.scope import ApiScope


@pytest.mark.parametrize(
    ("url", "is_ours"),
    [
        ("https://api.anthropic.com/v1/messages", True),
        ("https://gateway.example:8443/anthropic/v1/messages", True),
        ("https://gateway.example/anthropic/v1/messages", False),
        ("https://elsewhere.example/v1/messages", False),
        ("https://api.anthropic.com:port/v1/messages", False),
        ("/v1/messages", False),
    ],
)
def test_the_api_is_known_by_its_host(url: str, is_ours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or by the host and port of the base URL; a URL that has no host, or no port that is one, is nobody's."""
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    assert is_ours == ApiScope(base_url="https://gateway.example:8443/anthropic").includes_url(url)
