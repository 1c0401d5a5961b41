"""The other process of the context cases: it restores a session, or saves sessions until it is killed.

python -m flag_harness.conformance.successor next CONTEXT TEXT [COMMAND ...]      prints the next request's body
python -m flag_harness.conformance.successor save CONTEXT                        saves two sessions in turn, forever
"""

import asyncio
import itertools
import sys
from pathlib import Path
from typing import Any

from flag_harness.clock import VirtualClock
from flag_harness.conformance.support import make_bash, restore_agent
from flag_harness.reference import Context, save_context
from flag_harness.wire.timeline import Cut, Request, Response


async def print_next_request(path: Path, text: str, commands: list[str]) -> None:
    """Restore the session in `path`, send `text`, and print the body of the request."""
    from anthropic import AsyncAnthropic

    from flag_harness.transports import async_http_client

    bodies: list[bytes] = []

    def unreachable(request: Request) -> Response:
        bodies.append(request.body)
        return (Cut(0.0, "refused"),)

    clock = VirtualClock()
    async with AsyncAnthropic(api_key="offline", http_client=async_http_client(unreachable, clock=clock)) as client:
        async for _ in restore_agent(path, client, clock, bash=make_bash(commands)).send(text):
            pass
    sys.stdout.buffer.write(bodies[0])


def session(words: str, count: int) -> Context:
    """Return a session with SDK objects inside: the assistant's turns are content blocks of the SDK."""
    from anthropic.types import TextBlock, ToolUseBlock

    turn: list[Any] = [
        TextBlock(type="text", text=words),
        ToolUseBlock(type="tool_use", id="toolu_01", name="bash", input={"command": "true"}),
    ]
    result = {"type": "tool_result", "tool_use_id": "toolu_01", "content": words}
    turns = [{"role": "user", "content": "Go."}, {"role": "assistant", "content": turn}]
    messages: list[dict[str, Any]] = [*turns, {"role": "user", "content": [result]}] * count
    return Context(messages=tuple(messages))


def save_forever(path: Path) -> None:
    """Save a short and a long session in turn; print a line after the first save."""
    sessions = itertools.cycle([session("short", 1), session("long " * 200, 400)])
    save_context(next(sessions), path)
    print("saving", flush=True)
    for context in sessions:
        save_context(context, path)


if __name__ == "__main__":
    verb, file, *rest = sys.argv[1:]
    if verb == "next":
        asyncio.run(print_next_request(Path(file), rest[0], rest[1:]))
    else:
        save_forever(Path(file))
