"""Production's flag values, read from an export of a flag service."""

import json
from pathlib import Path
from typing import Any

import pytest

from flag_harness.flag import Flag
from flag_harness.matrix.baseline import read_baseline

FLAGS = (Flag("fast", "FAST"), Flag("cheap", "CHEAP"))
OF_FLAGD: dict[str, Any] = {"variants": {"on": True, "off": False}}
OF_LAUNCHDARKLY: dict[str, Any] = {"variations": [True, False]}


def _export(folder: Path, **flags: Any) -> Path:
    path = folder / "prod.json"
    path.write_text(json.dumps({"flags": flags}))
    return path


@pytest.mark.parametrize(
    ("fast", "cheap", "note"),
    [
        (
            OF_FLAGD,
            {**OF_FLAGD, "defaultVariant": "on"},
            "fast: has no defaultVariant, so the agent's default counts",
        ),
        (
            {**OF_LAUNCHDARKLY, "on": False},
            {**OF_LAUNCHDARKLY, "on": True, "fallthrough": {"variation": 0}},
            "fast: serves no variation, so the agent's default counts",
        ),
    ],
    ids=["flagd", "LaunchDarkly"],
)
def test_a_flag_that_serves_no_value_is_at_the_agents_default(
    tmp_path: Path, fast: dict[str, Any], cheap: dict[str, Any], note: str
) -> None:
    """The notes say so; the other flag has its value of production."""
    baseline = read_baseline(_export(tmp_path, fast=fast, cheap=cheap), FLAGS)
    assert {"cheap": True} == baseline.values
    assert (note, "not in it, so at their default: fast") == baseline.notes


def test_an_export_of_all_flags_needs_no_note(tmp_path: Path) -> None:
    """Each flag has a value, and each value a flag."""
    on = {**OF_FLAGD, "defaultVariant": "on"}
    baseline = read_baseline(_export(tmp_path, fast=on, cheap={**OF_FLAGD, "defaultVariant": "off"}), FLAGS)
    assert ({"fast": True, "cheap": False}, ()) == (baseline.values, baseline.notes)
