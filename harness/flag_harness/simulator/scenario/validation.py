"""Finds mistakes in scenarios that are neither unknown keys nor wrong types."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from flag_harness.simulator.scenario.scenario import (
    STOP_REASONS,
    AnswerTiming,
    ErrorAnswer,
    RateLimits,
    Scenario,
    ScenarioTurn,
    ScriptedBlock,
    ScriptedToolCall,
    TurnConditions,
)

_PROFILE_PATTERN = re.compile(r"20\d\d-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?")
_REQUIRED_KEYS: Mapping[str, Mapping[str, type]] = {
    "compaction": {"content": object},
    "redacted_thinking": {"data": str},
    "text": {"text": str},
    "thinking": {"thinking": str, "signature": str},
    **{key: {"id": str, "name": str, "input": dict} for key in ("tool_use", "server_tool_use", "mcp_tool_use")},
}
"""For each type of raw block, the keys that it must have, with the types of their values. A block without them cannot
be sent, or its tokens cannot be counted.
"""


class ScenarioProblem(NamedTuple):
    """A mistake in a scenario: the key that contains it, and a message that says what to write instead."""

    key: str
    message: str


def settings_problem(scenario: Scenario) -> ScenarioProblem | None:
    """Return the first mistake in the settings of a scenario (all but its turns), or None."""
    if not _PROFILE_PATTERN.fullmatch(scenario.profile):
        return ScenarioProblem(
            "profile", f'profile = {scenario.profile!r} is not a month or day such as "2025-11" or "2026-02-06"'
        )
    return _timing_problem(scenario.timing) or _limits_problem("limits", scenario.limits)


def turn_problem(turn: ScenarioTurn) -> ScenarioProblem | None:
    """Return the first mistake in a turn, or None."""
    return (
        _answer_problem(turn)
        or _conditions_problem(turn.when)
        or _blocks_problem(turn)
        or _stop_reason_problem(turn)
        or (_error_problem(turn.error) if turn.error is not None else None)
        or (_timing_problem(turn.timing) if turn.timing is not None else None)
        or (_weight_problem(turn.weight) if turn.weight is not None else None)
        or (_output_tokens_problem(turn.output_tokens) if turn.output_tokens is not None else None)
    )


def _answer_problem(turn: ScenarioTurn) -> ScenarioProblem | None:
    """Return a `ScenarioProblem` if a turn has no answer or more than one, or None."""
    flat = [key for key, value in (("thinking", turn.thinking), ("text", turn.text), ("call", turn.calls)) if value]
    if turn.error is not None and (flat or turn.blocks is not None):
        beside = (flat or ["block"])[0]
        return ScenarioProblem("error", f"it has both an error and {beside!r}; split it into two turns")
    if turn.blocks is not None and flat:
        return ScenarioProblem("block", f"it has both 'block' and {flat[0]!r}; move {flat[0]!r} into the blocks")
    if turn.error is None and not turn.content and turn.blocks is None and turn.stop_reason is None:
        return ScenarioProblem("when", "it has no answer; add text, thinking, call, block, error or stop_reason")
    return None


def _conditions_problem(when: TurnConditions) -> ScenarioProblem | None:
    for key, pattern in (("user_matches", when.user_matches), ("result_matches", when.result_matches)):
        try:
            re.compile(pattern or "")
        except re.error as error:
            return ScenarioProblem(key, f"when.{key} = {pattern!r} is not a regular expression: {error}")
    numbers = (when.nth,) if isinstance(when.nth, int) else when.nth
    if any(number < 1 for number in numbers):
        return ScenarioProblem("nth", f"when.nth = {when.nth!r} must be at least 1")
    return None


def _blocks_problem(turn: ScenarioTurn) -> ScenarioProblem | None:
    for index, block in enumerate(turn.content):
        if sum(value is not None for value in msgspec.structs.astuple(block)) != 1:
            return ScenarioProblem(
                "block",
                f"block[{index}] must have exactly one of the keys {', '.join(ScriptedBlock.__struct_fields__)}",
            )
        problem = None
        if block.call is not None:
            problem = _call_problem(block.call, turn.final_stop_reason)
        elif block.raw is not None:
            problem = _raw_block_problem(index, block.raw)
        if problem is not None:
            return problem
    return None


def _call_problem(call: ScriptedToolCall, stop_reason: str) -> ScenarioProblem | None:
    if (call.input is None) == (call.partial_json is None):
        return ScenarioProblem(
            "call", f"the call of {call.name!r} needs either input = {{...}} or partial_json = '...'"
        )
    if call.partial_json is not None and stop_reason != "max_tokens":
        message = (
            f'the call of {call.name!r} has partial_json, for a call that is cut off; add stop_reason = "max_tokens"'
        )
        return ScenarioProblem("partial_json", message)
    return None


def _raw_block_problem(index: int, raw: Mapping[str, Any]) -> ScenarioProblem | None:
    kind = raw.get("type")
    if not isinstance(kind, str) or not kind:
        return ScenarioProblem("raw", f'block[{index}].raw is sent unchanged and needs type = "..."')
    for key, needed in _REQUIRED_KEYS.get(kind, {}).items():
        if key not in raw or not isinstance(raw[key], needed):
            return ScenarioProblem(
                "raw", f"block[{index}].raw of type {kind!r} needs {key} = {_EXAMPLE_BY_TYPE.get(needed, '...')}"
            )
    return None


_EXAMPLE_BY_TYPE: Mapping[type, str] = {str: '"..."', dict: "{...}"}


def _stop_reason_problem(turn: ScenarioTurn) -> ScenarioProblem | None:
    calls = any(block.call is not None or (block.raw or {}).get("type") == "tool_use" for block in turn.content)
    reason = turn.final_stop_reason
    meant = next(
        (
            name
            for name in STOP_REASONS
            if _lower_case_name_without_separators(name) == _lower_case_name_without_separators(reason)
        ),
        reason,
    )
    if not reason or meant != reason:
        return ScenarioProblem("stop_reason", f"stop_reason = {reason!r} is none of the API's; write {meant!r}")
    if reason == "tool_use" and not calls:
        return ScenarioProblem(
            "stop_reason", 'stop_reason = "tool_use", but the turn has no call; add one or remove stop_reason'
        )
    if turn.stop_reason == "end_turn" and calls:
        return ScenarioProblem("stop_reason", 'stop_reason = "end_turn", but the turn has a call; remove one of them')
    if turn.stop_sequence is not None and reason != "stop_sequence":
        message = f'stop_sequence = {turn.stop_sequence!r} needs stop_reason = "stop_sequence"'
        return ScenarioProblem("stop_sequence", message)
    return None


def _lower_case_name_without_separators(name: str) -> str:
    """Return a name in lower case without separators.

    So `endTurn` and `end-turn`, the spellings of other programming languages, are recognised as `end_turn`.
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _error_problem(error: ErrorAnswer) -> ScenarioProblem | None:
    if 400 <= error.status <= 599:
        return None
    return ScenarioProblem("status", f"error.status = {error.status} is not an error; use one from 400 to 599")


def _timing_problem(timing: AnswerTiming) -> ScenarioProblem | None:
    for key in AnswerTiming.__struct_fields__:
        seconds = getattr(timing, key)
        if not math.isfinite(seconds) or seconds < 0:
            return ScenarioProblem(key, f"timing.{key} = {seconds} must be a number of seconds, 0 or more")
    return None


def _output_tokens_problem(tokens: int) -> ScenarioProblem | None:
    return None if tokens >= 0 else ScenarioProblem("output_tokens", f"output_tokens = {tokens} must be at least 0")


def _weight_problem(weight: float) -> ScenarioProblem | None:
    if math.isfinite(weight) and weight > 0:
        return None
    return ScenarioProblem("weight", f"weight = {weight} must be a number above 0, such as 0.95")


def _limits_problem(name: str, limits: RateLimits | None) -> ScenarioProblem | None:
    keys: Iterable[str] = () if limits is None else RateLimits.__struct_fields__
    wrong = next((key for key in keys if getattr(limits, key) < 0), None)
    return (
        None
        if wrong is None
        else ScenarioProblem(wrong, f"{name}.{wrong} = {getattr(limits, wrong)} must be at least 0")
    )
