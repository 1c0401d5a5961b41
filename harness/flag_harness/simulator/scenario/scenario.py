"""A scenario: what the simulated model says to whom, as a readable TOML file and as frozen values.

Every key, by example (all are optional but `[[turn]]`'s answer; unknown keys are refused with the nearest one named):

```toml
title = "Which kernel is this?"                  # shown in errors
commands = ["uname -s"]                          # what tools may run in a case that uses this scenario (exact strings)
refused_betas = ["prompt-caching-2024-07-31"]    # these values of the anthropic-beta header are answered with a 400
refused_parameters = ["thinking"]                # these top-level body keys are answered with a 400
keys = ["sk-test"]                               # every other key is answered with a 401; without this line none is
profile = "2025-11"                              # answers have the keys that the API's had in that month

[timing]                                         # seconds; defaults 0.6 and 0.02. They are data: nothing sleeps here
first_token = 0.6                                # from the request to the head of the answer
per_event = 0.02                                 # between the events of a stream; a plain answer waits for all of them

[limits]                                         # per minute and model; without this table headers state the recorded
requests = 50                                    # ones and nothing is refused. What is exceeded is answered with a 429
input_tokens = 50000                             # and retry-after; what is left out is not limited beyond the recorded
output_tokens = 10000

[[turn]]                                         # turns are tried from first to last; the first that fits answers
name = "asks for the kernel"                     # shown in errors
when = { user_contains = "kernel", streaming = true }    # conditions, all of which must hold; none: fits always
thinking = "uname tells it."                     # sent (first) only where the model thinks: asked, or unasked
text = "I'll look."                              # sent second, in several deltas where it streams
call = [{ name = "bash", input = { command = "uname -s" } }]     # sent last; also as [[turn.call]] tables
# stop_reason: "tool_use" where the turn has calls, else "end_turn", unless said:
#   end_turn, max_tokens, stop_sequence, tool_use, pause_turn, refusal, model_context_window_exceeded

[[turn]]
when = { result_contains = "Linux", nth = 1 }
text = "It is Linux."
timing = { first_token = 2.0, per_event = 0.1 }  # for this turn alone
output_tokens = 40                               # instead of the estimate

[[turn]]                                         # a tool call that max_tokens cuts
when = { user = "Write a long file" }
stop_reason = "max_tokens"
[[turn.call]]
name = "bash"
partial_json = '{"command": "cat <<EOF'          # raw input_json_delta text, in place of input; not valid JSON here
                                                 # (without a stream the API sends input = {} for it, and so do we)

[[turn]]                                         # content blocks in any order, in place of thinking, text and call
when = { user_matches = "(?i)^step by step" }
block = [
  { thinking = "One." },                         # thinking = "" is omitted thinking: the signature alone
  { redacted_thinking = "opaque" },              # its text becomes the block's encrypted data
  { text = "First" },
  { call = { name = "bash", input = { command = "true" } } },
  { raw = { type = "web_search_tool_result", tool_use_id = "srvtoolu_01", content = [] } },   # sent as it stands
]

[[turn]]                                         # an error in place of an answer
when = { user = "Too fast", nth = [1, 2] }       # the first and second time that the other conditions hold
error = { status = 429, type = "rate_limit_error", message = "Slow down.", headers = { retry-after = "2" } }
```

The conditions of `when` ("last message" is the request's last, a user's):

| key | holds where |
|---|---|
| `user`, `user_contains`, `user_matches` | the text blocks of the last message, joined by newlines, do |
| `asked_contains` | the newest user text of the conversation contains it, also while tool results come in |
| `result`, `result_contains`, `result_matches` | the text of one tool_result in the last message does |
| `result_is_error` | a tool_result of the last message has `is_error` (true); there are some and none has it (false) |
| `result_of` | a tool_result of the last message answers a call of the tool with this name |
| `results` | the last message holds this many tool_results (0: none) |
| `system_contains` | the system prompt's text contains it |
| `streaming` | the body asks for a stream (true) or does not (false) |
| `thinking` | the body asks for thinking, enabled or adaptive (true), or does not (false) |
| `tool` | a tool of this name is offered |
| `beta` | the anthropic-beta header names it |
| `model` | the body's model is this one |
| `has`, `lacks` | lists of top-level body keys that are all there / all missing |
| `nth` | a number or list: the n-th time (from 1) that this turn's other conditions hold |

Patterns are Python's, searched anywhere (`re.search`).
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from flag_harness.simulator.answer.profiles import LATEST

StopReason = Literal[
    "end_turn",
    "max_tokens",
    "stop_sequence",
    "tool_use",
    "pause_turn",
    "refusal",
    "model_context_window_exceeded",
]


class _Value(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A frozen value that crosses a file."""


class Timing(_Value, frozen=True):
    """The rhythm of answers, in seconds."""

    first_token: float = 0.6
    per_event: float = 0.02


class Limits(_Value, frozen=True):
    """Budgets per minute, of each model; 0 is the recorded one."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


class Call(_Value, frozen=True):
    """One tool call: with its `input`, or with raw `partial_json` where the call is cut."""

    name: str
    input: dict[str, Any] | None = None
    partial_json: str | None = None


class Block(_Value, frozen=True):
    """One content block of an answer; exactly one field is set."""

    thinking: str | None = None
    redacted_thinking: str | None = None
    text: str | None = None
    call: Call | None = None
    raw: dict[str, Any] | None = None


class Error(_Value, frozen=True):
    """An error reply. `headers` are added to the API's own."""

    status: int
    type: str
    message: str
    headers: dict[str, str] = {}


class When(_Value, frozen=True):
    """Conditions on a request; what is None is not asked. See the module's table."""

    user: str | None = None
    user_contains: str | None = None
    user_matches: str | None = None
    asked_contains: str | None = None
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


class Turn(_Value, frozen=True, rename={"calls": "call", "blocks": "block"}):
    """What is answered to the requests that `when` describes."""

    name: str = ""
    when: When = When()
    thinking: str | None = None
    text: str | None = None
    calls: tuple[Call, ...] = ()
    blocks: tuple[Block, ...] = ()
    error: Error | None = None
    stop_reason: StopReason | None = None
    stop_sequence: str | None = None
    output_tokens: int | None = None
    timing: Timing | None = None

    @property
    def content(self) -> tuple[Block, ...]:
        """The answer's blocks in the order in which they are sent, thinking among them."""
        if self.blocks:
            return self.blocks
        thinking = () if self.thinking is None else (Block(thinking=self.thinking),)
        text = () if self.text is None else (Block(text=self.text),)
        return (*thinking, *text, *(Block(call=call) for call in self.calls))

    @property
    def ends_with(self) -> StopReason:
        """The stop reason: what the turn says, else what its blocks imply."""
        if self.stop_reason is not None:
            return self.stop_reason
        return "tool_use" if any(block.call is not None for block in self.content) else "end_turn"


class Scenario(_Value, frozen=True, rename={"turns": "turn"}):
    """Everything that one simulated API says and refuses. `source` is where it was read from, for messages."""

    turns: tuple[Turn, ...] = ()
    title: str = ""
    commands: tuple[str, ...] = ()
    refused_betas: tuple[str, ...] = ()
    refused_parameters: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    profile: str = LATEST
    timing: Timing = Timing()
    limits: Limits | None = None


Tables: Mapping[str, type[msgspec.Struct]] = {
    "turn": Turn,
    "when": When,
    "call": Call,
    "block": Block,
    "error": Error,
    "timing": Timing,
    "limits": Limits,
}
"""Which value each table of a scenario file becomes."""
