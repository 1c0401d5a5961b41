"""Production's flag values, read from an export of a flag service."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from flag_harness.errors import FlagError
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
    assert {"cheap": True} == baseline.value_by_flag
    assert (note, "not in it, so at their default: fast") == baseline.notes


def test_an_export_of_all_flags_needs_no_note(tmp_path: Path) -> None:
    """Each flag has a value, and each value a flag."""
    on = {**OF_FLAGD, "defaultVariant": "on"}
    baseline = read_baseline(_export(tmp_path, fast=on, cheap={**OF_FLAGD, "defaultVariant": "off"}), FLAGS)
    assert ({"fast": True, "cheap": False}, ()) == (baseline.value_by_flag, baseline.notes)


@pytest.mark.parametrize(
    ("export", "field"),
    [
        ({"flags": {"fast": {"variants": [True]}}}, "fast: Expected `object`, got `array` - at `$.variants`"),
        ({"flags": {"fast": {**OF_FLAGD, "defaultVariant": 1}}}, "at `$.defaultVariant`"),
        ({"flags": {"fast": {**OF_LAUNCHDARKLY, "on": "yes"}}}, "at `$.on`"),
        ({"flags": {"fast": {**OF_LAUNCHDARKLY, "on": False, "offVariation": "0"}}}, "at `$.offVariation`"),
        ({"flags": {"fast": {**OF_LAUNCHDARKLY, "on": True, "fallthrough": [1]}}}, "at `$.fallthrough`"),
        (
            {"flags": {"fast": {**OF_LAUNCHDARKLY, "on": True, "fallthrough": {"rollout": {"variations": [{}]}}}}},
            "missing required field `variation` - at `$.fallthrough.rollout.variations[0]`",
        ),
        ({"items": ["fast"]}, "items[0]: Expected `object`, got `str`"),
        ({"items": [{"key": "fast", "environments": {"production": 1}}]}, "items[0]: Expected `object`, got `int`"),
        ({"items": [{"key": "fast", "variations": [True]}]}, "at `$.variations[0]`"),
    ],
)
def test_a_broken_export_is_refused_by_its_field(tmp_path: Path, export: dict[str, Any], field: str) -> None:
    """The message names the file, the flag and the field, and says what a file must be."""
    path = tmp_path / "prod.json"
    path.write_text(json.dumps(export))
    with pytest.raises(FlagError) as refused:
        read_baseline(path, FLAGS)
    assert str(refused.value).startswith(f"{path}: ")
    assert field in str(refused.value)
    assert str(refused.value).endswith("give an export of flagd or LaunchDarkly, or {flag: value}")


def test_a_pipe_is_no_export(tmp_path: Path) -> None:
    """Reading it might never end."""
    os.mkfifo(tmp_path / "prod.json")
    with pytest.raises(FlagError, match=r"prod\.json cannot be read: is not a regular file"):
        read_baseline(tmp_path / "prod.json", FLAGS)
