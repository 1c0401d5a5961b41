"""Message Batches: many requests at once, whose answers are fetched later.

When its status is retrieved for the first time, a batch is in progress. The second retrieval ends the batch, whatever
the clock says: the scenario then answers its requests in order. So code that polls sees both states, and never waits
forever.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from pydantic import Field

from flag_harness.simulator.endpoints.paging import DEFAULT_PAGE_SIZE, make_list_page
from flag_harness.simulator.rules import IncomingRequest, RefusedRequest
from flag_harness.simulator.rules.shape.blocks import ClosedModel
from flag_harness.simulator.rules.shape.validation import shape_problem
from flag_harness.wire.json import decode_json_object
from flag_harness.wire.timeline import Head, Request, Response, body

BATCHES_PATH = "/v1/messages/batches"
JSON_CONTENT_TYPE, JSON_LINES_CONTENT_TYPE = "application/json", "application/x-jsonl"
_REQUEST_OUTCOMES = ("succeeded", "errored", "canceled", "expired")
_BATCH_LIFETIME = timedelta(hours=24)
_RETRIEVALS_UNTIL_END = 1

AnswerFunction = Callable[[Request], Response]
"""A function that answers one request to `/v1/messages`."""


class BatchEntry(ClosedModel):
    """One request of a batch."""

    custom_id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    params: dict[str, Any]


class BatchBody(ClosedModel):
    """The body of `POST /v1/messages/batches`."""

    requests: Annotated[list[BatchEntry], Field(min_length=1, max_length=100_000)]


@dataclass(slots=True)
class MessageBatch:
    """One batch: its requests (`entries`) and, once it has ended, their results.

    `creating_request` is the request that created the batch.
    """

    id: str
    creating_request: Request
    entries: list[dict[str, Any]]
    created_at: datetime
    retrieval_count: int = 0
    canceled_at: datetime | None = None
    ended_at: datetime | None = None
    results: list[dict[str, Any]] = field(default_factory=list)

    def to_batch_object(self) -> dict[str, Any]:
        """Return the batch as the API shows it: with its state, and the number of requests with each outcome."""
        counts = {name: sum(1 for one in self.results if one["result"]["type"] == name) for name in _REQUEST_OUTCOMES}
        waiting = 0 if self.ended_at else len(self.entries)
        state = "ended" if self.ended_at else "canceling" if self.canceled_at else "in_progress"
        host = urlsplit(self.creating_request.url)
        address = f"{host.scheme}://{host.netloc}" if host.netloc else "https://api.anthropic.com"
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": state,
            "request_counts": {"processing": waiting, **counts},
            "ended_at": _format_time(self.ended_at),
            "created_at": _format_time(self.created_at),
            "expires_at": _format_time(self.created_at + _BATCH_LIFETIME),
            "archived_at": None,
            "cancel_initiated_at": _format_time(self.canceled_at),
            "results_url": f"{address}{BATCHES_PATH}/{self.id}/results" if self.ended_at else None,
        }


class BatchStore:
    """All batches that one simulator has created, by id."""

    def __init__(self, answer_message_request: AnswerFunction) -> None:
        self._answer_one = answer_message_request
        self._batches: dict[str, MessageBatch] = {}

    def answer_request(
        self, incoming: IncomingRequest, now: datetime, new_id: str
    ) -> tuple[str, bytes] | RefusedRequest:
        """Answer a request about batches. Return the content type and the body, or the error.

        If the request creates a batch, its id is `new_id`.
        """
        name, _, action = incoming.path.removeprefix(BATCHES_PATH).removeprefix("/").partition("/")
        if not name:
            value = (
                self._create_batch(incoming, now, new_id)
                if incoming.request.method == "POST"
                else self._list_batches(incoming)
            )
            return value if isinstance(value, RefusedRequest) else (JSON_CONTENT_TYPE, msgspec.json.encode(value))
        batch = self._batches.get(name)
        if batch is None:
            return RefusedRequest("batch", 404, "not_found_error", f"Message Batch {name} not found.")
        if action == "results":
            return self._results_file(batch)
        if action == "cancel":
            batch.canceled_at = batch.canceled_at or (None if batch.ended_at else now)
        elif incoming.request.method == "DELETE":
            return self._delete_batch(batch)
        else:
            self._count_retrieval(batch, now)
        return JSON_CONTENT_TYPE, msgspec.json.encode(batch.to_batch_object())

    def _create_batch(self, incoming: IncomingRequest, now: datetime, new_id: str) -> dict[str, Any] | RefusedRequest:
        """Create a batch and return its status, or the error if the body is invalid."""
        decoded = incoming.decoded_body
        words = decoded.problem or ("it is nested too deeply" if decoded.is_too_deep else None)
        problem = f"The request body is not valid JSON: {words}" if words else shape_problem(decoded.value, BatchBody)
        if problem is None:
            names = [entry["custom_id"] for entry in decoded.value["requests"]]
            repeated = next((name for name, count in Counter(names).items() if count > 1), None)
            problem = None if repeated is None else f"requests: custom_id '{repeated}' must be unique in the batch"
        if problem is not None:
            return RefusedRequest("batch", 400, "invalid_request_error", problem)
        batch = MessageBatch(new_id, incoming.request, decoded.value["requests"], now)
        self._batches[new_id] = batch
        return batch.to_batch_object()

    def _list_batches(self, incoming: IncomingRequest) -> dict[str, Any]:
        """Return a page of the list of batches, the newest first."""
        newest_first = list(reversed(self._batches.values()))
        limit = int(incoming.query_value("limit") or DEFAULT_PAGE_SIZE)
        after, before = incoming.query_value("after_id"), incoming.query_value("before_id")
        return make_list_page(
            newest_first,
            MessageBatch.to_batch_object,
            lambda one: (one.id,),
            limit=limit,
            after_name=after,
            before_name=before,
        )

    def _count_retrieval(self, batch: MessageBatch, now: datetime) -> None:
        """Count a retrieval of a batch's status. At the second retrieval, or if the batch is canceled, answer its
        requests, which ends the batch.
        """
        batch.retrieval_count += 1
        if batch.ended_at or (batch.retrieval_count <= _RETRIEVALS_UNTIL_END and not batch.canceled_at):
            return
        batch.results = [
            {"custom_id": entry["custom_id"], "result": self._answer_entry(batch, entry["params"])}
            for entry in batch.entries
        ]
        batch.ended_at = now

    def _answer_entry(self, batch: MessageBatch, params: dict[str, Any]) -> dict[str, Any]:
        """Answer one request of a batch and return its result."""
        if batch.canceled_at:
            return {"type": "canceled"}
        content = msgspec.json.encode({key: value for key, value in params.items() if key != "stream"})
        response = self._answer_one(replace(batch.creating_request, url=BATCHES_PATH.rpartition("/")[0], body=content))
        value = decode_json_object(body(response))
        if isinstance(response[0], Head) and response[0].status == 200:
            if "service_tier" in value["usage"]:
                value["usage"]["service_tier"] = "batch"
            return {"type": "succeeded", "message": value}
        return {"type": "errored", "error": value}

    def _results_file(self, batch: MessageBatch) -> tuple[str, bytes] | RefusedRequest:
        """Return the results of a batch as JSON Lines, or an error if it has not ended."""
        if not batch.ended_at:
            words = f"Message Batch {batch.id} has no available results."
            return RefusedRequest("batch", 404, "not_found_error", words)
        return JSON_LINES_CONTENT_TYPE, b"".join(msgspec.json.encode(line) + b"\n" for line in batch.results)

    def _delete_batch(self, batch: MessageBatch) -> tuple[str, bytes] | RefusedRequest:
        """Delete a batch, or return an error if it has not ended."""
        if not batch.ended_at:
            words = f"Message Batch {batch.id} is still processing; cancel it and wait for its end before deleting it."
            return RefusedRequest("batch", 400, "invalid_request_error", words)
        del self._batches[batch.id]
        return JSON_CONTENT_TYPE, msgspec.json.encode({"id": batch.id, "type": "message_batch_deleted"})


def _format_time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="microseconds")
