"""Add properties of a test to its report, for JUnit files and the files of pytest-json-ctrf."""

from typing import TYPE_CHECKING

import pytest

from flag_harness.plugin.stash import COMBINATION_KEY
from flag_harness.plugin.test.rows import answer_source_fields, relative_cassette_path

if TYPE_CHECKING:
    from flag_harness.plugin.test.traffic import CassetteTraffic

_CTRF_ATTRIBUTE = "_ctrf_metadata"
"""The attribute of an item from which pytest-json-ctrf takes the properties of a test."""


def make_test_properties(item: pytest.Item, traffic: "CassetteTraffic") -> dict[str, str]:
    """Return properties of a test for its report: its combination, its number of requests, their usage and cost, and
    the upstream.

    A price or an upstream that is unknown is left out.
    """
    metrics, origin = traffic.metrics, answer_source_fields(traffic)
    combination = item.stash.get(COMBINATION_KEY, None)
    upstream = origin.get("answered_by") or origin.get("recorded_from")
    values = {
        "combination": combination.id if combination else None,
        "requests": len(traffic.exchanges),
        "input_tokens": metrics.usage.total_input,
        "output_tokens": metrics.usage.output_tokens,
        "cached_tokens": metrics.usage.cache_read_input_tokens,
        "cost": None if metrics.cost is None else f"{metrics.cost:.6f}",
        "cassette": relative_cassette_path(item, traffic) if traffic.plan.is_playing else None,
        "upstream": upstream if origin.get("answered_by") or not upstream else f"{upstream}, recorded",
    }
    return {f"harness_{name}": str(value) for name, value in values.items() if value is not None}


def add_properties_to_report(item: pytest.Item, report: pytest.TestReport, traffic: "CassetteTraffic") -> None:
    """Add properties such as the test's requests, tokens and cost to its last report, which pytest writes to JUnit."""
    properties = make_test_properties(item, traffic)
    report.user_properties = [*report.user_properties, *properties.items()]
    metadata = getattr(item, _CTRF_ATTRIBUTE, None)
    if isinstance(metadata, dict):
        metadata["parameters"] = {**(metadata.get("parameters") or {}), **properties}
