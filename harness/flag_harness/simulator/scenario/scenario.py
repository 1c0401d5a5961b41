"""Scenarios: what the simulated model answers, as a readable TOML file and as frozen values.

This example shows every key. All keys are optional, except that each `[[turn]]` needs an answer. An unknown key is an
error that names the nearest known key.

```toml
title = "Which kernel is this?"                  # shown in error messages
commands = ["uname -s"]                          # what tools may run in a case with this scenario (exact strings)
refused_betas = ["prompt-caching-2024-07-31"]    # these values of the anthropic-beta header get a 400
refused_parameters = ["thinking"]                # these top-level keys of the body get a 400
keys = ["sk-test"]                               # any other API key gets a 401; without this line, all keys are valid
profile = "2025-11"                              # answers have the keys that the API's answers had in that month
paired = false                                   # each combination of flags draws random turns of its own; default true

[timing]                                         # in seconds, default 0.6 and 0.02; nothing really sleeps
first_token = 0.6                                # from the request to the start of the answer
per_event = 0.02                                 # between the events of a stream; other answers arrive at its end

[limits]                                         # per minute and model; a request above a limit gets a 429 with
requests = 50                                    # retry-after. A missing limit has its recorded value; without this
input_tokens = 50000                             # table, headers state the recorded limits and nothing is refused
output_tokens = 10000

[[turn]]                                         # the first turn that matches a request answers it
name = "asks for the kernel"                     # shown in error messages
when = { user_contains = "kernel", streaming = true }    # all must hold; without any, the turn always matches
thinking = "uname tells it."                     # sent first, if the model thinks
text = "I'll look."                              # sent second; a stream has it in several deltas
call = [{ name = "bash", input = { command = "uname -s" } }]     # sent last; [[turn.call]] tables work too
# stop_reason: by default "tool_use" if the turn has calls, else "end_turn". The SDK knows these, others are sent too:
#   end_turn, max_tokens, stop_sequence, tool_use, pause_turn, refusal, model_context_window_exceeded, compaction

[[turn]]
when = { result_contains = "Linux", nth = 1 }
text = "It is Linux."
timing = { first_token = 2.0, per_event = 0.1 }  # for this turn only
output_tokens = 40                               # instead of the estimate

[[turn]]                                         # a tool call that max_tokens cuts off
when = { user = "Write a long file" }
stop_reason = "max_tokens"
[[turn.call]]
name = "bash"
partial_json = '{"command": "cat <<EOF'          # the raw text of input_json_delta, instead of input; here invalid JSON
                                                 # (without a stream, input is {}, as in the API)

[[turn]]                                         # random answers: if the first turn that matches has a weight, one of
when = { user_contains = "refund" }              # the turns with a weight and the same conditions is drawn
weight = 0.95
text = "It is refunded."

[[turn]]
when = { user_contains = "refund" }
weight = 0.05
text = "I cannot do that."

[[turn]]                                         # content blocks in any order, instead of thinking, text and call
when = { user_matches = "(?i)^step by step" }
block = [
  { thinking = "One." },                         # thinking = "" sends the signature without the text
  { redacted_thinking = "opaque" },              # this text becomes the block's encrypted data
  { text = "First" },
  { call = { name = "bash", input = { command = "true" } } },
  { raw = { type = "web_search_tool_result", tool_use_id = "srvtoolu_01", content = [] } },   # sent unchanged
]

[[turn]]                                         # an answer without blocks, as the API sends now and then
when = { user = "Say nothing" }
block = []

[[turn]]                                         # an error instead of an answer
when = { user = "Too fast", nth = [1, 2] }       # the first and second time that the other conditions hold
error = { status = 429, type = "rate_limit_error", message = "Slow down.", headers = { retry-after = "2" } }
```

The conditions of `when` (the "last message" is the last user message of the request):

| key | holds if |
|---|---|
| `user`, `user_contains`, `user_matches` | the text of the last message equals, contains or matches this value |
| `prompt_contains` | the newest user text contains this value, even if only tool results follow that text |
| `result`, `result_contains`, `result_matches` | the same for the text of a tool_result in the last message |
| `result_is_error` | true: a tool_result of the last message has `is_error`; false: there are some, and none has it |
| `result_of` | the last message has a tool_result for a call of the tool with this name |
| `results` | the last message has this number of tool_results |
| `system_contains` | the text of the system prompt contains this value |
| `streaming` | the body asks for a stream (true) or does not (false) |
| `thinking` | the body asks for thinking, enabled or adaptive (true), or does not (false) |
| `tool` | the request offers a tool with this name |
| `beta` | the anthropic-beta header contains this value |
| `model` | the body names this model |
| `has`, `lacks` | the body has all / none of these top-level keys |
| `nth` | the turn's other conditions hold for the n-th time, counted from 1; a number or a list of numbers |

A request that no turn matches gets a 400 of the type `scenario_has_no_turn`, and its test fails with a message that
names the turns and the one to add.

What a scenario says is accepted when the client sends it back: answers without thinking, raw blocks, paused answers. As
in the API, three kinds of answers cannot be followed by another message unless the client repairs them: answers without
blocks, texts of white space, and server tool calls without a result.

Message Batches (a batch ends with the second retrieval of its status), the Files API and message threads are answered
too, and so are the paths of Vertex AI and of Bedrock, whose streams have the framing of AWS. Turns answer the requests
of a batch when it ends.

A random turn depends on the seed (`--harness-seed=N`), the test, its repetition and the index of the request in the
test, but not on the request or the flags: both arms of a comparison draw the same number, even if a flag edits the
body. Turns share the numbers from 0 to 1 in the order of the file. The live API has no such pairs; `paired = false`
does without them here too.

Several text blocks are joined by newlines. Patterns are Python regular expressions, searched anywhere in the text
(`re.search`).

`flag-harness scenario from CASSETTE -o fixtures/scenarios/NAME.toml` writes the scenario that gives the answers of a
recording.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from flag_harness.simulator.answer.profiles import LATEST_MONTH

STOP_REASONS = (
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
    "compaction",
)
"""The stop reasons that the SDK knows (types of anthropic 2.14). Scenarios may use others, as the API may."""


class _FrozenStruct(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base class of the values in a scenario file. They cannot be changed, and an unknown key is an error."""


