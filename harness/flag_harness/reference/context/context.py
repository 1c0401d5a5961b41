"""The state of a session, as a value that can be saved and restored."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from flag_harness.reference.tools.tool import ToolOutcome
from flag_harness.wire.usage import Usage


@dataclass(frozen=True, slots=True)
class ToolCallState:
    """The state of a tool call that has started. `outcome` is None until the tool has finished."""

    outcome: ToolOutcome | None = None

    @property
    def is_tool_finished(self) -> bool:
        """True if the tool has finished, so that it must not run again."""
        return self.outcome is not None


@dataclass(frozen=True, slots=True)
class ConversationContext:
    """The state of a session: its messages, its usage so far, and all that is needed to continue it.

    `messages` hold plain JSON values only, and their keys keep their order (see `to_json_value`). `combination` is the
    id of the flags at the last turn, or None if there was no turn. `dropped_features` are the betas and parameters that
    the API refused in this session. `call_states_by_id` has the state of each tool call by the call's id until the
    messages contain the call's result, so that a tool never runs twice for one call.
    """

    messages: tuple[dict[str, Any], ...] = ()
    usage: Usage = field(default_factory=Usage)
    combination: str | None = None
    model: str = ""
    dropped_features: tuple[str, ...] = ()
    call_states_by_id: Mapping[str, ToolCallState] = field(default_factory=dict)

    def with_started_call(self, call_id: str) -> "ConversationContext":
        """Return a copy of the context in which the tool call `call_id` has started."""
        return replace(self, call_states_by_id={**self.call_states_by_id, call_id: ToolCallState()})

    def with_call_outcome(self, outcome: ToolOutcome) -> "ConversationContext":
        """Return a copy of the context in which a tool call has this outcome."""
        return replace(self, call_states_by_id={**self.call_states_by_id, outcome.id: ToolCallState(outcome)})

    def without_answered_calls(self) -> "ConversationContext":
        """Return a copy of the context without the states of those tool calls whose results are in the messages."""
        answered = {
            block["tool_use_id"]
            for message in self.messages
            if message["role"] == "user" and not isinstance(message["content"], str)
            for block in message["content"]
            if block["type"] == "tool_result"
        }
        return replace(
            self, call_states_by_id={id: entry for id, entry in self.call_states_by_id.items() if id not in answered}
        )


def to_json_value(value: Any) -> Any:
    """Convert SDK objects, pydantic models, dataclasses, mappings and sequences to plain JSON values, at any depth.

    Fields of a model that were never set are left out, and keys keep their order. Raise `TypeError` naming a value that
    JSON does not have, such as NaN or infinity.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"a context holds JSON values only, and {value} is not one")
    if value is None or isinstance(value, (str, int, float)):  # bool is an int
        return value
    if isinstance(value, Mapping):
        return {_require_text_key(key): to_json_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json_value(item) for item in value]
    if callable(dump := getattr(value, "model_dump", None)):
        return to_json_value(dump(mode="json", exclude_unset=True))
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: to_json_value(getattr(value, item.name)) for item in fields(value)}
    raise TypeError(f"a context holds JSON values only, not {type(value).__name__}: {value!r:.100}")


def _require_text_key(key: Any) -> str:
    if isinstance(key, str):
        return key
    raise TypeError(f"a context holds JSON values only, and a key in JSON is a string, not {key!r:.100}")
