"""Failures that the cases of errors try: statuses, broken streams, and what is refused before it is sent."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from flag_harness.faults import Fault, clean_end, dropped_event, duplicated_event, ping_only

STATUSES = {408: 0.5, 409: 0.5, 503: 1.5, 529: 0.5, 429: 2.5, 400: 0.5}
"""Statuses that pass, with the seconds to wait: `x-should-retry` asks for another attempt after the 400."""

DATES = {"retry-after": "Sat, 28 Nov 2026 10:00:09 GMT", "date": "Sat, 28 Nov 2026 10:00:00 GMT"}

FINAL = {500: "server", 401: "credentials", 413: "request"}
"""Statuses after which the agent gives up, and the kind of its error: `x-should-retry` forbids another attempt."""

BROKEN_STREAMS: Mapping[str, Callable[..., Fault]] = {
    "Turn 1": partial(ping_only, at="inside_text"),
    "Turn 2": partial(duplicated_event, at="before_first_block"),
    "Turn 3": partial(duplicated_event, at="first_event"),
    "Turn 4": partial(clean_end, at="before_message_delta"),
    "Turn 5": partial(clean_end, at="after_message_delta"),
    "Write it in full": partial(dropped_event, at="mid_partial_json"),
}
"""Texts of the user, and how the first answer breaks that looks complete, or comes out of order, or is silent."""

COMPUTER_BETA = "computer-use-2025-11-24"
OTHER_TOOL = "tools.1: Input tag 'computer_20251124' found using 'type' does not match any of the expected tags"

UNSENDABLE = {" \n": "empty", "\ud83d": "surrogate"}
"""Texts that the API does not accept, and a word of the error."""

INVALID = (("MAX_TOKENS", "1_000"), ("MAX_TOKENS", "0"), ("THINKING_BUDGET", "1023"))
"""Settings that are not numbers, or too small."""


class UnreadyTool:
    """A tool with a bug: it has no definition."""

    name = "unready"
    beta: str | None = None
    input_schema: Mapping[str, Any] = {"type": "object"}

    @property
    def definition(self) -> Mapping[str, Any]:
        """Raise `LookupError`."""
        raise LookupError("the tool is not ready")

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """Raise: the tool cannot be offered."""
        raise NotImplementedError(arguments)


class Computer:
    """A tool that needs a beta."""

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
        """Raise: no case gets this far."""
        raise NotImplementedError(arguments)