class AnswerTiming(_FrozenStruct, frozen=True):
    """The times of an answer in seconds: from the request to the first token, and between two events."""

    first_token: float = 0.6
    per_event: float = 0.02


class RateLimits(_FrozenStruct, frozen=True):
    """Rate limits per minute for each model. 0 stands for the limit that recordings of 2026 show."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class ScriptedToolCall(_FrozenStruct, frozen=True):
    """A tool call with its `input`, or with `partial_json`, the incomplete JSON of an input that is cut off."""

    name: str
    input: dict[str, Any] | None = None
    partial_json: str | None = None


class ScriptedBlock(_FrozenStruct, frozen=True):
    """One content block of an answer. Exactly one field is set: the kind of block."""

    thinking: str | None = None
    redacted_thinking: str | None = None
    text: str | None = None
    call: ScriptedToolCall | None = None
    raw: dict[str, Any] | None = None


class ErrorAnswer(_FrozenStruct, frozen=True):
    """An error response of a turn. `headers` are added to the usual ones."""

    status: int
    type: str
    message: str
    headers: dict[str, str] = {}


class TurnConditions(_FrozenStruct, frozen=True):
    """The conditions that a request must meet for a turn to answer it. Conditions that are not set are not checked.

    The docstring of this module explains each of them.
    """

    user: str | None = None
    user_contains: str | None = None
    user_matches: str | None = None
    prompt_contains: str | None = None
    result: str | None = None
    result_contains: str | None = None
    result_matches: str | None = None
    result_is_error: bool | None = None
    result_of: str | None = None
    results: int | None = None
    system_contains: str | None = None
    streaming: bool | None = None
    thinking: bool | None = None
    tool: str | None = None
    beta: str | None = None
    model: str | None = None
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()
    nth: int | tuple[int, ...] = ()


class ScenarioTurn(_FrozenStruct, frozen=True, rename={"calls": "call", "blocks": "block"}):
    """One answer of a scenario. It answers the requests that meet the conditions in `when`."""

    name: str = ""
    when: TurnConditions = TurnConditions()
    thinking: str | None = None
    text: str | None = None
    calls: tuple[ScriptedToolCall, ...] = ()
    blocks: tuple[ScriptedBlock, ...] | None = None
    error: ErrorAnswer | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    output_tokens: int | None = None
    timing: AnswerTiming | None = None
    weight: float | None = None

    @property
    def content(self) -> tuple[ScriptedBlock, ...]:
        """The blocks of the answer in the order in which they are sent."""
        if self.blocks is not None:
            return self.blocks
        thinking = () if self.thinking is None else (ScriptedBlock(thinking=self.thinking),)
        text = () if self.text is None else (ScriptedBlock(text=self.text),)
        return (*thinking, *text, *(ScriptedBlock(call=call) for call in self.calls))

    @property
    def final_stop_reason(self) -> str:
        """The stop reason of the turn. By default it is `tool_use` if the turn has a call, else `end_turn`."""
        if self.stop_reason is not None:
            return self.stop_reason
        return "tool_use" if any(block.call is not None for block in self.content) else "end_turn"


class Scenario(_FrozenStruct, frozen=True, rename={"turns": "turn"}):
    """The settings and turns that say how the simulated API answers. The docstring of this module explains each key."""

    turns: tuple[ScenarioTurn, ...] = ()
    title: str = ""
    commands: tuple[str, ...] = ()
    refused_betas: tuple[str, ...] = ()
    refused_parameters: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    profile: str = LATEST_MONTH
    paired: bool = True
    timing: AnswerTiming = AnswerTiming()
    limits: RateLimits | None = None


STRUCT_BY_TABLE_NAME: Mapping[str, type[msgspec.Struct]] = {
    "turn": ScenarioTurn,
    "when": TurnConditions,
    "call": ScriptedToolCall,
    "block": ScriptedBlock,
    "error": ErrorAnswer,
    "timing": AnswerTiming,
    "limits": RateLimits,
}
"""The type of each kind of table in a scenario file, by its name."""
