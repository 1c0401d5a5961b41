"""What the plugin keeps with a test item."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest

from flag_harness.errors import Refusal
from flag_harness.matrix import Combination

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import CassetteTraffic

    TrafficKey: TypeAlias = pytest.StashKey[CassetteTraffic]

TRAFFIC: "TrafficKey" = pytest.StashKey()
"""The traffic of the test item, where it uses the `cassette` fixture."""

COMBINATION = pytest.StashKey[Combination]()
"""The flags of the test item, where it runs under some."""

REFUSALS = pytest.StashKey[Callable[[], list[Refusal]]]()
"""Tells what was refused to the test item so far, and its marks do not allow."""
