"""A sound agent with a bug of two troubles: it breaks once it has met both of `SCARS` in one conversation."""

import os
import time
from pathlib import Path

import anthropic
import planted_agent
from planted_agent import ADD, Agent

planted_agent.SYSTEM = "You add numbers with the tool."
SCARS = frozenset(os.environ.get("SCARS", "none").split("+"))
LOG = os.environ.get("SCARS_LOG")
"""The file that gets a line for each agent, and each new scar after it."""

STATUSES = {429: "rate limit", 500: "server error", 529: "overload"}
STOPS = {"max_tokens": "cut answer", "refusal": "refusal", "pause_turn": "pause"}
KNOWN = ("rate limit", "server error", "overload", "no connection", "cut stream", "silence", "garbled stream")
KNOWN += ("cut answer", "refusal", "pause", "parallel calls", "unknown tool")


class PlantedBugError(BaseException):
    """The bug: no handler of the agent catches it."""


class ScarredAgent(Agent):
    """An agent that remembers what has happened to it."""

    def __init__(self):
        super().__init__()
        self.scars = set()
        self.log("agent")

    async def stream(self):
        started = time.monotonic()
        try:
            answer = await super().stream()
        except Exception as error:
            self.note(scar_of_error(error))
            raise
        finally:
            if time.monotonic() - started > 100:
                self.note("silence")
        self.note(STOPS.get(answer.stop_reason))
        calls = [block for block in answer.content if block.type == "tool_use"]
        self.note("parallel calls" if len(calls) > 1 else None)
        self.note("unknown tool" if any(call.name != ADD["name"] for call in calls) else None)
        return answer

    def note(self, scar):
        if scar and scar not in self.scars:
            self.log(scar)
        self.scars.add(scar)
        if self.scars >= SCARS:
            raise PlantedBugError(" and ".join(sorted(SCARS)))

    def log(self, line):
        if LOG:
            with Path(LOG).open("a", encoding="utf-8") as log:
                log.write(f"{line}\n")


def scar_of_error(error):
    """Return the name of the trouble that an exception comes from, or None."""
    if isinstance(error, anthropic.APIStatusError):
        return STATUSES.get(error.status_code)
    if isinstance(error, anthropic.APIConnectionError):
        return "no connection"
    if isinstance(error, ValueError):
        return "garbled stream"
    return "cut stream" if isinstance(error, ConnectionError) else None
