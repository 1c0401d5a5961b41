"""Recorded traffic: rows, their requests, and conversations."""

import gzip
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from recorded_grammar import WrongStreamError, message

from flag_harness.simulator.rules.betas import BETAS_BY_BODY_FIELD, BETAS_BY_TOOL_TYPE
from flag_harness.wire.timeline import Request

TRAFFIC = Path(__file__).parents[2] / "shared" / "traffic" / "interactions.jsonl.gz"
DEFAULT_HEADERS = {"anthropic-version": "2023-06-01", "x-api-key": "key", "content-type": "application/json"}
MESSAGES, COUNT = "/v1/messages", "/v1/messages/count_tokens"
_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True)
class Row:
    """One recorded interaction."""

    raw: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Return the source, file and number of the interaction."""
        return f"{self.raw['source']} {self.raw['path'].rpartition('/')[2]} #{self.raw['i']}"

    @property
    def path(self) -> str:
        """Return the path of the request without its query."""
        return urlsplit(self.raw["request"]["url"]).path

    @property
    def status(self) -> int:
        """Return the recorded status."""
        return int(self.raw["response"]["status"])

    @property
    def answer(self) -> str:
        """Return the recorded response body."""
        return str(self.raw["response"]["body"] or "")

    @cached_property
    def body(self) -> Any:
        """Return the request's JSON body, or None if it has none."""
        try:
            return json.loads(self.raw["request"]["body"] or "null")
        except ValueError:
            return None

    @cached_property
    def response_headers(self) -> dict[str, str]:
        """Return the response headers, with names in lower case."""
        return {name.lower(): value for name, value in self.raw["response"]["headers"]}

    @property
    def verbatim(self) -> bool:
        """Return whether the source kept the exact bytes of bodies."""
        return str(self.raw["body_fidelity"]).startswith("verbatim")

    @property
    def streamed(self) -> bool:
        """Return whether the answer is a stream."""
        return self.status == 200 and "event: message_start" in self.answer

    @cached_property
    def date(self) -> float | None:
        """Return the time of the answer in seconds, or None if no header states it."""
        text = self.response_headers.get("date", "")
        try:
            return parsedate_to_datetime(text).timestamp()
        except ValueError:
            return None

    @property
    def day(self) -> str:
        """Return the date, such as `2026-05-31`, or an empty string."""
        return "" if self.date is None else datetime.fromtimestamp(self.date, UTC).strftime("%Y-%m-%d")

    @cached_property
    def message(self) -> Mapping[str, Any] | None:
        """Return the recorded message, assembled from its stream if necessary, or None."""
        if self.status != 200 or self.path != MESSAGES:
            return None
        try:
            value = message(self.answer.encode(), padded=False) if self.streamed else json.loads(self.answer)
        except (WrongStreamError, ValueError, KeyError):
            return None
        return value if isinstance(value, dict) and value.get("type") == "message" else None

    @cached_property
    def error(self) -> Mapping[str, str]:
        """Return the recorded error."""
        try:
            return dict(json.loads(self.answer)["error"])
        except (ValueError, KeyError, TypeError):
            return {"type": "", "message": self.answer[:80]}

    @cached_property
    def request(self) -> Request:
        """Return the request; headers that recorders dropped (version, key, betas) are added."""
        recorded = {name.lower(): value for name, value in self.raw["request"]["headers"]}
        headers = {**DEFAULT_HEADERS, **recorded}
        if "anthropic-version" not in recorded and (betas := sorted(self._needed_betas())):
            headers.setdefault("anthropic-beta", ",".join(betas))
        text = self.raw["request"]["body"] or ""
        return Request(self.raw["request"]["method"], self.raw["request"]["url"], tuple(headers.items()), text.encode())

    def _needed_betas(self) -> Iterator[str]:
        body = self.body if isinstance(self.body, dict) else {}
        for tool in body.get("tools") or ():
            if tool.get("type") in BETAS_BY_TOOL_TYPE:
                yield min(BETAS_BY_TOOL_TYPE[tool["type"]])
        for name, opening in BETAS_BY_BODY_FIELD.items():
            if name in body:
                yield min(opening)


def load_rows(path: Path = TRAFFIC) -> list[Row]:
    """Return every row whose request was kept."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [Row(json.loads(line)) for line in lines]
    return [row for row in rows if row.raw["request"]["method"] == "GET" or row.raw["request"]["body"]]


def conversations(rows: Sequence[Row]) -> list[list[Row]]:
    """Return the rows of each recording, in order."""
    return [list(group) for _, group in groupby(rows, key=lambda row: (row.raw["source"], row.raw["path"]))]


def thinking_signatures(value: Any) -> Iterator[str]:
    """Yield the signatures and redacted data in a body."""
    if isinstance(value, dict):
        if value.get("type") in ("thinking", "redacted_thinking"):
            yield from (value[key] for key in ("signature", "data") if isinstance(value.get(key), str))
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from thinking_signatures(part)


def without_ids(text: str) -> str:
    """Return a message without its numbers and ids."""
    return _NUMBERS.sub("N", re.sub(r"\b(req|msg|toolu|msgbatch)_\w+", "ID", text))
