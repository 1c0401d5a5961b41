"""Collect the normalisers of a test from the configuration and the fixture `harness_normalisers`."""

from typing import TYPE_CHECKING

import pytest

from flag_harness.plugin.marks import CONFIG_KEY

if TYPE_CHECKING:
    from flag_harness.cassette import Normalisers

NORMALISERS_FIXTURE = "harness_normalisers"


def normalisers_in_configuration(config: pytest.Config) -> "Normalisers":
    """Return the normalisers of `[tool.flag-harness.normalise]`. Raise `ConfigError` if a JSON path is invalid."""
    from flag_harness.cassette import Normalisers

    return Normalisers(**config.stash[CONFIG_KEY].normalise)


def collect_normalisers(request: pytest.FixtureRequest) -> "Normalisers":
    """Return the normalisers of a test: those in the configuration, and those of the fixture `harness_normalisers`."""
    from flag_harness.cassette import Normalisers

    fixture = request.getfixturevalue(NORMALISERS_FIXTURE)
    if not isinstance(fixture, Normalisers):
        raise pytest.UsageError(
            f"{request.node.nodeid}: the fixture {NORMALISERS_FIXTURE} must return flag_harness.Normalisers, "
            f"not {fixture!r}"
        )
    return normalisers_in_configuration(request.config) + fixture
