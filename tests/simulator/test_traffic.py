"""The simulated API against recorded traffic: it accepts what the API accepted and refuses what it refused."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from harness.simulator.judging import Listing, judge
from harness.simulator.rules import Asked, Refusal
from harness.simulator.rules.betas import BETA_TOOLS
from harness.simulator.scenario import Scenario
from harness.simulator.signatures import SeededSignatures
from harness.wire.timeline import Request

TRAFFIC = Path(__file__).parents[2].parent / "shared" / "traffic" / "interactions.jsonl.gz"
PATHS = ("/v1/messages", "/v1/messages/count_tokens")
SUPPLIED = {"anthropic-version": "2023-06-01", "x-api-key": "key", "content-type": "application/json"}

pytestmark = pytest.mark.skipif(
    not TRAFFIC.exists(), reason="no recorded traffic beside the project: ../shared/traffic"
)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """Recorded interactions whose request was kept."""
    with gzip.open(TRAFFIC, "rt", encoding="utf-8") as lines:
        every = [json.loads(line) for line in lines]
    return [row for row in every if urlsplit(row["request"]["url"]).path in PATHS and row["request"]["body"]]


@pytest.fixture(scope="module")
def judged(rows: list[dict[str, Any]]) -> list[tuple[dict[str, Any], Asked | Listing | Refusal]]:
    """Each row with what the rules say; signatures of accepted requests count as issued."""
    signatures = SeededSignatures(0, {issued for row in rows for issued in _issued(_body(row))})
    return [(row, judge(_request(row), signatures, Scenario())) for row in rows]


def _body(row: dict[str, Any]) -> Any:
    return json.loads(row["request"]["body"])


def _issued(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if value.get("type") in ("thinking", "redacted_thinking"):
            yield from (value[key] for key in ("signature", "data") if key in value)
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _issued(part)


def _request(row: dict[str, Any]) -> Request:
    """The recorded request; headers that recorders dropped (version, key, then also betas) are supplied."""
    recorded = {name.lower(): value for name, value in row["request"]["headers"]}
    headers = {**SUPPLIED, **recorded}
    tools = _body(row).get("tools") or []
    betas = [sorted(BETA_TOOLS[tool["type"]])[0] for tool in tools if tool.get("type") in BETA_TOOLS]
    if "anthropic-version" not in recorded and betas:
        headers.setdefault("anthropic-beta", ",".join(betas))
    body = row["request"]["body"].encode()
    return Request(row["request"]["method"], row["request"]["url"], tuple(headers.items()), body)


def test_recorded_requests_are_accepted(judged: Any) -> None:
    """Every 200, but for a rule named here with its number of rows."""
    refused = Counter(
        found.rule for row, found in judged if row["response"]["status"] == 200 and isinstance(found, Refusal)
    )
    accepted = sum(row["response"]["status"] == 200 for row, _ in judged) - refused.total()
    assert accepted >= 1225
    assert {"results answer calls": 2} == dict(refused)


def test_recorded_refusals_are_repeated(judged: Any) -> None:
    """The same status, type and words; what is missing is counted here, by its words."""
    missed: Counter[str] = Counter()
    for row, found in judged:
        if row["response"]["status"] == 200:
            continue
        error = json.loads(row["response"]["body"])["error"]
        told = (found.status, found.type, found.message) if isinstance(found, Refusal) else None
        if told != (row["response"]["status"], error["type"], error["message"]):
            missed[error["message"].partition(" ")[0]] += 1
    expected = {"API": 2, "invalid": 3, "Schemas": 1, "Schema": 1, "tools.0.custom:": 1}
    assert expected == dict(missed), "keys that were wrong cannot be told from scrubbed ones; schemas are not judged"


def test_the_estimate_is_as_near_as_it_says(judged: Any) -> None:
    """Off by 10 % in the median and by 39 % at the 95th percentile; rows whose prompt servers extended are left out."""
    off = sorted(
        abs(found.input_tokens / counted - 1)
        for row, found in judged
        if isinstance(found, Asked) and row["response"]["status"] == 200 and (counted := _counted(row))
    )
    assert len(off) >= 1150
    assert off[len(off) // 2] <= 0.10
    assert off[int(len(off) * 0.95)] <= 0.40


def _counted(row: dict[str, Any]) -> int:
    """The recorded input tokens; 0 where servers' tools or nothing countable was recorded."""
    text = row["response"]["body"]
    if not text.startswith("{"):
        text = next((line[5:] for line in text.split("\n") if line.startswith("data:")), "{}")
    value = json.loads(text)
    if "input_tokens" in value:
        return int(value["input_tokens"])
    usage = value.get("message", value).get("usage") or {}
    if "server_tool_use" in usage:
        return 0
    kinds = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    return sum(usage.get(kind) or 0 for kind in kinds)
