"""Normalisers of a test: those of the configuration and those of the fixture."""

from typing import TYPE_CHECKING

import pytest

from flag_harness.plugin.marks import CONFIG

if TYPE_CHECKING:
    from flag_harness.cassette import Normalisers

FIXTURE = "harness_normalisers"


@pytest.fixture(scope="session")
def harness_normalisers() -> "Normalisers":
    """More normalisers for every test in reach, beside `[tool.flag-harness.normalise]`. Override it to add some."""
    from flag_harness.cassette import Normalisers  # a run that uses no cassette does not pay for its import

    return Normalisers()


def configured_normalisers(config: pytest.Config) -> "Normalisers":
    """The normalisers of `[tool.flag-harness.normalise]`. Raises `ConfigError` where a JSON path is none."""
    from flag_harness.cassette import Normalisers

    return Normalisers(**config.stash[CONFIG].normalise)


def normalisers_of(request: pytest.FixtureRequest) -> "Normalisers":
    """All normalisers of a test."""
    from flag_harness.cassette import Normalisers

    fixture = request.getfixturevalue(FIXTURE)
    if not isinstance(fixture, Normalisers):
        raise pytest.UsageError(
            f"{request.node.nodeid}: the fixture {FIXTURE} must return flag_harness.cassette.Normalisers: {fixture!r}"
        )
    return configured_normalisers(request.config) + fixture
