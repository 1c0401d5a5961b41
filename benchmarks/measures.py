"""The comparisons of recorded traffic with the simulated API's answers to the same requests."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from batches import BatchReplay
from recorded import COUNT, MESSAGES, Row, conversations, thinking_signatures, without_ids
from recorded_grammar import WrongStreamError, message

from flag_harness.clock import VirtualClock
from flag_harness.simulator import Scenario, ScenarioTurn, simulate
from flag_harness.simulator.answer.profiles import LATEST_MONTH
from flag_harness.simulator.answer.signatures import SeededSignatures
from flag_harness.simulator.count.prefix import PromptSegment, prompt_segments
from flag_harness.simulator.scenario.scenario import ScriptedBlock, ScriptedToolCall
from flag_harness.simulator.simulator import Simulator
from flag_harness.wire.timeline import Head, Request, Response
from flag_harness.wire.timeline import body as body_of

RECORDER_HEADERS = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})
"""Headers of the connection; they depend on the client and server in use."""
WRONG_KEY = "wrong API key: recorders removed all keys (a scenario lists valid ones under `keys`)"
REMOVED_IDS = "ids that the recorder removed"
NO_LIMIT = "accounts without a request limit"
SERVER_TOOLS = "server tools: they read and write the cache within one call, with text that no request contains"
WARM_CACHE = "the cache was warm before the recording started, so its contents are unknown"
KNOWN_EXCEPTIONS = frozenset({WRONG_KEY, REMOVED_IDS, NO_LIMIT, SERVER_TOOLS, WARM_CACHE})
"""Differences that are accepted: what recordings do not show, and what is not simulated."""
UNEXPLAINED = "not explained"
UNSTABLE_HEADERS = frozenset(
    {
        "anthropic-workspace-id",
        "alt-svc",
        "retry-after",
        "server-timing",
        "set-cookie",
        "traceresponse",
        "vary",
        "via",
        "x-cloud-trace-context",
        "x-envoy-upstream-service-time",
        "content-security-policy",
    }
)
"""Headers that some recordings of a month have and others lack; they are not compared."""


@dataclass
class Comparison:
    """One line of the table: the number of matches, and the rows that differ, by reason."""

    name: str
    matches: int = 0
    differences: dict[str, list[str]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Return the number of compared rows."""
        return self.matches + sum(map(len, self.differences.values()))

    @property
    def explainable(self) -> int:
        """Return the number of compared rows without those that differ by a known exception."""
        return self.total - sum(len(rows) for rule, rows in self.differences.items() if rule in KNOWN_EXCEPTIONS)

    @property
    def is_close_enough(self) -> bool:
        """Return whether at most 1 % of the rows differ for reasons other than known exceptions."""
        return self.explainable - self.matches <= 0.01 * self.total

    def count(self, row: str, rule: str = "") -> None:
        """Count a row as a match, or as a difference if there is a reason."""
        if rule:
            self.differences.setdefault(rule, []).append(row)
        else:
            self.matches += 1


def measure_all(rows: Sequence[Row]) -> list[Comparison]:
    """Return all lines of the table."""
    trusted = recorded_signatures(rows)
    return [
        *_status_measures(rows, trusted),
        *_stream_measures(rows, trusted),
        *_key_measures(rows, trusted),
        _tool_loop_measure(rows, trusted),
        *cache_measures(rows, trusted),
    ]


def recorded_signatures(rows: Sequence[Row]) -> set[str]:
    """Return the thinking signatures in all rows. The simulated API is told to accept them."""
    return {one for row in rows for one in (*thinking_signatures(row.body), *thinking_signatures(row.message))}


def _simulator(
    trusted: set[str], hook: Callable[[Any], ScenarioTurn | None] | None = None, profile: str = "", clock: Any = None
) -> Simulator:
    """Return a simulated API that accepts the recorded signatures."""
    simulator = simulate(
        Scenario(profile=profile or LATEST_MONTH), hook=hook or (lambda body: ScenarioTurn(text="ok")), clock=clock
    )
    simulator.signatures = SeededSignatures(0, trusted)
    return simulator


