"""The measures of fidelity: each compares recorded traffic with what the simulated API makes of the same requests."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from recorded import COUNT, MESSAGES, Row, conversations, issued, worded
from recorded_grammar import WrongStreamError, message

from flag_harness.clock import VirtualClock
from flag_harness.simulator import Scenario, Turn, catalogue, simulate
from flag_harness.simulator.answer.profiles import LATEST
from flag_harness.simulator.answer.signatures import SeededSignatures
from flag_harness.simulator.count.prefix import Segment, segments
from flag_harness.simulator.scenario.scenario import Block, Call
from flag_harness.simulator.simulator import Simulator
from flag_harness.wire.timeline import Head, Request, Response
from flag_harness.wire.timeline import body as body_of

RECORDER_HEADERS = frozenset({"connection", "content-encoding", "content-length", "keep-alive", "transfer-encoding"})
"""Headers of the connection, which belong to whoever sends."""
WRONG_KEY = "a wrong key: recorders scrubbed all keys (a scenario's `keys` names right ones)"
BATCHES = "Message Batches are not simulated"
SCRUBBED = "ids that the recorder took out"
NO_LIMIT = "accounts without a limit of requests"
SERVER_TOOLS = "servers' own tools: their rounds read and write within one call, by text that no request holds"
WARM = "warm from before the recording: what was in the cache is not known"
TOO_FEW = "the estimate of tokens: below the model's smallest prefix, where the API counted more"
EXPLAINED = frozenset({WRONG_KEY, BATCHES, SCRUBBED, NO_LIMIT, SERVER_TOOLS, WARM, TOO_FEW})
"""Exceptions that are named: what recordings do not tell, and what is not simulated. Others count against a line."""
UNEXPLAINED = "not explained"
SOMETIMES = frozenset(
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
"""Headers that recordings of one month hold or lack from row to row: they take no part."""


@dataclass
class Measure:
    """One line of the table: what fits of how many, and each miss with the rule that explains it."""

    name: str
    fits: int = 0
    misses: dict[str, list[str]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All that was compared."""
        return self.fits + sum(map(len, self.misses.values()))

    @property
    def enough(self) -> bool:
        """Whether at most one row of a hundred is missed for any but a named exception."""
        return sum(len(rows) for rule, rows in self.misses.items() if rule not in EXPLAINED) <= 0.01 * self.total

    def note(self, row: str, rule: str = "") -> None:
        """Count a row: as one that fits, or as a miss by this rule."""
        if rule:
            self.misses.setdefault(rule, []).append(row)
        else:
            self.fits += 1


def measures(rows: Sequence[Row]) -> list[Measure]:
    """All lines of the table."""
    trusted = {one for row in rows for one in (*issued(row.body), *issued(row.message))}
    return [
        *_statuses(rows, trusted),
        *_streams(rows, trusted),
        *_keys(rows, trusted),
        _tool_loops(rows, trusted),
        *_caching(rows, trusted),
    ]


def _simulator(
    trusted: set[str], hook: Callable[[Any], Turn | None] | None = None, profile: str = "", clock: Any = None
) -> Simulator:
    """A simulated API that knows the recorded signatures."""
    simulator = simulate(Scenario(profile=profile or LATEST), hook=hook or (lambda body: Turn(text="ok")), clock=clock)
    simulator.signatures = SeededSignatures(0, trusted)
    return simulator


def _told(response: Response) -> tuple[int, Any]:
    head = response[0]
    assert isinstance(head, Head)
    data = body_of(response)
    return head.status, json.loads(data) if data.startswith(b"{") else None


def _statuses(rows: Sequence[Row], trusted: set[str]) -> Iterator[Measure]:
    accepted = Measure("recorded 200s of messages, count_tokens and models are accepted")
    elsewhere = Measure("calls of other endpoints are answered")
    refused = Measure("recorded 400s are refused with the same status, type and words")
    others = Measure("other recorded errors (401, 404) are repeated")
    simulator = _simulator(trusted)
    for row in rows:
        status, told = _told(simulator(row.request))
        if row.path not in (MESSAGES, COUNT):
            elsewhere.note(row.name, "" if status == row.status else BATCHES)
            continue
        if row.status == 200:
            accepted.note(row.name, "" if status == 200 else _why_refused(told))
            continue
        line = refused if row.status == 400 else others
        error = (told or {}).get("error") or {}
        same = (status, error.get("type"), worded(error.get("message", ""))) == (
            row.status,
            row.error["type"],
            worded(row.error["message"]),
        )
        line.note(row.name, "" if same else _why_different(row))
    yield from (accepted, refused, others, elsewhere)


