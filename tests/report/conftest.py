"""Records of runs that never happened, for the tests of reports."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest

from flag_harness.flag import Flag
from flag_harness.matrix import Combination
from flag_harness.record import (
    CacheBreak,
    CacheTurn,
    CacheUse,
    LogCount,
    RequestRecord,
    RunHeader,
    RunRecord,
    RunRow,
    body_hash,
    flag_declaration,
)
from flag_harness.record.conversation import Conversation, ConversationTurn, MessagePart
from flag_harness.record.outline import BodyOutline, body_outline
from flag_harness.wire.usage import Usage

WORDS = Path(__file__).parents[2].joinpath("docs", "faults.md").read_text("utf-8").split()
"""The words of made-up texts, as frequent as in prose."""
FLAGS = ("streaming", "prompt_cache", "extended_output")


@pytest.fixture(scope="session")
def make_record() -> Callable[[int], RunRecord]:
    """Return a function that builds the record of so many tests under the eight combinations of three flags.

    Every fourth test fails if `streaming` is on and `prompt_cache` is off. All figures of a test differ a little.
    """
    return _make_record


@pytest.fixture(scope="session")
def make_matrix_record() -> Callable[..., RunRecord]:
    """Return a function that builds the record of tests under all combinations of flags.

    `flags` has the values of each flag, the default first. `reasons` has the name of each test, with a function that
    returns why it fails with these flags; empty if it passes.
    """
    return _make_matrix_record


def _make_matrix_record(
    flags: Mapping[str, Sequence[object]], reasons: Mapping[str, Callable[..., str]], **row: Any
) -> RunRecord:
    rows = []
    for test, values in product(reasons, product(*flags.values())):
        named = dict(zip(flags, values, strict=True))
        combination = Combination(_declare_flags(flags), tuple(map(list.index, map(list, flags.values()), values))).id
        reason = reasons[test](**named)
        rows.append(
            RunRow(
                case=f"test_a.py::{test}[{combination}]",
                combination=combination,
                outcome="failed" if reason else "passed",
                reason=reason,
                values=named,
                **row,
            )
        )
    declared = {flag.name: flag_declaration(flag) for flag in _declare_flags(flags)}
    return RunRecord(RunHeader(flags=declared, flag_order=tuple(flags)), tuple(sorted(rows, key=lambda row: row.key)))


def _declare_flags(flags: Mapping[str, Sequence[object]]) -> tuple[Flag, ...]:
    return tuple(
        Flag(name, env=name.upper(), default=values[0], values=tuple(values)) for name, values in flags.items()
    )


@pytest.fixture(scope="session")
def make_conversations() -> Callable[[RunRecord], dict[str, Conversation]]:
    """Return a function that makes up what each run of a record sent and received.

    All have the same system prompt and tools, all runs of a test its question and tool results, and each run has a last
    answer of its own.
    """
    return lambda record: {row.case: _conversation(row.case) for row in record.rows}


def _conversation(case: str) -> Conversation:
    question, calls, results = _passages_of_test(case.partition("[")[0])
    return Conversation(
        case,
        (
            ConversationTurn((*_instructions(), question), calls[0]),
            ConversationTurn((results[0],), calls[1]),
            ConversationTurn((results[1],), (_passage("assistant", "text", Random(case), 60),)),
        ),
    )


@cache
def _instructions() -> tuple[MessagePart, ...]:
    random = Random(1)
    return (_passage("system", "text", random, 600), *(_passage("tools", "tool", random, 120) for _ in range(6)))


@lru_cache(maxsize=1)
def _passages_of_test(test: str) -> tuple[MessagePart, list[tuple[MessagePart, MessagePart]], list[MessagePart]]:
    """Return the question of a test, its calls and their results."""
    random = Random(test)
    question, *results = (_passage("user", kind, random, 60) for kind in ("text", "tool_result", "tool_result"))
    calls = [(_passage("assistant", "text", random, 25), _passage("assistant", "tool_use", random, 12)) for _ in "12"]
    return question, calls, results


def _passage(role: str, kind: str, random: Random, words: int) -> MessagePart:
    text = " ".join(random.choice(WORDS) for _ in range(words))
    return MessagePart(role, kind, text, len(text))


def _make_record(tests: int) -> RunRecord:
    header = RunHeader(
        package="0.1.0",
        sdk="2.14.0",
        python="3.12.1",
        started_at="2026-11-28T09:00:00+00:00",
        seconds=12.5,
        commit="85b0a6b7fbbc32116327b8846a5fc1b9c2bdc5f2",
        options=("--harness-upstream=simulator", "--harness-record=run.jsonl"),
        flags={name: {"default": False, "values": [False, True], "env": name.upper()} for name in FLAGS},
    )
    rows = [_row(number, states) for number in range(tests) for states in product((False, True), repeat=len(FLAGS))]
    return RunRecord(header, tuple(sorted(rows, key=lambda row: (row.case, row.combination))))


def _row(number: int, states: tuple[bool, ...]) -> RunRow:
    values = dict(zip(FLAGS, states, strict=True))
    combination = "+".join(name for name, is_on in values.items() if is_on) or "off"
    has_failed = number % 4 == 0 and values["streaming"] and not values["prompt_cache"]
    requests = tuple(_request(number, values, turn) for turn in range(3))
    return RunRow(
        case=f"tests/test_area_{number // 50}.py::test_agent_answers_question_{number}[{combination}]",
        combination=combination,
        outcome="failed" if has_failed else "passed",
        requests=requests,
        usage=Usage(sum(one.usage.input_tokens for one in requests if one.usage), 300),
        cost=sum(one.cost for one in requests if one.cost),
        first_token=requests[0].first_token,
        seconds=sum(one.seconds for one in requests),
        cassette=f"recordings/test_area_{number // 50}/test_agent_answers_question_{number}[{combination}].json",
        recorded_from="simulator",
        recorded_at="2026-11-20T08:00:00Z",
        values=values,
        reason=f"AssertionError: assert 'refund {number % 7}' in answer" if has_failed else "",
        error_location=f"tests/test_area_{number // 50}.py:{10 + number % 50}" if has_failed else "",
        log_counts=(LogCount("ERROR", "agent", "the stream broke off: %s", 2),) if has_failed else (),
        cache_use=_cache_use(has_break=number % 3 == 0) if values["prompt_cache"] else None,
    )


def _cache_use(*, has_break: bool) -> CacheUse:
    first = CacheTurn(0, 0, 900, 300, 0, "nothing of this prompt was cached before", last_block_written="system[0]")
    turns = [first, CacheTurn(1, 900, 0, 700, last_block_read="system[0]")]
    if not has_break:
        return CacheUse((*turns, CacheTurn(2, 900, 0, 1100)), dollars_saved=0.0042)
    broken = CacheBreak(2, "system[0]", 31, "It is 12:03. You", "It is 12:04. You", 900, 0.0031)
    last = CacheTurn(2, 0, 900, 1100, 900, "system[0] changed at byte 31", last_block_written="system[0]")
    return CacheUse((*turns, last), (broken,), 900, -0.0012)


def _request(number: int, values: dict[str, bool], turn: int) -> RequestRecord:
    first = 0.2 + number % 13 / 100 if values["streaming"] else None
    tokens = 1200 + 400 * turn + number % 97 - 900 * values["prompt_cache"]
    return RequestRecord(
        "POST",
        "/v1/messages",
        200,
        body_hash(f"{number} {values} {turn}".encode()),
        "claude-sonnet-5-5",
        "end_turn" if turn == 2 else "tool_use",
        Usage(tokens, 100, cache_read_input_tokens=900 * values["prompt_cache"]),
        round(tokens * 3e-6 + 100 * 15e-6, 6),
        first,
        0.9 + number % 29 / 50 + turn / 10,
        12 if values["streaming"] else 1,
        body_outline=(*_shared_outline(turn, *values.values()), *_system_outline(number, values["prompt_cache"])),
        **_rhythm(number, turn, first, 0.9 + number % 29 / 50 + turn / 10),
    )


def _rhythm(number: int, turn: int, first: float | None, end: float) -> dict[str, Any]:
    """Return the rhythm of a stream, different in each run; empty without a first token."""
    if first is None:
        return {}
    draw = Random(f"{number} {turn}")
    moments = sorted(round(draw.uniform(first, end), 3) for _ in range(9))
    times = (0.0, round(first, 3), *moments, round(end, 3))
    gap = max(range(len(times) - 1), key=lambda index: times[index + 1] - times[index])
    return {"arrival_times": times, "longest_gap_start": times[gap], "longest_gap": times[gap + 1] - times[gap]}


@cache
def _shared_outline(turn: int, streaming: bool, prompt_cache: bool, extended_output: bool) -> BodyOutline:
    """Return the outline of what all tests send alike. The flags change what they do in real agents."""
    return body_outline(
        {
            "model": "claude-sonnet-5-5",
            "max_tokens": 16384 if extended_output else 4096,
            "stream": streaming,
            "messages": [{"role": "user", "content": f"Turn {count}"} for count in range(2 * turn + 1)],
        }
    )


@cache
def _system_outline(number: int, prompt_cache: bool) -> BodyOutline:
    """Return the end of the outline, which is the test's own."""
    mark = {"cache_control": {"type": "ephemeral"}} if prompt_cache else {}
    return body_outline({"system": [{"type": "text", "text": f"Answer question {number}.", **mark}]})