def _status_and_body(response: Response) -> tuple[int, Any]:
    head = response[0]
    assert isinstance(head, Head)
    data = body_of(response)
    is_json = dict(head.headers).get("content-type") == "application/json"
    return head.status, json.loads(data) if is_json else None


def _status_measures(rows: Sequence[Row], trusted: set[str]) -> Iterator[Comparison]:
    accepted = Comparison("recorded successful requests (messages, count_tokens, models) are accepted")
    elsewhere = Comparison("requests to other endpoints (batches) are answered with the same status")
    refused = Comparison("recorded 400 errors are answered with the same status, type and message")
    others = Comparison("other recorded errors (401, 404) are answered with the same status, type and message")
    simulator = _simulator(trusted)
    batches = BatchReplay(simulator)
    for row in rows:
        if row.path not in (MESSAGES, COUNT):
            status, answer = _status_and_body(batches.send(row))
            elsewhere.count(row.name, "" if status == row.status else _difference_reason(row))
            continue
        status, answer = _status_and_body(simulator(row.request))
        if row.status == 200:
            accepted.count(row.name, "" if status == 200 else _refusal_message(answer))
            continue
        line = refused if row.status == 400 else others
        error = (answer or {}).get("error") or {}
        same = (status, error.get("type"), without_ids(error.get("message", ""))) == (
            row.status,
            row.error["type"],
            without_ids(row.error["message"]),
        )
        line.count(row.name, "" if same else _difference_reason(row))
    yield from (accepted, refused, others, elsewhere)


def _refusal_message(answer: Any) -> str:
    return f"refused with: {without_ids(answer['error']['message'])[:100]}"


def _difference_reason(row: Row) -> str:
    if row.status == 401:
        return WRONG_KEY
    return f"not refused with: {without_ids(row.error['message'])[:100]}"


def _turn(recorded: Mapping[str, Any]) -> ScenarioTurn:
    """Return a turn with the recorded answer."""
    blocks = []
    for block in recorded["content"]:
        if "partial_json" in block:
            blocks.append(ScriptedBlock(call=ScriptedToolCall(name=block["name"], partial_json=block["partial_json"])))
        else:
            blocks.append(ScriptedBlock(raw=dict(block)))
    usage = recorded.get("usage") or {}
    return ScenarioTurn(
        blocks=tuple(blocks),
        stop_reason=recorded["stop_reason"],
        stop_sequence=recorded.get("stop_sequence"),
        output_tokens=usage.get("output_tokens", 0),
    )


def _stream_measures(rows: Sequence[Row], trusted: set[str]) -> Iterator[Comparison]:
    checker = Comparison("recorded streams pass the stream checker (verbatim ones with their padding)")
    simulated = Comparison("simulated streams of recorded answers pass the stream checker")
    produced = Comparison("simulated answers have the recorded content blocks")
    for row in rows:
        if row.streamed:
            checker.count(row.name, _stream_error(row.answer.encode(), padded=row.verbatim))
        if row.message is None or not row.message.get("stop_reason"):
            continue
        recorded, turn = row.message, _turn(row.message)
        request = replace(row.request, body=json.dumps({**row.body, "stream": True}).encode())
        response = _simulator(trusted, lambda body, turn=turn: turn)(request)
        if _status_and_body(response)[0] != 200:
            continue  # counted above
        stream = body_of(response)
        error = _stream_error(stream, padded=True)
        simulated.count(row.name, error)
        if not error:
            same = _comparable_blocks(message(stream)["content"]) == _comparable_blocks(recorded["content"])
            produced.count(row.name, "" if same else "different content")
    yield from (checker, simulated, produced)


