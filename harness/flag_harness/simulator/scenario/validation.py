"""What is wrong with a scenario or a turn beyond its keys and types: the key, and what to write in its place."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from flag_harness.simulator.scenario.scenario import (
    Block,
    Call,
    Error,
    Limits,
    Scenario,
    StopReason,
    Timing,
    Turn,
    When,
)

_PROFILE = re.compile(r"20\d\d-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?")
_NEEDED: Mapping[str, Mapping[str, type]] = {
    "compaction": {"content": object},
    "redacted_thinking": {"data": str},
    "text": {"text": str},
    "thinking": {"thinking": str, "signature": str},
    **{key: {"id": str, "name": str, "input": dict} for key in ("tool_use", "server_tool_use", "mcp_tool_use")},
}
"""What a block of each type must have to be sent and counted."""


class Problem(NamedTuple):
    """The key that is wrong, and the words for it."""

    key: str
    words: str


def settings_problem(scenario: Scenario) -> Problem | None:
    """What is wrong with a scenario beside its turns."""
    if not _PROFILE.fullmatch(scenario.profile):
        return Problem(
            "profile", f'profile = {scenario.profile!r} is no month or day, such as "2025-11" or "2026-02-06"'
        )
    return _timing_problem(scenario.timing) or _negative("limits", scenario.limits)


def turn_problem(turn: Turn) -> Problem | None:
    """What is wrong with a turn."""
    return (
        _answer_problem(turn)
        or _when_problem(turn.when)
        or _blocks_problem(turn)
        or _ending_problem(turn)
        or (_error_problem(turn.error) if turn.error is not None else None)
        or (_timing_problem(turn.timing) if turn.timing is not None else None)
        or (_counted_problem(turn.output_tokens) if turn.output_tokens is not None else None)
    )


def _answer_problem(turn: Turn) -> Problem | None:
    flat = [key for key, value in (("thinking", turn.thinking), ("text", turn.text), ("call", turn.calls)) if value]
    if turn.error is not None and (flat or turn.blocks):
        beside = (flat or ["block"])[0]
        return Problem("error", f"it has an error and {beside!r}; an error is the whole answer, make it two turns")
    if turn.blocks and flat:
        return Problem("block", f"it has 'block' and {flat[0]!r}; put {flat[0]!r} among the blocks")
    if turn.error is None and not turn.content and turn.stop_reason is None:
        return Problem("when", "it answers nothing; give it text, thinking, call, block, error, or a stop_reason")
    return None


def _when_problem(when: When) -> Problem | None:
    for key, pattern in (("user_matches", when.user_matches), ("result_matches", when.result_matches)):
        try:
            re.compile(pattern or "")
        except re.error as error:
            return Problem(key, f"when.{key} = {pattern!r} is not a regular expression: {error}")
    numbers = (when.nth,) if isinstance(when.nth, int) else when.nth
    if any(number < 1 for number in numbers):
        return Problem("nth", f"when.nth = {when.nth!r} counts from 1")
    return None


def _blocks_problem(turn: Turn) -> Problem | None:
    for index, block in enumerate(turn.content):
        if sum(value is not None for value in msgspec.structs.astuple(block)) != 1:
            return Problem("block", f"block[{index}] must have exactly one key of {', '.join(Block.__struct_fields__)}")
        problem = None
        if block.call is not None:
            problem = _call_problem(block.call, turn.ends_with)
        elif block.raw is not None:
            problem = _raw_problem(index, block.raw)
        if problem is not None:
            return problem
    return None


def _call_problem(call: Call, stop_reason: str) -> Problem | None:
    if (call.input is None) == (call.partial_json is None):
        return Problem("call", f"the call of {call.name!r} needs either input = {{...}} or partial_json = '...'")
    if call.partial_json is not None and stop_reason != "max_tokens":
        words = f'the call of {call.name!r} has partial_json, a call that was cut; add stop_reason = "max_tokens"'
        return Problem("partial_json", words)
    return None


def _raw_problem(index: int, raw: Mapping[str, Any]) -> Problem | None:
    kind = raw.get("type")
    if not isinstance(kind, str) or not kind:
        return Problem("raw", f'block[{index}].raw is sent as it stands, and needs a type = "..."')
    for key, needed in _NEEDED.get(kind, {}).items():
        if key not in raw or not isinstance(raw[key], needed):
            return Problem("raw", f"block[{index}].raw of type {kind!r} needs {key} = {_SHOWN.get(needed, '...')}")
    return None


_SHOWN: Mapping[type, str] = {str: '"..."', dict: "{...}"}


def _ending_problem(turn: Turn) -> Problem | None:
    calls = any(block.call is not None or (block.raw or {}).get("type") == "tool_use" for block in turn.content)
    reason: StopReason = turn.ends_with
    if reason == "tool_use" and not calls:
        return Problem("stop_reason", 'stop_reason = "tool_use", but it calls no tool; add a call, or leave it out')
    if turn.stop_reason == "end_turn" and calls:
        return Problem("stop_reason", 'stop_reason = "end_turn", but it calls a tool; leave it out, or the call')
    if turn.stop_sequence is not None and reason != "stop_sequence":
        words = f'stop_sequence = {turn.stop_sequence!r} ends an answer; add stop_reason = "stop_sequence"'
        return Problem("stop_sequence", words)
    return None


def _error_problem(error: Error) -> Problem | None:
    if 400 <= error.status <= 599:
        return None
    return Problem("status", f"error.status = {error.status} is no error; take one from 400 to 599")


def _timing_problem(timing: Timing) -> Problem | None:
    for key in Timing.__struct_fields__:
        seconds = getattr(timing, key)
        if not math.isfinite(seconds) or seconds < 0:
            return Problem(key, f"timing.{key} = {seconds} is no number of seconds, 0 or more")
    return None


def _counted_problem(tokens: int) -> Problem | None:
    return None if tokens >= 0 else Problem("output_tokens", f"output_tokens = {tokens} counts from 0")


def _negative(name: str, limits: Limits | None) -> Problem | None:
    keys: Iterable[str] = () if limits is None else Limits.__struct_fields__
    wrong = next((key for key in keys if getattr(limits, key) < 0), None)
    return None if wrong is None else Problem(wrong, f"{name}.{wrong} = {getattr(limits, wrong)} counts from 0")
