"""The hook of pytest-recording, for suites that define it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from flag_harness.plugin.vcr.config import VcrStandIn


def pytest_recording_configure(config: "pytest.Config", vcr: "VcrStandIn") -> None:
    """Configure how cassettes are played: set attributes of `vcr`, or register matchers."""