def _why_refused(told: Any) -> str:
    return f"refused: {worded(told['error']['message'])[:100]}"


def _why_different(row: Row) -> str:
    if row.status == 401:
        return WRONG_KEY
    return f"not refused so: {worded(row.error['message'])[:100]}"


def _turn(recorded: Mapping[str, Any]) -> Turn:
    """A turn that says what was recorded."""
    blocks = []
    for block in recorded["content"]:
        if "partial_json" in block:
            blocks.append(Block(call=Call(name=block["name"], partial_json=block["partial_json"])))
        else:
            blocks.append(Block(raw=dict(block)))
    usage = recorded.get("usage") or {}
    return Turn(
        blocks=tuple(blocks),
        stop_reason=recorded["stop_reason"],
        stop_sequence=recorded.get("stop_sequence"),
        output_tokens=usage.get("output_tokens", 0),
    )


def _streams(rows: Sequence[Row], trusted: set[str]) -> Iterator[Measure]:
    checker = Measure("recorded streams (verbatim ones with their padding) pass the checker")
    simulated = Measure("simulated streams of recorded answers pass the checker")
    produced = Measure("recorded sequences of blocks are produced, with their content")
    for row in rows:
        if row.streamed:
            checker.note(row.name, _wrong(row.answer.encode(), padded=row.verbatim))
        if row.message is None or not row.message.get("stop_reason"):
            continue
        recorded, turn = row.message, _turn(row.message)
        request = replace(row.request, body=json.dumps({**row.body, "stream": True}).encode())
        response = _simulator(trusted, lambda body, turn=turn: turn)(request)
        if _told(response)[0] != 200:
            continue  # counted above
        stream = body_of(response)
        wrong = _wrong(stream, padded=True)
        simulated.note(row.name, wrong)
        if not wrong:
            same = _contents(message(stream)["content"]) == _contents(recorded["content"])
            produced.note(row.name, "" if same else "other content")
    yield from (checker, simulated, produced)


def _wrong(stream: bytes, *, padded: bool) -> str:
    try:
        message(stream, padded=padded)
    except (WrongStreamError, ValueError) as error:
        return str(error).partition(":")[0]
    return ""


