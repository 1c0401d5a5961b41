"""Plugin tests run pytest as a person at a desk does, wherever they run."""

import pytest

collect_ignore = ["vcr_suite", "pytest_vcr_suite"]
"""What is no test of this project's own."""


@pytest.fixture(autouse=True)
def _at_a_desk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `CI`, pytest repeats whole messages in its short summary."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("BUILD_NUMBER", raising=False)
