"""`--harness-max-cost`: how much a run may spend at the live API."""

import math
import os
from collections.abc import Iterable
from threading import Lock

import pytest

from flag_harness.errors import Refusal
from flag_harness.plugin.refusals import CostLimitFailure
from flag_harness.plugin.special_runs.shard import SHARD_KEY
from flag_harness.wire.timeline import Cut, Edit, End, Layer, Piece, Request

COST_LIMIT_KEY = pytest.StashKey["CostLimit | None"]()
"""The stash key of the run's `CostLimit`, which is None without `--harness-max-cost`."""


def configure_cost_limit(config: pytest.Config) -> None:
    """Store this process's share of `--harness-max-cost` in the stash as a `CostLimit`, or None without the option.

    Raise `pytest.UsageError` if the value is not a positive amount.
    """
    dollars = config.getoption("--harness-max-cost")
    if dollars is not None and not 0 < dollars < math.inf:
        raise pytest.UsageError(f"--harness-max-cost={dollars:g}: not an amount; type dollars, such as 0.50")
    config.stash[COST_LIMIT_KEY] = None if dollars is None else CostLimit(dollars / count_cost_shares(config))


def count_cost_shares(config: pytest.Config) -> int:
    """Return into how many equal shares the limit is divided: one for each worker process of each shard."""
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    shard = config.stash[SHARD_KEY]
    return workers * (shard.shard_count if shard else 1)


class CostLimit:
    """The dollars that a run may spend at the live API. All tests and threads share them."""

    def __init__(self, dollars: float) -> None:
        from flag_harness.analysis.spending import CostBudget  # imported here: most runs do not need it

        self._budget, self._lock = CostBudget(dollars), Lock()
        self._pending_cost, self._under_way = 0.0, 0

    def add_spending(self, dollars: float) -> None:
        """Add dollars that another process has spent."""
        with self._lock:
            self._budget.add_cost(None, dollars)

    def make_cost_limit_layer(self, refusals: list[Refusal]) -> Layer:
        """Return a layer that refuses each request that could exceed the limit, and appends the error to `refusals`.

        Until a request is answered, the highest cost that its `max_tokens` allows is counted. So requests that are sent
        at the same time exceed the limit by at most the cost of one of them.
        """
        from flag_harness.analysis.spending import estimate_input_cost, highest_possible_cost

        def refuse_request_or_count_cost(request: Request) -> Edit:
            expected = estimate_input_cost(request)
            with self._lock:
                if reason := self._refusal_reason(expected):
                    refusals.append(
                        CostLimitFailure(
                            f"{request.method} {request.path} was not sent: {reason}.\n"
                            "To allow more: --harness-max-cost=DOLLARS; to spend nothing: --harness-upstream=simulator"
                        )
                    )
                    raise refusals[-1]
                self._budget.add_cost(expected, None)
                pending = (highest_possible_cost(request) or 0.0) - (expected or 0.0)
                self._pending_cost += pending
                self._under_way += 1
            return self._make_cost_counter(request, expected or 0.0, pending)

        return refuse_request_or_count_cost

    def _refusal_reason(self, expected: float | None) -> str:
        """Return why a request with the expected cost in dollars must not be sent, or an empty string if it may."""
        if reason := self._budget.refusal_reason(expected):
            return reason
        if self._under_way and self._budget.spent + self._pending_cost + (expected or 0.0) > self._budget.limit:
            return (
                f"the {self._under_way} under way may cost ${self._pending_cost:.4f} more, by their max_tokens; "
                f"${self._budget.spent:.4f} of ${self._budget.limit:.2f} are spent"
            )
        return ""

    def _make_cost_counter(self, request: Request, expected: float, pending: float) -> Edit:
        """Return an edit that passes a response on unchanged and, at its end, counts its actual cost.

        The actual cost then replaces `expected`, the estimated cost of the input, and `pending`, the rest of the
        highest possible cost.
        """
        from flag_harness.analysis.spending import cost_of_answer

        pieces: list[Piece] = []

        def pass_on_and_count_cost(piece: Piece) -> Iterable[Piece]:
            pieces.append(piece)
            if isinstance(piece, (Cut, End)):
                actual = cost_of_answer(request, tuple(pieces))
                with self._lock:
                    self._pending_cost -= pending
                    self._under_way -= 1
                    if actual is not None:
                        self._budget.add_cost(None, actual - expected)
            yield piece

        return pass_on_and_count_cost
