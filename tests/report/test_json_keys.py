"""The keys of values in JSON, which stay when an attribute gets another name."""

from dataclasses import fields
from typing import Any

import pytest

from flag_harness.analysis.conjunctions import FlagLiteral
from flag_harness.analysis.effects.attribution import FlagEffect
from flag_harness.report.diff.outcomes import OutcomeChanges
from flag_harness.report.diff.requests import ChangedRequests, PathChange
from flag_harness.report.failures.api_refusals import ApiRefusal
from flag_harness.report.failures.causes import ExcludedRuns, FailureCause
from flag_harness.report.flags.request_effects import RequestEffect
from flag_harness.report.json_keys import to_json_object
from flag_harness.report.run_report import LogEntry
from flag_harness.report.sweep_table import CauseCount, SweepTable, TroubleOutcomeCounts

KEYS_BY_CLASS = {
    ApiRefusal: "message cases condition",
    CauseCount: "oracle reason place count test example",
    ChangedRequests: "case changes",
    ExcludedRuns: "reason cases",
    FailureCause: "text tests command ran allowed others has_flaky case reason literals reasons",
    FlagEffect: "flag value setting path before after changed_pairs pairs condition tests paths",
    FlagLiteral: "flag values others",
    LogEntry: "level logger message count tests",
    OutcomeChanges: "newly_failing newly_flaky failing_additions newly_passing missing new_misses",
    PathChange: "path before after cases",
    RequestEffect: "setting change changed_pairs pairs",
    SweepTable: "kinds causes",
    TroubleOutcomeCounts: "kind counts",
}


@pytest.mark.parametrize("kind", KEYS_BY_CLASS, ids=lambda kind: kind.__name__)
def test_the_keys_in_json_stay(kind: Any) -> None:
    """Other programs read them."""
    value = kind(*range(len(fields(kind))))
    assert dict(zip(KEYS_BY_CLASS[kind].split(), range(20), strict=False)) == to_json_object(value)


def test_values_inside_others_have_their_keys_too() -> None:
    """Such as the flag values of a cause."""
    cause = FailureCause("fails", (), "", 1, 1, literals=(FlagLiteral("tools", (True,), (False,)),))
    assert ({"flag": "tools", "values": (True,), "others": (False,)},) == to_json_object(cause)["literals"]
