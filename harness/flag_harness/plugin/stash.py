"""The keys under which the plugin stores objects in the stash of a test item."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from flag_harness.errors import Refusal

if TYPE_CHECKING:
    from flag_harness.matrix import Combination
    from flag_harness.plugin.run.log_counts import LogCounter
    from flag_harness.plugin.test.traffic import CassetteTraffic
    from flag_harness.record import VerdictRecord
    from flag_harness.sources import FlagScope
    from flag_harness.sweep.probe import TrafficProbe
    from flag_harness.vcr import VcrCassette

    CombinationKey: TypeAlias = pytest.StashKey[Combination]
    FlagScopeKey: TypeAlias = pytest.StashKey[FlagScope]
    ProbeKey: TypeAlias = pytest.StashKey[TrafficProbe]
    LogCounterKey: TypeAlias = pytest.StashKey[LogCounter]
    TrafficKey: TypeAlias = pytest.StashKey[CassetteTraffic]
    VerdictsKey: TypeAlias = pytest.StashKey[tuple[VerdictRecord, ...]]
    VcrCassetteKey: TypeAlias = pytest.StashKey[VcrCassette]

TRAFFIC_KEY: "TrafficKey" = pytest.StashKey()
"""The stash key of the `CassetteTraffic` of a test item that uses the `cassette` fixture."""

VCR_CASSETTE_KEY: "VcrCassetteKey" = pytest.StashKey()
"""The stash key of the vcrpy cassette that a test item plays or records."""

COMBINATION_KEY: "CombinationKey" = pytest.StashKey()
"""The stash key of the combination of flags that a test item runs under."""

LOG_COUNTER_KEY: "LogCounterKey" = pytest.StashKey()
"""The stash key of the counter of warnings and errors that a test item logs."""

REFUSALS_KEY = pytest.StashKey[Callable[[], list[Refusal]]]()
"""The stash key of a function that returns the requests refused to the test item so far, except those that its marks
allow.
"""


@dataclass(frozen=True, slots=True)
class AnswerSource:
    """Who answers the requests of an extra combination that `--harness-locate` runs for a test.

    Attributes:
        recording_path: the cassette of another combination, or None if the upstream of the run answers.
        case: the node id of the test that recorded the cassette.
        refuses_misses: True if a refused request means that the combination cannot be run, not that it fails.
    """

    recording_path: Path | None = None
    case: str = ""
    refuses_misses: bool = False


FLAG_SCOPE_KEY: "FlagScopeKey" = pytest.StashKey()
"""The stash key of the flag values that a test item runs under, with the flags it has read through OpenFeature."""

ANSWER_SOURCE_KEY = pytest.StashKey[AnswerSource]()
"""The stash key of the `AnswerSource` of a test item that `--harness-locate` has added."""

PROBE_KEY: "ProbeKey" = pytest.StashKey()
"""The stash key of the `TrafficProbe` of a test item that runs in a sweep."""

VERDICTS_KEY: "VerdictsKey" = pytest.StashKey()
"""The stash key of the verdicts of the run, which are written to its record."""

SCORES_KEY = pytest.StashKey[dict[str, float]]()
"""The stash key of the scores that a test has given itself with `harness_score`, by name."""

REPETITION_KEY = pytest.StashKey[int]()
"""The stash key of the number of a repeated test item, counted from 0. Items that are not repeated have no entry."""


def refusals_of_item(item: pytest.Item) -> list[Refusal]:
    """Return the requests refused to an item so far, except those that its marks allow."""
    return item.stash[REFUSALS_KEY]() if REFUSALS_KEY in item.stash else []


def repetition_index(item: pytest.Item) -> int:
    """Return the number of an item among the repetitions of its test, counted from 0."""
    return item.stash.get(REPETITION_KEY, 0)


def nodeid_of_first_repetition(item: pytest.Item) -> str:
    """Return the node id of the first repetition of an item's test, which all its repetitions share as their case."""
    number = repetition_index(item)
    if not number:
        return item.nodeid
    return nodeid_without_repetition(item.nodeid, number)


def nodeid_without_repetition(nodeid: str, number: int) -> str:
    """Return a node id without the suffix of repetition `number`, which is counted from 0.

    >>> [nodeid_without_repetition(f"test_a.py::test_x[{id}]", 2) for id in ("off-repeat3", "repeat3")]
    ['test_a.py::test_x[off]', 'test_a.py::test_x']
    """
    suffix = f"repeat{number + 1}]"
    whole = nodeid.removesuffix(suffix)
    return whole.removesuffix("[") if whole.endswith("[") else f"{whole.removesuffix('-')}]"


def free_traffic(item: pytest.Item) -> None:
    """Remove the traffic of a reported test from its stash, to free memory.

    The traffic of extra combinations and sweeps stays, because it is read later.
    """
    if ANSWER_SOURCE_KEY in item.stash or PROBE_KEY in item.stash:
        return
    remove_from_stash(item, (TRAFFIC_KEY, REFUSALS_KEY))


def remove_from_stash(item: pytest.Item, keys: Iterable[pytest.StashKey[Any]]) -> None:
    """Remove these keys from the stash of a test item. Keys that it does not have are ignored."""
    for key in keys:
        if key in item.stash:
            del item.stash[key]
