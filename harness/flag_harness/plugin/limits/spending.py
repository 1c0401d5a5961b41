"""Print the expected cost of a live run before it, estimated from the recordings, and the actual cost after it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.plugin.border.border import uses_harness
from flag_harness.plugin.marks import CONFIG_KEY
from flag_harness.plugin.modes import is_recording_disabled, record_mode_of_run
from flag_harness.wording import count_with_noun

if TYPE_CHECKING:
    from flag_harness.record import RunRow

NOTHING_SPENT_NOTICE = "--harness-max-cost limits what the live API costs; nothing was sent there, so nothing was spent"
"""The notice at the end of a run that has a cost limit but sent nothing to the live API."""


def register_cost_preview(config: pytest.Config) -> None:
    """Register the `CostPreview`, if the run may send requests to the live API."""
    is_sending = is_recording_disabled(config) or record_mode_of_run(config) != "none"
    if is_sending and config.getoption("--harness-upstream") == "live" and not hasattr(config, "workerinput"):
        from flag_harness.plugin.limits.live_progress import LiveProgress  # imported here: it imports this module

        config.pluginmanager.register(CostPreview(config), "flag-harness-cost-preview")
        config.pluginmanager.register(LiveProgress(config), "flag-harness-live-progress")


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a live run is expected to cost at list price, in US dollars.

    Attributes:
        recorded_test_count: the number of tests that will send requests and have a recording with a known price.
        recorded_cost: what the answers in these recordings cost.
        unrecorded_test_count: the number of other tests that will send requests.
        average_cost: what a recording of the project costs on average, or None if no recording has a known price.
    """

    recorded_test_count: int
    recorded_cost: float
    unrecorded_test_count: int
    average_cost: float | None

    def __str__(self) -> str:
        parts = []
        if self.recorded_test_count:
            parts.append(
                f"about ${self.recorded_cost:.4f} for {count_with_noun(self.recorded_test_count, 'test')}"
                ", as when they were recorded"
            )
        if self.unrecorded_test_count and self.average_cost is not None:
            estimate = self.unrecorded_test_count * self.average_cost
            parts.append(
                f"about ${estimate:.4f} for {count_with_noun(self.unrecorded_test_count, 'test')}"
                " without a recording, by the average"
            )
        elif self.unrecorded_test_count:
            parts.append(
                f"an unknown amount for {count_with_noun(self.unrecorded_test_count, 'test')} without a recording"
            )
        return "; ".join(parts)


class CostPreview:
    """Prints one line after the collection: what the run will cost at the live API."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._is_printed = False

    def pytest_report_collectionfinish(self, items: Sequence[pytest.Item]) -> str | None:
        """Return the line, or None if no test will send anything."""
        nodeids = [item.nodeid for item in items if uses_harness(item)]
        return self._cost_line(nodeids, self._cost_by_recorded_nodeid())

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Print the line once, if workers of pytest-xdist collect the tests.

        The main process does not see their fixtures, so it takes the tests that have a recording for those that use the
        harness.
        """
        reporter: Any = self._config.pluginmanager.getplugin("terminalreporter")
        if not self._is_printed and reporter is not None:
            self._is_printed = True
            known = self._cost_by_recorded_nodeid()
            if line := self._cost_line([nodeid for nodeid in ids if nodeid in known], known):
                reporter.write_line(line)

    def _cost_line(self, nodeids: Sequence[str], cost_by_nodeid: dict[str, float | None]) -> str | None:
        estimate = estimate_cost_of_tests(nodeids, cost_by_nodeid, only_unrecorded=self._plays_existing_recordings)
        if not estimate.recorded_test_count and not estimate.unrecorded_test_count:
            return None
        limit = self._config.getoption("--harness-max-cost")
        advice = "to limit it: --harness-max-cost=DOLLARS" if limit is None else f"the limit is ${limit:g}"
        return f"live API, at list price: {estimate}; {advice}"

    @property
    def _plays_existing_recordings(self) -> bool:
        """True if tests that have a recording play it, so that only tests without a recording send requests."""
        is_disabled = is_recording_disabled(self._config)
        return not is_disabled and record_mode_of_run(self._config) in ("once", "new_episodes")

    def _cost_by_recorded_nodeid(self) -> dict[str, float | None]:
        recordings = self._config.rootpath / self._config.stash[CONFIG_KEY].recordings
        return cost_by_recorded_nodeid(sorted(recordings.rglob("*.json")))


def estimate_cost_of_tests(
    nodeids: Iterable[str], cost_by_nodeid: "dict[str, float | None]", *, only_unrecorded: bool
) -> CostEstimate:
    """Return what the tests will cost. `cost_by_nodeid` has the price of each recording, by the node id of its test.

    If `only_unrecorded` is true, tests that have a recording cost nothing, because they play it.
    """
    prices = [cost for cost in cost_by_nodeid.values() if cost is not None]
    average = sum(prices) / len(prices) if prices else None
    sent = [cost_by_nodeid.get(nodeid) for nodeid in nodeids if not (only_unrecorded and nodeid in cost_by_nodeid)]
    known = [cost for cost in sent if cost is not None]
    return CostEstimate(len(known), sum(known), len(sent) - len(known), average)


def cost_by_recorded_nodeid(paths: Iterable[Path]) -> dict[str, float | None]:
    """Return what sending the recorded requests again is expected to cost in dollars, by node id.

    The cost is None if a price is unknown. Files that are no cassettes are left out.
    """
    from flag_harness.analysis.spending import estimate_cost_of_resending  # imported here: only live runs need it
    from flag_harness.cassette import Cassette
    from flag_harness.errors import CassetteError

    costs: dict[str, float | None] = {}
    for path in paths:
        try:
            cassette = Cassette.load(path)
        except CassetteError:
            continue
        for one in cassette.interactions:
            case, cost = one.case or cassette.metadata.case, estimate_cost_of_resending(one)
            before = costs.get(case, 0.0)
            costs[case] = None if before is None or cost is None else before + cost
    return costs


def spending_lines(rows: "Iterable[RunRow]") -> Iterator[str]:
    """Yield a line that says what the tests have spent at the live API, or nothing if they sent nothing there."""
    live = [row for row in rows if row.answered_by == "live" and row.requests]
    if not live:
        return
    costs = [row.cost for row in live]
    known = [cost for cost in costs if cost is not None]
    requests = sum(len(row.requests) for row in live)
    unpriced = (
        f"; the price of {count_with_noun(len(costs) - len(known), 'test')} is unknown"
        if len(known) < len(costs)
        else ""
    )
    yield (
        f"spent at the live API: ${sum(known):.4f} at list price, by {count_with_noun(len(live), 'test')} with "
        f"{count_with_noun(requests, 'request')}{unpriced}"
    )
