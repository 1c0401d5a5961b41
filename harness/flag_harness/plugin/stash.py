"""The keys of what the plugin stores in the stash of a test item."""

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest

from flag_harness.errors import Refusal
from flag_harness.matrix import Combination

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import CassetteTraffic

    TrafficKey: TypeAlias = pytest.StashKey[CassetteTraffic]

TRAFFIC: "TrafficKey" = pytest.StashKey()
"""The traffic of a test item that uses the `cassette` fixture."""

COMBINATION = pytest.StashKey[Combination]()
"""The combination of flags that a test item runs under."""

REFUSALS = pytest.StashKey[Callable[[], list[Refusal]]]()
"""Returns what was refused to the test item so far, unless its marks allow it."""
