"""Failures that the cases about errors try: statuses, broken streams, and input that must not be sent."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from flag_harness.faults import Fault, clean_end, dropped_event, duplicated_event, ping_only

STATUSES = {408: 0.5, 409: 0.5, 503: 1.5, 529: 0.5, 429: 2.5, 400: 0.5}
"""Statuses after which the agent must retry, with the seconds that it must wait before.

The 400 has the header `x-should-retry: true`.
"""

DATES = {"retry-after": "Sat, 28 Nov 2026 10:00:09 GMT", "date": "Sat, 28 Nov 2026 10:00:00 GMT"}

FINAL = {500: "server", 401: "credentials", 413: "request"}
"""Statuses after which the agent must give up, with the kind of error that it reports.

The 500 has the header `x-should-retry: false`.
"""

BROKEN_STREAMS: Mapping[str, Callable[..., Fault]] = {
    "Turn 1": partial(ping_only, at="inside_text"),
    "Turn 2": partial(duplicated_event, at="before_first_block"),
    "Turn 3": partial(duplicated_event, at="first_event"),
    "Turn 4": partial(clean_end, at="before_message_delta"),
    "Turn 5": partial(clean_end, at="after_message_delta"),
    "Write it in full": partial(dropped_event, at="mid_partial_json"),
}
"""User texts, with the fault by which the first answer to each breaks.

The answer looks complete, has events in the wrong order, or stops without an end.
"""

COMPUTER_BETA = "computer-use-2025-11-24"
OTHER_TOOL = "tools.1: Input tag 'computer_20251124' found using 'type' does not match any of the expected tags"

UNSENDABLE = {" \n": "empty", "\ud83d": "surrogate"}
"""User texts that the API does not accept, with a word that the agent's error must have."""

INVALID = (("MAX_TOKENS", "1_000"), ("MAX_TOKENS", "0"), ("THINKING_BUDGET", "1023"))
"""Settings of the agent with values that are not numbers, or too small."""


class UnreadyTool:
    """A tool with a bug: reading its definition raises an error."""

    name = "unready"
    beta: str | None = None
    input_schema: Mapping[str, Any] = {"type": "object"}

    @property
    def definition(self) -> Mapping[str, Any]:
        """Raise `LookupError`."""
        raise LookupError("the tool is not ready")

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """Raise `NotImplementedError`, because the agent cannot offer this tool."""
        raise NotImplementedError(arguments)


class Computer:
    """A tool that needs a beta of the API."""

    name = "computer"
    beta: str | None = COMPUTER_BETA
    definition: Mapping[str, Any] = {
        "type": "computer_20251124",
        "name": "computer",
        "display_width_px": 800,
        "display_height_px": 600,
    }
    input_schema: Mapping[str, Any] = {"type": "object", "properties": {"action": {"type": "string"}}}

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """Raise `NotImplementedError`, because no case lets the model call this tool."""
        raise NotImplementedError(arguments)
