"""Judge what an agent does with the results of its tools."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from flag_harness.sweep.judge.observation import ObservedExchange, ObservedToolCall, TestObservation
from flag_harness.sweep.judge.turns import request_blocks_with_role

TOOL_ERROR_MESSAGE = "the sweep makes this tool fail"
"""The message of the exception that a tool raises under a trouble."""
_ERROR_WORDS_PATTERN = re.compile(r"error|fail|exception|could not|cannot|unable", re.IGNORECASE)
_ToolNameAndInput: TypeAlias = tuple[str, str]
"""The name of a tool, and its input as JSON."""


def find_hidden_tool_error(observed: TestObservation, baseline: TestObservation) -> str:
    """Return a message if a tool failed but the model was not told so, or an empty string."""
    for index, call in enumerate(observed.tool_calls):
        if call.error != TOOL_ERROR_MESSAGE or _is_repeated_successfully(call, observed.tool_calls[index + 1 :]):
            continue
        results = [*_results_in_next_prompt(observed, call)]
        if results and not any(map(_shows_error, results)):
            return f"{call.name} raised an exception, and the model got a result that does not say so"
    return ""


def _is_repeated_successfully(call: ObservedToolCall, later: Iterable[ObservedToolCall]) -> bool:
    """Return whether the agent, before its next request, called the same tool again and that call succeeded."""
    return any(
        one.name == call.name and one.earlier_request_count == call.earlier_request_count and not one.error
        for one in later
    )


def _results_in_next_prompt(observed: TestObservation, call: ObservedToolCall) -> Iterator[Mapping[str, Any]]:
    """Yield the tool results in the last message of the first prompt after a tool call."""
    for one in observed.exchanges[call.earlier_request_count :]:
        if one.is_prompt and one.call_number == call.call_number:
            content = one.body["messages"][-1].get("content") if one.body["messages"] else None
            blocks = content if isinstance(content, list) else ()
            yield from (block for block in blocks if isinstance(block, dict) and block.get("type") == "tool_result")
            return


def _shows_error(result: Mapping[str, Any]) -> bool:
    """Return whether a tool result says that the tool failed."""
    return bool(result.get("is_error")) or _ERROR_WORDS_PATTERN.search(_result_text(result)) is not None


def find_mixed_up_results(observed: TestObservation, baseline: TestObservation) -> str:
    """Return a message if a tool call got the result that belongs to another call in the baseline, or an empty
    string.
    """
    known: dict[_ToolNameAndInput, set[str]] = defaultdict(set)
    for call, content in _calls_with_results(baseline.prompts()):
        known[call].add(content)
    if len(known) < 2:
        return ""
    for call, content in _calls_with_results(observed.prompts()):
        others = [other for other, contents in known.items() if other != call and content in contents]
        if others and call in known and content not in known[call]:
            return f"the result of {' '.join(others[0])} was sent for the call {' '.join(call)}"
    return ""


def _calls_with_results(prompts: Iterable[ObservedExchange]) -> Iterator[tuple[_ToolNameAndInput, str]]:
    """Yield each tool call (name and input) whose result is in a request, with the text of the result."""
    for one in prompts:
        calls = {
            block.get("id"): (str(block.get("name")), json.dumps(block.get("input"), sort_keys=True))
            for block in request_blocks_with_role(one, "assistant")
            if block.get("type") == "tool_use"
        }
        for block in request_blocks_with_role(one, "user"):
            if block.get("type") == "tool_result" and block.get("tool_use_id") in calls:
                yield calls[block["tool_use_id"]], _result_text(block)


def _result_text(result: Mapping[str, Any]) -> str:
    """Return the content of a tool result as JSON text."""
    return json.dumps(result.get("content"))