def _contents(blocks: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Blocks for comparison; ids are the simulator's own where it wrote the call."""
    ignored = ("id", "caller", "citations")
    return [
        {key: value for key, value in block.items() if key not in ignored or block.get("citations")} for block in blocks
    ]


def _keys(rows: Sequence[Row], trusted: set[str]) -> Iterator[Measure]:
    names = ("message_start", "its usage", "message_delta", "its usage and delta", "plain answers", "their usage")
    lines = {name: Measure(f"key sets of 2026: {name}") for name in names}
    headers = Measure("names of headers of 2026, where recordings kept them all")
    for row in rows:
        if not row.day.startswith("2026") or row.message is None or not row.message.get("stop_reason"):
            continue
        turn = _turn(row.message)
        response = _simulator(trusted, lambda body, turn=turn: turn, row.day)(row.request)
        if _told(response)[0] != 200:
            continue
        ours = _key_sets(body_of(response).decode(), streamed=row.streamed)
        for name, recorded in _key_sets(row.answer, streamed=row.streamed).items():
            lines[name].note(row.name, _difference(recorded, ours[name]))
        if row.raw["response_headers_fidelity"].startswith("full"):
            head = response[0]
            assert isinstance(head, Head)
            headers.note(row.name, _why_headers(_names(row.response_headers), _names(dict(head.headers))))
    yield from (*lines.values(), headers)


def _key_sets(answer: str, *, streamed: bool) -> dict[str, set[str]]:
    if not streamed:
        value = json.loads(answer)
        return {"plain answers": set(value), "their usage": set(value["usage"])}
    told = [json.loads(line[5:]) for line in answer.split("\n") if line.startswith("data:")]
    start = next(event for event in told if event["type"] == "message_start")
    delta = next(event for event in told if event["type"] == "message_delta")
    return {
        "message_start": set(start["message"]),
        "its usage": set(start["message"]["usage"]),
        "message_delta": set(delta),
        "its usage and delta": {*delta["usage"], *(f"delta.{key}" for key in delta["delta"])},
    }


def _names(headers: Mapping[str, str]) -> set[str]:
    return set(headers) - RECORDER_HEADERS - SOMETIMES


def _difference(recorded: set[str], ours: set[str]) -> str:
    more, less = sorted(ours - recorded), sorted(recorded - ours)
    parts = [f"recorded without {_listed(more)}"] if more else []
    return "; ".join([*parts, *([f"recorded with {_listed(less)}"] if less else [])])


def _why_headers(recorded: set[str], ours: set[str]) -> str:
    missing = ours - recorded
    ids = {"anthropic-organization-id", "request-id"}
    limits = {name for name in ours if "ratelimit-requests" in name}
    if recorded - ours or not missing <= ids | limits:
        return _difference(recorded, ours)
    return SCRUBBED if missing & ids else NO_LIMIT if missing else ""


def _listed(names: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(re.sub(r"(ratelimit-\w+)-.*", r"\1-*", name) for name in names))


def _tool_loops(rows: Sequence[Row], trusted: set[str]) -> Measure:
    line = Measure("tool loops: the same status at each step")
    for conversation in conversations([row for row in rows if row.path == MESSAGES]):
        simulator = _simulator(trusted)
        for before, row in pairwise(conversation):
            calls = {block.get("id") for block in (before.message or {}).get("content", ())}
            if not calls & set(_answered(row.body)):
                continue
            status, told = _told(simulator(row.request))
            same = status == row.status
            line.note(row.name, "" if same else f"{status}: {worded(json.dumps(told))[:100]}")
    return line


def _answered(body: Any) -> Iterator[str]:
    for part in body.get("messages", ()) if isinstance(body, dict) else ():
        content = part["content"] if isinstance(part["content"], list) else []
        yield from (block.get("tool_use_id", "") for block in content if block.get("type") == "tool_result")


def _caching(rows: Sequence[Row], trusted: set[str]) -> Iterator[Measure]:
    turns = Measure("prompt cache: reads and writes fall on the same turns")
    for conversation in conversations([row for row in rows if row.message is not None]):
        usages = [(row.message or {}).get("usage") or {} for row in conversation]
        if len(conversation) < 2 or not any(usage.get("cache_read_input_tokens") for usage in usages):
            continue
        for row, rule in _cached(conversation, usages, trusted):
            turns.note(row.name, rule)
    yield turns


def _cached(
    conversation: Sequence[Row], usages: Sequence[Mapping[str, Any]], trusted: set[str]
) -> Iterator[tuple[Row, str]]:
    """Each row with the rule that explains why it differs, or nothing. Time passes as the recorded dates say."""
    clock = VirtualClock()
    simulator = _simulator(trusted, clock=clock)
    warm = bool(usages[0].get("cache_read_input_tokens"))
    if warm:
        simulator.warm(conversation[0].request)
    marked: dict[str, int] = {}
    for index, (row, usage) in enumerate(zip(conversation, usages, strict=True)):
        before = conversation[index - 1] if index else row
        if row.date is not None and before.date is not None:
            clock.sleep(row.date - before.date)
        status, told = _told(simulator(_unstreamed(row)))
        prefix = segments(row.body, "")
        if status == 200:
            same = _fell(told["usage"]) == _fell(usage)
            yield row, "" if same else _why_cached(row, before, prefix, marked, warm=warm)
        marked |= {segment.hash: segment.tokens for segment in prefix if segment.mark}


def _why_cached(row: Row, before: Row, prefix: Sequence[Segment], marked: Mapping[str, int], *, warm: bool) -> str:
    """What a recording does not tell, in the order in which it decides. `marked` holds the length of each prefix."""
    usage = (row.message or {}).get("usage") or {}
    if any("server_tool_use" in ((one.message or {}).get("usage") or {}) for one in (row, before)):
        return SERVER_TOOLS
    known = {segment.hash for segment in prefix}
    if usage.get("cache_read_input_tokens") and not known & marked.keys():
        return WARM
    smallest = catalogue.find(row.body["model"]).smallest_cacheable_prefix
    if all(segment.tokens < smallest for segment in prefix if segment.mark):
        return TOO_FEW
    return WARM if warm and _reads_more(usage, prefix, marked) else UNEXPLAINED


def _reads_more(usage: Mapping[str, Any], prefix: Sequence[Segment], marked: Mapping[str, int]) -> bool:
    """Whether more was read than the recording had marked so far: shares of the prompt, since tokens are estimated."""
    kinds = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
    counted = [usage.get(kind) or 0 for kind in kinds]
    known = max((marked[segment.hash] for segment in prefix if segment.hash in marked), default=0)
    return counted[-1] / sum(counted) > known / prefix[-1].tokens


def _unstreamed(row: Row) -> Request:
    body = {key: value for key, value in row.body.items() if key != "stream"}
    return replace(row.request, body=json.dumps(body).encode())


def _fell(usage: Mapping[str, Any]) -> tuple[bool, bool]:
    return bool(usage.get("cache_read_input_tokens")), bool(usage.get("cache_creation_input_tokens"))
