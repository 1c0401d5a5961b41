"""Logs: one JSON object a line, and no key in any of them."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.reference.logs import (
    REPLACEMENT_FOR_SECRETS,
    JsonLinesFormatter,
    hide_secrets,
    json_lines_handler,
    log_event,
)

KEY = "sk-ant-api03-AAAAAAAAAAAAAAAAAAAAAAAA"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logging.Logger]:
    """A logger that writes to `logs/harness.jsonl`."""
    logger = logging.getLogger("flag_harness.test_logs")
    handler = json_lines_handler(tmp_path / "logs" / "flag_harness.jsonl")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield logger
    logger.removeHandler(handler)
    handler.close()


def lines(directory: Path) -> list[dict[str, Any]]:
    """What stands in the file."""
    text = (directory / "logs" / "flag_harness.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_an_event_is_one_line_of_json(log: logging.Logger, tmp_path: Path) -> None:
    """Time, level, logger, event and fields, whatever the fields hold."""
    log_event(log, logging.INFO, "tool_run", tool="bash", text="two\nlines \ud83d", where=Path("a"), late=float("inf"))
    (line,) = lines(tmp_path)
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "info",
        "logger": "flag_harness.test_logs",
        "event": "tool_run",
        "fields": {"tool": "bash", "text": "two\nlines \ud83d", "where": "PosixPath('a')", "late": "inf"},
    }


def test_an_event_reads_well_as_text(caplog: pytest.LogCaptureFixture) -> None:
    """In a terminal it is the name and the fields."""
    with caplog.at_level(logging.INFO, "flag_harness"):
        log_event(logging.getLogger("flag_harness.test_logs"), logging.INFO, "retry", attempt=1, reason="Overloaded")
    assert ["retry attempt=1 reason='Overloaded'"] == caplog.messages


def test_what_is_below_the_level_is_not_written(log: logging.Logger, tmp_path: Path) -> None:
    """Nor is the file made for it."""
    log_event(log, logging.DEBUG, "request")
    assert not (tmp_path / "logs" / "flag_harness.jsonl").exists()


def test_other_records_and_exceptions_are_lines_too(log: logging.Logger, tmp_path: Path) -> None:
    """Their message is the event; a traceback is one string."""
    try:
        {}[KEY]
    except KeyError:
        log.exception("it failed: %s", "badly")
    (line,) = lines(tmp_path)
    assert ("it failed: badly", {}) == (line["event"], line["fields"])
    assert line["exception"].endswith(f"KeyError: '{REPLACEMENT_FOR_SECRETS}'")


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({"api_key": KEY}, {"api_key": REPLACEMENT_FOR_SECRETS}),
        ({"headers": {"Authorization": ["Bearer x"]}}, {"headers": {"Authorization": REPLACEMENT_FOR_SECRETS}}),
        ({"text": f"my key is {KEY}."}, {"text": f"my key is {REPLACEMENT_FOR_SECRETS}."}),
        ({"text": "Bearer abcdefgh12345"}, {"text": REPLACEMENT_FOR_SECRETS}),
        ({"max_tokens": 4096, "cookie": None}, {"max_tokens": 4096, "cookie": None}),
        ({"betas": ("a", "b"), "on": True}, {"betas": ["a", "b"], "on": True}),
        ({KEY: 1}, {REPLACEMENT_FOR_SECRETS: 1}),
    ],
)
def test_keys_are_hidden(fields: dict[str, Any], written: dict[str, Any]) -> None:
    """By what they are called and by what they look like; everything else stays."""
    assert written == hide_secrets(fields)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_JSON, st.sampled_from(["{}", "key: {}", "Bearer {}", "a{}b"]))
def test_every_record_is_one_line_without_the_key(value: Any, around: str) -> None:
    """Whatever stands around it, at any depth."""
    fields = {"value": value, "deep": [{"words": around.format(KEY)}]}
    record = logging.makeLogRecord({"name": "flag_harness", "levelname": "INFO", "event": "x", "fields": fields})
    line = JsonLinesFormatter().format(record)
    assert "\n" not in line
    assert KEY not in line
    assert {"value", "deep"} == json.loads(line)["fields"].keys()
