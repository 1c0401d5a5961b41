"""What reports say of missed requests that the API would refuse."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from flag_harness.cassette.match.miss import API_REFUSAL_ADVICE
from flag_harness.record import RunRecord, RunRow
from flag_harness.report.output import write_report
from flag_harness.report.run_report import build_report

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
MESSAGE = "A maximum of 4 blocks | with cache_control may be provided. Found 5."


def _refuse(row: RunRow, values: Mapping[str, bool]) -> RunRow:
    """Return the row as one whose request the API would refuse, if its flags have these values."""
    if not values.items() <= row.values.items():
        return row
    return replace(row, outcome="failed", misses=("POST /v1/messages: messages[0]",), api_refusals=(MESSAGE,))


@pytest.mark.parametrize(
    ("values", "combinations", "condition"),
    [
        ({"streaming": True, "extended_output": True}, 8, "when streaming and extended_output are both on"),
        ({"extended_output": True}, 7, "perhaps when extended_output is on"),
        ({}, 8, ""),
        ({"streaming": False}, 1, ""),
    ],
)
def test_the_flags_that_a_refusal_takes_are_named(
    make_record: Callable[[int], RunRecord], values: Mapping[str, bool], combinations: int, condition: str
) -> None:
    """If the runs tell; other failures of the same test do not matter."""
    record = make_record(1)
    rows = tuple(_refuse(row, values) for row in record.rows if row.combination == "off" or combinations > 1)
    [refusal] = build_report(RunRecord(record.header, rows[-combinations:]), NOW).api_refusals
    assert (MESSAGE, condition) == (refusal.message, refusal.condition)


def test_each_format_has_the_message_and_what_to_do(make_record: Callable[[int], RunRecord], tmp_path: Path) -> None:
    """That is to change the code, not to record it."""
    record = make_record(1)
    run = RunRecord(record.header, tuple(_refuse(row, {"extended_output": True}) for row in record.rows))
    texts = {}
    for suffix in (".html", ".md", ".json"):
        write_report(tmp_path / f"report{suffix}", run, NOW)
        texts[suffix] = (tmp_path / f"report{suffix}").read_text("utf-8")
    assert "<strong>The API would refuse a request when extended_output is on</strong>" in texts[".html"]
    assert "and 1 more</p>" in texts[".html"]
    assert "- **The API would refuse a request when extended\\_output is on** (as the simulator does)" in texts[".md"]
    assert all(API_REFUSAL_ADVICE in texts[suffix] for suffix in (".html", ".md"))
    [refusal] = json.loads(texts[".json"])["api_refusals"]
    assert (MESSAGE, 4) == (refusal["message"], len(refusal["cases"]))
