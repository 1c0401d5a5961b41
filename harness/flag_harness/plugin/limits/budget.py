"""`@pytest.mark.budget` and `[tool.flag-harness.budget]`: limit the cost, tokens and time of a test's requests."""

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

import pytest

from flag_harness.config import BUDGET_NAMES
from flag_harness.flag import nearest_name_hint
from flag_harness.plugin.marks import CONFIG_KEY

if TYPE_CHECKING:
    from flag_harness.analysis.metrics import Metrics
    from flag_harness.plugin.test.traffic import CassetteTraffic

BUDGET_MARK = "budget"
_CASSETTE_FIXTURES = ("harness_cassette", "harness_cassette_server")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check the `budget` marks. Raise `pytest.UsageError` for an invalid one, or on a test without `cassette`."""
    if config.getoption("--harness-verify"):
        return  # no test runs, and its fixtures have been replaced
    for item in items:
        for mark in item.iter_markers(BUDGET_MARK):
            _check_budget_mark(item.nodeid, mark)
            if not set(_CASSETTE_FIXTURES) & {*getattr(item, "fixturenames", ())}:
                raise pytest.UsageError(
                    f"{item.nodeid}: @pytest.mark.{BUDGET_MARK} counts the requests of the fixture cassette, "
                    "which the test does not use; add cassette to its arguments"
                )


def _check_budget_mark(nodeid: str, mark: pytest.Mark) -> None:
    where = f"{nodeid}: @pytest.mark.{BUDGET_MARK}"
    if mark.args or not mark.kwargs:
        raise pytest.UsageError(
            f"{where} takes limits by name ({', '.join(BUDGET_NAMES)}): @pytest.mark.{BUDGET_MARK}(cost=0.02)"
        )
    for name, value in mark.kwargs.items():
        if name not in BUDGET_NAMES:
            raise pytest.UsageError(f"{where} has no limit {name!r}; {nearest_name_hint(name, BUDGET_NAMES)}")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value) or value < 0:
            raise pytest.UsageError(f"{where}: {name}={value!r} must be a number from 0")


def budget_of_test(item: pytest.Item) -> Mapping[str, float]:
    """Return a test's limits by name. Marks win over the configuration, and the nearest mark over other marks."""
    limits: dict[str, Any] = dict(item.config.stash[CONFIG_KEY].budget)
    for mark in reversed([*item.iter_markers(BUDGET_MARK)]):
        limits |= mark.kwargs
    return limits


def budget_problems(item: pytest.Item, traffic: "CassetteTraffic") -> Iterator[str]:
    """Yield a message for each limit that the requests of the test exceed."""
    limits = budget_of_test(item)
    used = _amount_by_limit(traffic.metrics) if limits else {}
    for name, limit in limits.items():
        amount, shown_limit = used[name], _format_amount(name, limit)
        if amount is None:
            yield (
                f"The test's {_TITLE_BY_LIMIT[name]} is unknown, so it may be over its budget of {shown_limit}: "
                "a model has no list price; limit tokens instead"
            )
        elif amount > limit:
            per_request = ", ".join(_amount_texts_per_request(name, traffic))
            yield (
                f"The test's {_TITLE_BY_LIMIT[name]} is {_format_amount(name, amount)}, "
                f"over its budget of {shown_limit}"
                f"{f' (by request: {per_request})' if per_request else ''}.\n"
                f"To allow it: @pytest.mark.{BUDGET_MARK}({name}=...), or [tool.flag-harness.budget] for all tests"
            )


_TITLE_BY_LIMIT = {
    "cost": "cost at list price",
    "requests": "number of requests",
    "input_tokens": "number of input tokens",
    "output_tokens": "number of output tokens",
    "seconds": "time for answers",
}


def _amount_by_limit(metrics: "Metrics") -> dict[str, float | None]:
    return {
        "cost": metrics.cost,
        "requests": metrics.request_count,
        "input_tokens": metrics.usage.total_input,
        "output_tokens": metrics.usage.output_tokens,
        "seconds": metrics.seconds,
    }


def _amount_texts_per_request(name: str, traffic: "CassetteTraffic") -> Iterator[str]:
    """Yield the amount that each request used of the limit `name`, as text."""
    for one in traffic.request_metrics if name != "requests" else ():
        if name == "seconds":
            yield _format_amount(name, one.seconds)
        elif one.usage is None or one.cost is None:
            yield "unknown"
        else:
            tokens = {"input_tokens": one.usage.total_input, "output_tokens": one.usage.output_tokens}
            yield _format_amount(name, {"cost": one.cost, **tokens}[name])


def _format_amount(name: str, amount: float) -> str:
    return f"${amount:.4f}" if name == "cost" else f"{amount:.2f} s" if name == "seconds" else f"{amount:,g}"
