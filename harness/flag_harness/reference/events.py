"""What happens while the agent works, as values: a screen, a log or a test can sit on them.

Every event has `at`: seconds on the agent's clock.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

from flag_harness.wire.usage import Usage


@dataclass(frozen=True, slots=True)
class TextDelta:
    """Text of the answer as it arrives; the whole of a text block where the answer was not streamed."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class ThinkingDelta:
    """Thinking as it arrives; the whole of a thinking block where the answer was not streamed."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The model asks for a tool. It has not run yet; its input is as it came, checked by nobody."""

    at: float
    id: str
    name: str
    input: Any


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a call came to, as the model will be told."""

    at: float
    id: str
    content: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class RequestUsage:
    """A request was answered: its tokens, and the session's so far.

    `first_token` is in seconds from sending the request to the first delta (without streaming: to the answer), None
    where the answer held nothing; `duration` to its end.
    """

    at: float
    usage: Usage
    total: Usage
    first_token: float | None
    duration: float


@dataclass(frozen=True, slots=True)
class TurnDiscarded:
    """Everything shown since the last request was sent is void; another attempt may follow.

    `usage` is what the answer had cost as far as it came; the session's total holds it.
    """

    at: float
    reason: str
    usage: Usage = Usage()  # noqa: RUF009 - a frozen value


@dataclass(frozen=True, slots=True)
class FeatureDropped:
    """A beta or a parameter was refused: for the rest of the session it is not sent, nor the tool that needs it."""

    at: float
    feature: str
    reason: str


@dataclass(frozen=True, slots=True)
class BlockDropped:
    """The API refused a block of an earlier answer, of type `block`: it is no longer part of the conversation."""

    at: float
    block: str
    reason: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The agent waits before it tries again."""

    at: float
    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class Transition:
    """What the model is told, in front of the user's text, after a restore that changed something."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is complete. `stop_reason` is the API's."""

    at: float
    stop_reason: str


@dataclass(frozen=True, slots=True)
class AgentError:
    """The turn could not be completed. The user's turn is kept, and the session can go on.

    `kind`: `busy` (another send is under way; this one changed nothing), `limit` (settings that the API would refuse;
    nothing was sent), `request` (it was refused for what it says), `credentials`, `rate_limit`, `overloaded`, `server`,
    `connection`, `broken_answer` (cut, garbled or empty), `truncated` (calls of tools do not fit in `max_tokens`),
    `save` (the context cannot be written), `unexpected`.
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
    | Waiting
    | Transition
    | TurnEnded
    | AgentError
)
