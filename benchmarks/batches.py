"""Recorded requests about Message Batches, sent to a simulated API in which the recorded batches exist."""

import json
import re
from dataclasses import replace

from recorded import Row

from flag_harness.simulator.simulator import Simulator
from flag_harness.wire.timeline import Request, Response
from flag_harness.wire.timeline import body as body_of

PATH = "/v1/messages/batches"
_ID = re.compile(r"/v1/messages/batches/([^/?]+)")
_HEADERS = (("x-api-key", "key"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json"))
_ONE = {"model": "claude-haiku-4-5", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}


class BatchReplay:
    """Sends recorded requests about batches. A batch that was created before its recording began is created first."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._ids: dict[str, str] = {}

    def send(self, row: Row) -> Response:
        """Return the simulated answer; ids in the path are those of the simulated batches."""
        found = _ID.search(row.request.url)
        if found is None:
            response = self._simulator(row.request)
            if row.status == 200 and row.request.method == "POST":
                self._ids[json.loads(row.answer)["id"]] = json.loads(body_of(response))["id"]
            return response
        simulated = self._ids.get(found[1]) or self._create(found[1])
        if row.request.url.endswith("/results") and row.status == 200:
            for _ in range(2):  # the recorded batch had ended
                self._ask("GET", f"{PATH}/{simulated}")
        return self._simulator(replace(row.request, url=row.request.url.replace(found[1], simulated)))

    def _create(self, recorded: str) -> str:
        value = {"requests": [{"custom_id": "a", "params": _ONE}]}
        answer = self._ask("POST", PATH, json.dumps(value).encode())
        self._ids[recorded] = json.loads(body_of(answer))["id"]
        return self._ids[recorded]

    def _ask(self, method: str, path: str, body: bytes = b"") -> Response:
        return self._simulator(Request(method, f"https://api.anthropic.com{path}", _HEADERS, body))