def _stream_error(stream: bytes, *, padded: bool) -> str:
    try:
        message(stream, padded=padded)
    except (WrongStreamError, ValueError) as error:
        return str(error).partition(":")[0]
    return ""


def _comparable_blocks(blocks: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Return blocks without the ids that the simulator makes up."""
    ignored = ("id", "caller", "citations")
    return [
        {key: value for key, value in block.items() if key not in ignored or block.get("citations")} for block in blocks
    ]


def _key_measures(rows: Sequence[Row], trusted: set[str]) -> Iterator[Comparison]:
    names = (
        "message_start",
        "usage of message_start",
        "message_delta",
        "usage and delta of message_delta",
        "non-streamed answers",
        "usage of non-streamed answers",
    )
    lines = {name: Comparison(f"JSON keys in 2026: {name}") for name in names}
    headers = Comparison("header names in 2026, in recordings that kept all headers")
    for row in rows:
        if not row.day.startswith("2026") or row.message is None or not row.message.get("stop_reason"):
            continue
        turn = _turn(row.message)
        response = _simulator(trusted, lambda body, turn=turn: turn, row.day)(row.request)
        if _status_and_body(response)[0] != 200:
            continue
        ours = _key_sets(body_of(response).decode(), streamed=row.streamed)
        for name, recorded in _key_sets(row.answer, streamed=row.streamed).items():
            lines[name].count(row.name, _difference(recorded, ours[name]))
        if row.raw["response_headers_fidelity"].startswith("full"):
            head = response[0]
            assert isinstance(head, Head)
            headers.count(
                row.name,
                _header_difference(_comparable_headers(row.response_headers), _comparable_headers(dict(head.headers))),
            )
    yield from (*lines.values(), headers)


def _key_sets(answer: str, *, streamed: bool) -> dict[str, set[str]]:
    if not streamed:
        value = json.loads(answer)
        return {"non-streamed answers": set(value), "usage of non-streamed answers": set(value["usage"])}
    answer = [json.loads(line[5:]) for line in answer.split("\n") if line.startswith("data:")]
    start = next(event for event in answer if event["type"] == "message_start")
    delta = next(event for event in answer if event["type"] == "message_delta")
    return {
        "message_start": set(start["message"]),
        "usage of message_start": set(start["message"]["usage"]),
        "message_delta": set(delta),
        "usage and delta of message_delta": {*delta["usage"], *(f"delta.{key}" for key in delta["delta"])},
    }


def _comparable_headers(headers: Mapping[str, str]) -> set[str]:
    return set(headers) - RECORDER_HEADERS - UNSTABLE_HEADERS


def _difference(recorded: set[str], ours: set[str]) -> str:
    more, less = sorted(ours - recorded), sorted(recorded - ours)
    parts = [f"recorded without {_joined_names(more)}"] if more else []
    return "; ".join([*parts, *([f"recorded with {_joined_names(less)}"] if less else [])])


def _header_difference(recorded: set[str], ours: set[str]) -> str:
    missing = ours - recorded
    ids = {"anthropic-organization-id", "request-id"}
    limits = {name for name in ours if "ratelimit-requests" in name}
    if recorded - ours or not missing <= ids | limits:
        return _difference(recorded, ours)
    return REMOVED_IDS if missing & ids else NO_LIMIT if missing else ""


def _joined_names(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(re.sub(r"(ratelimit-\w+)-.*", r"\1-*", name) for name in names))


def _tool_loop_measure(rows: Sequence[Row], trusted: set[str]) -> Comparison:
    line = Comparison("tool loops: every step has the recorded status")
    for conversation in conversations([row for row in rows if row.path == MESSAGES]):
        simulator = _simulator(trusted)
        for before, row in pairwise(conversation):
            calls = {block.get("id") for block in (before.message or {}).get("content", ())}
            if not calls & set(_tool_result_ids(row.body)):
                continue
            status, answer = _status_and_body(simulator(row.request))
            same = status == row.status
            line.count(row.name, "" if same else f"{status}: {without_ids(json.dumps(answer))[:100]}")
    return line


def _tool_result_ids(body: Any) -> Iterator[str]:
    for part in body.get("messages", ()) if isinstance(body, dict) else ():
        content = part["content"] if isinstance(part["content"], list) else []
        yield from (block.get("tool_use_id", "") for block in content if block.get("type") == "tool_result")


def cache_measures(rows: Sequence[Row], trusted: set[str]) -> Iterator[Comparison]:
    """Yield the comparison of cache reads and writes in each turn of the conversations that read from the cache."""
    turns = Comparison("prompt cache: reads and writes occur in the same turns")
    for conversation in conversations([row for row in rows if row.message is not None]):
        usages = [(row.message or {}).get("usage") or {} for row in conversation]
        if len(conversation) < 2 or not any(usage.get("cache_read_input_tokens") for usage in usages):
            continue
        for row, rule in _cache_differences(conversation, usages, trusted):
            turns.count(row.name, rule)
    yield turns


def _cache_differences(
    conversation: Sequence[Row], usages: Sequence[Mapping[str, Any]], trusted: set[str]
) -> Iterator[tuple[Row, str]]:
    """Yield each row with the reason why it differs, or an empty string. The clock follows the recorded dates."""
    clock = VirtualClock()
    simulator = _simulator(trusted, clock=clock)
    warm = bool(usages[0].get("cache_read_input_tokens"))
    if warm:
        simulator.warm_prompt_cache(conversation[0].request)
    marked: dict[str, int] = {}
    for index, (row, usage) in enumerate(zip(conversation, usages, strict=True)):
        before = conversation[index - 1] if index else row
        if row.date is not None and before.date is not None:
            clock.sleep(row.date - before.date)
        status, answer = _status_and_body(simulator(_without_streaming(row)))
        prefix = prompt_segments(row.body, "")
        if status == 200:
            same = _cache_activity(answer["usage"]) == _cache_activity(usage)
            yield row, "" if same else _cache_difference_reason(row, before, prefix, marked, warm=warm)
        marked |= {segment.prefix_hash: segment.prefix_tokens for segment in prefix if segment.cache_mark}


def _cache_difference_reason(
    row: Row, before: Row, prefix: Sequence[PromptSegment], marked: Mapping[str, int], *, warm: bool
) -> str:
    """Return why a row's cache usage differs. `marked` maps the hash of each prefix marked so far to its tokens."""
    usage = (row.message or {}).get("usage") or {}
    if any("server_tool_use" in ((one.message or {}).get("usage") or {}) for one in (row, before)):
        return SERVER_TOOLS
    known = {segment.prefix_hash for segment in prefix}
    if usage.get("cache_read_input_tokens") and not known & marked.keys():
        return WARM_CACHE
    return WARM_CACHE if warm and _reads_unrecorded_prefix(usage, prefix, marked) else UNEXPLAINED


def _reads_unrecorded_prefix(
    usage: Mapping[str, Any], prefix: Sequence[PromptSegment], marked: Mapping[str, int]
) -> bool:
    """Return whether more was read than the recording had marked. Compares shares, as token counts are estimates."""
    kinds = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    counted = [usage.get(kind) or 0 for kind in kinds]
    known = max((marked[segment.prefix_hash] for segment in prefix if segment.prefix_hash in marked), default=0)
    return counted[-1] / sum(counted) > known / prefix[-1].prefix_tokens


def _without_streaming(row: Row) -> Request:
    body = {key: value for key, value in row.body.items() if key != "stream"}
    return replace(row.request, body=json.dumps(body).encode())


def _cache_activity(usage: Mapping[str, Any]) -> tuple[bool, bool]:
    return bool(usage.get("cache_read_input_tokens")), bool(usage.get("cache_creation_input_tokens"))
