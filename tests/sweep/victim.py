"""A process that has the SDK and the agent loaded, and forks a child for each job: the child is killed, not this one.

A job is a line of JSON: `{"url", "context", "effects", "text", "kill"}`; the answer is the child's exit status, or the
negative number of the signal that ended it.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anthropic import AsyncAnthropic

from flag_harness.reference import Agent, AgentError, ConversationContext, TextDelta, Tool, ToolResult, ToolUse
from flag_harness.reference.tools.function_tool import function_tool
from flag_harness.transports import SystemClock

EVENTS = {"first_delta": TextDelta, "call_saved": ToolUse, "result_saved": ToolResult}
SCHEMA = {"type": "object", "properties": {"step": {"type": "string"}}, "required": ["step"]}


def die() -> None:
    """No handler, no `finally`, no flush: gone."""
    os.kill(os.getpid(), signal.SIGKILL)


def tools(effects: Path, kill: str) -> list[Tool]:
    """`note` has a side effect, `look` shows them."""

    async def note(step: str) -> str:
        if kill == "tool_begun":
            die()
        with effects.open("a") as file:
            file.write(f"{step}\n")
        if kill == "tool_running":
            die()
        return "noted"

    def look() -> str:
        return "these steps stand: " + (effects.read_text() or "none")

    return [
        function_tool("note", "Notes a step down.", SCHEMA, note),
        function_tool("look", "Shows the steps.", {"type": "object", "properties": {}}, look),
    ]


def lay_trap(kill: str) -> None:
    """The points that no event shows: a result that is not yet saved, and the midst of the nth save."""
    if kill == "result_not_saved":
        ConversationContext.with_call_outcome = lambda self, outcome: die()  # type: ignore[method-assign, assignment, return-value]
    name, _, number = kill.partition(":")
    if name == "before_flush":
        os.fsync = _deadly_at(int(number), os.fsync)  # type: ignore[assignment]
    if name == "before_rename":
        Path.replace = _deadly_at(int(number), Path.replace)  # type: ignore[method-assign, assignment]


def _deadly_at(number: int, call: Callable[..., Any]) -> Callable[..., Any]:
    left = [number]

    def called(*args: Any) -> Any:
        left[0] -= 1
        if not left[0]:
            die()
        return call(*args)

    return called


async def work(job: dict[str, Any]) -> int:
    """One turn: the text where the context does not hold it yet, else what is left to do."""
    path, kill = Path(job["context"]), job["kill"]
    headers = {"x-process": str(os.getpid())}
    client = AsyncAnthropic(api_key="offline", base_url=job["url"], default_headers=headers)
    options: dict[str, Any] = {"clock": SystemClock(), "environ": job["environ"], "tool_delay": 0.0}
    agent = Agent.restore(path, client, context_path=path, tools=tools(Path(job["effects"]), kill), **options)
    lay_trap(kill)
    failed = 0
    async for event in agent.send(job["text"]):
        if isinstance(event, EVENTS.get(kill, ())):
            die()
        failed += isinstance(event, AgentError)
    return failed


def main() -> None:
    """Fork for each line of the standard input."""
    print("ready", flush=True)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os._exit(asyncio.run(work(json.loads(line))))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
