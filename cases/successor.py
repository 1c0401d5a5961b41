"""A process that restores a saved session and sends its next request; or saves one over and over until it is killed.

python -m flag_harness.conformance.successor next CONTEXT TEXT [COMMAND ...]      prints the next request's body
python -m flag_harness.conformance.successor save CONTEXT                        saves two sessions in turn, for ever
"""

import asyncio
import itertools
import sys
from pathlib import Path
from typing import Any

from flag_harness.clock import VirtualClock
from flag_harness.conformance.stage import bash_for, restored_agent
from flag_harness.reference import Context, save_context
from flag_harness.wire.timeline import Cut, Request, Response


async def print_next_request(path: Path, text: str, commands: list[str]) -> None:
    """Restore the session in `path`, send `text`, and print the body of the request that goes out."""
    from anthropic import AsyncAnthropic

    from flag_harness.transports import async_http_client

    bodies: list[bytes] = []

    def unreachable(request: Request) -> Response:
        bodies.append(request.body)
        return (Cut(0.0, "refused"),)

    clock = VirtualClock()
    async with AsyncAnthropic(api_key="offline", http_client=async_http_client(unreachable, clock=clock)) as client:
        async for _ in restored_agent(path, client, clock, bash=bash_for(commands)).send(text):
            pass
    sys.stdout.buffer.write(bodies[0])


def session(words: str, count: int) -> Context:
    """A session with SDK objects inside: the assistant's turns are the content blocks that the SDK returned."""
    from anthropic.types import TextBlock, ToolUseBlock

    turn: list[Any] = [
        TextBlock(type="text", text=words),
        ToolUseBlock(type="tool_use", id="toolu_01", name="bash", input={"command": "true"}),
    ]
    result = {"type": "tool_result", "tool_use_id": "toolu_01", "content": words}
    asked = [{"role": "user", "content": "Go."}, {"role": "assistant", "content": turn}]
    messages: list[dict[str, Any]] = [*asked, {"role": "user", "content": [result]}] * count
    return Context(messages=tuple(messages))


def save_for_ever(path: Path) -> None:
    """Save a short and a long session in turn, saying so once the first is saved."""
    both = itertools.cycle([session("short", 1), session("long " * 200, 400)])
    save_context(next(both), path)
    print("saving", flush=True)
    for context in both:
        save_context(context, path)


if __name__ == "__main__":
    verb, file, *rest = sys.argv[1:]
    if verb == "next":
        asyncio.run(print_next_request(Path(file), rest[0], rest[1:]))
    else:
        save_for_ever(Path(file))
