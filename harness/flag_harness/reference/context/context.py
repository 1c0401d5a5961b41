"""What a session is at one moment, as a value: it can be saved, restored elsewhere, and gone on with."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from flag_harness.reference.tools.tool import ToolOutcome
from flag_harness.wire.usage import Usage


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """What is known of one call: that it was started; and its outcome once it has finished, None until then."""

    outcome: ToolOutcome | None = None

    @property
    def finished(self) -> bool:
        """Whether the tool has run to its end, so that it must not run again."""
        return self.outcome is not None


@dataclass(frozen=True, slots=True)
class Context:
    """A session: the messages as the API gets them, what was spent, and what a successor must know to go on.

    `messages` hold plain JSON values only, in the order of their keys (see `plain`). `combination` is the id of the
    flags that were on at its last turn, None where it has had none; `dropped` the betas and parameters that the API
    refused in this session. `ledger` maps the ids of `tool_use` blocks to what became of them until their results stand
    in the messages: a tool never runs twice for one call.
    """

    messages: tuple[dict[str, Any], ...] = ()
    usage: Usage = field(default_factory=Usage)
    combination: str | None = None
    model: str = ""
    dropped: tuple[str, ...] = ()
    ledger: Mapping[str, LedgerEntry] = field(default_factory=dict)

    def with_started(self, id: str) -> "Context":
        """The context once the call `id` has begun to run."""
        return replace(self, ledger={**self.ledger, id: LedgerEntry()})

    def with_finished(self, outcome: ToolOutcome) -> "Context":
        """The context once the call of `outcome` has run to its end."""
        return replace(self, ledger={**self.ledger, outcome.id: LedgerEntry(outcome)})

    def settled(self) -> "Context":
        """The context without the ledger's entries whose results stand in the messages, and say all there is."""
        answered = {
            block["tool_use_id"]
            for message in self.messages
            if message["role"] == "user" and not isinstance(message["content"], str)
            for block in message["content"]
            if block["type"] == "tool_result"
        }
        return replace(self, ledger={id: entry for id, entry in self.ledger.items() if id not in answered})


def plain(value: Any) -> Any:
    """The JSON value of `value`: SDK objects and other pydantic models without fields that were never set, dataclasses,
    mappings and sequences, nested anyhow.

    Keys keep their order. Raises `TypeError` naming what JSON has no word for, not-a-number and infinity among it.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise TypeError(f"a context holds JSON values only, and {value} is none")
    if value is None or isinstance(value, (str, int, float)):  # bool is an int
        return value
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if callable(dump := getattr(value, "model_dump", None)):
        return plain(dump(mode="json", exclude_unset=True))
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: plain(getattr(value, item.name)) for item in fields(value)}
    raise TypeError(f"a context holds JSON values only, not {type(value).__name__}: {value!r:.100}")


def _key(key: Any) -> str:
    if isinstance(key, str):
        return key
    raise TypeError(f"a context holds JSON values only, and a key in JSON is a string, not {key!r:.100}")
