"""Events of the agent, as values that a screen, a log or a test can consume.

Every event has `at`: seconds on the agent's clock.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

from flag_harness.wire.usage import Usage


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A part of the answer's text as it arrives, or a whole text block if the answer is not streamed."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """A part of the model's thinking as it arrives, or a whole block if the answer is not streamed."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The model calls a tool. The tool has not run yet, and its input is unchecked."""

    at: float
    id: str
    name: str
    input: Any


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The result of a tool call, as it is sent to the model."""

    at: float
    id: str
    content: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class RequestUsage:
    """A request was answered. `usage` has its tokens, and `session_total` those of all requests of the session.

    `first_token_seconds` is the seconds from sending the request to the first delta (or to the answer, without
    streaming), None if the answer was empty; `total_seconds` is the seconds to the end of the answer.
    """

    at: float
    usage: Usage
    session_total: Usage
    first_token_seconds: float | None
    total_seconds: float


@dataclass(frozen=True, slots=True)
class TurnDiscarded:
    """The answer so far was discarded: ignore all its deltas. Another attempt may follow.

    `usage` has the tokens of the discarded answer, which the session's total includes.
    """

    at: float
    reason: str
    usage: Usage = Usage()  # noqa: RUF009 - a frozen value


@dataclass(frozen=True, slots=True)
class FeatureDropped:
    """The API refused a beta or parameter. The session continues without it, and without tools that need it."""

    at: float
    feature: str
    reason: str


@dataclass(frozen=True, slots=True)
class BlockDropped:
    """The API refused a block of an earlier answer, which is removed. `block_type` is the block's type."""

    at: float
    block_type: str
    reason: str


@dataclass(frozen=True, slots=True)
class WaitingForRetry:
    """The agent waits before it tries again."""

    at: float
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class RestoreNote:
    """The transition prompt: a note to the model about repairs and changed flags, put before the user's text after a
    restore.
    """

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is complete. `stop_reason` is that of the last answer, such as `end_turn`."""

    at: float
    stop_reason: str


@dataclass(frozen=True, slots=True)
class AgentError:
    """The turn could not be completed. The user's turn is kept, and the session can continue.

    `kind` is one of: `busy` (another send is running; this one changed nothing), `limit` (settings that the API would
    refuse; nothing was sent), `request` (refused because of its content), `credentials`, `rate_limit`, `overloaded`,
    `server`, `connection`, `broken_answer` (cut, garbled or empty), `truncated` (tool calls do not fit in
    `max_tokens`), `save` (the context cannot be written), `unexpected`.
    """

    at: float
    kind: str
    message: str
    status: int | None = None
    request_id: str | None = None


Event: TypeAlias = (
    TextDelta
    | ThinkingDelta
    | ToolUse
    | ToolResult
    | RequestUsage
    | TurnDiscarded
    | FeatureDropped
    | BlockDropped
    | WaitingForRetry
    | RestoreNote
    | TurnEnded
    | AgentError
)
