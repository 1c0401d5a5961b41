"""Keep the answers to a failed test in a cassette beside the run record, from which the test can be run again."""

import re
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flag_harness.errors import CassetteError
from flag_harness.plugin.evidence.content import (
    evidence_content_level,
    evidence_filters,
    find_values_to_remove,
)

if TYPE_CHECKING:
    from flag_harness.cassette import Cassette, Interaction, Recorder
    from flag_harness.plugin.test.plan import TrafficPlan
    from flag_harness.plugin.test.traffic import CassetteTraffic


def run_record_path(config: pytest.Config) -> Path | None:
    """Return the absolute path of the record that the run writes, or None."""
    path: Path | None = config.getoption("--harness-record")
    return None if path is None else config.invocation_params.dir / path


def make_evidence_recorder(plan: "TrafficPlan", config: pytest.Config) -> "Recorder | None":
    """Return a recorder for a test's answers, or None if they come from a cassette or if the run keeps no traffic of
    failed tests.
    """
    if not plan.can_reach_upstream or run_record_path(config) is None or evidence_content_level(config) == "none":
        return None
    from flag_harness.cassette import Recorder

    return Recorder(kept_headers=plan.headers_to_keep)


def save_evidence_cassette(config: pytest.Config, traffic: "CassetteTraffic") -> None:
    """Write the answers to a failed test to the folder beside the run record, without what `evidence_filters` hide.

    If the answers still contain what looks like a key, or cannot be written, warn instead.
    """
    record, content = run_record_path(config), evidence_content_level(config)
    if record is None or content == "none":
        return
    from flag_harness.cassette import Filters
    from flag_harness.record.failed_test_cassettes import failed_test_cassette_path

    filters, cassette = evidence_filters(traffic.plan.filters, content), _cassette_before_faults(traffic)
    pairs = ((one.request, one.response) for one in cassette.interactions)
    removed = find_values_to_remove(filters, (*traffic.exchanges, *pairs))
    filters += Filters(patterns=tuple(map(re.escape, removed)))
    cassette = replace(cassette, interactions=tuple(map(filters.filter_interaction, cassette.interactions)))
    try:
        cassette.save(failed_test_cassette_path(record, traffic.plan.case))
    except (CassetteError, OSError) as error:
        with warnings.catch_warnings():
            warnings.simplefilter("always")  # as an error, it would end the whole run
            warnings.warn(pytest.PytestWarning(f"{traffic.plan.case} cannot be run again: {error}"), stacklevel=1)


def _cassette_before_faults(traffic: "CassetteTraffic") -> "Cassette":
    """Return a cassette with the answers to a test as they were before faults changed them."""
    from flag_harness.cassette import Cassette
    from flag_harness.cassette.merge import indices_recorded_by
    from flag_harness.plugin.test.saving import make_metadata, upstream_that_answered

    plan = traffic.plan
    if traffic.evidence is not None:
        return Cassette(
            make_metadata(plan, upstream_that_answered(plan, traffic.exchanges)), traffic.evidence.interactions
        )
    if plan.cassette is None:
        return Cassette(make_metadata(plan, plan.upstream), ())
    indices = sorted({*indices_recorded_by(plan.cassette, plan.case), *traffic.played})
    interactions = tuple(_remove_test_id(plan.cassette.interactions[index]) for index in indices)
    metadata = replace(plan.cassette.metadata, case=plan.case, combination=plan.combination)
    return Cassette(metadata, interactions)


def _remove_test_id(interaction: "Interaction") -> "Interaction":
    return replace(interaction, case="")
