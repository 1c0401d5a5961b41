"""The second process of the cases about context: it restores a session, or saves sessions until it is killed.

The cases fork it, which saves a second import of the SDK. To start it as a process of its own:

python -m flag_harness.conformance.successor CONTEXT TEXT [COMMAND ...] prints the next request's body
"""

import asyncio
import itertools
import logging
import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from flag_harness.clock import VirtualClock
from flag_harness.conformance.support import make_bash, restore_agent
from flag_harness.reference import ConversationContext, save_context
from flag_harness.wire.timeline import Cut, Request, Response

PROCESSES = multiprocessing.get_context("fork" if hasattr(os, "fork") else None)


def start_process(function: Callable[..., None], *arguments: Any) -> BaseProcess:
    """Start a process that calls `function` with `arguments`, and return it."""
    process: BaseProcess = PROCESSES.Process(target=function, args=arguments)  # type: ignore[attr-defined]
    with warnings.catch_warnings():
        # Python warns of a fork beside threads, such as those of xdist's workers: the child uses none of their locks
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    return process


def next_request_elsewhere(path: Path, text: str, commands: list[str]) -> bytes:
    """Return the body of the request that another process sends after it has restored the session in `path`.

    `text` is what the user says next, and `commands` are the permitted shell commands.
    """
    receiver, sender = PROCESSES.Pipe(duplex=False)
    process = start_process(_send_next_request, sender, path, text, commands)
    sender.close()  # so that the end of a process that fails is the end of what there is to receive
    body = receiver.recv_bytes()
    process.join()
    return body


def _send_next_request(sender: Connection, path: Path, text: str, commands: list[str]) -> None:
    logging.disable()
    sender.send_bytes(asyncio.run(next_request(path, text, commands)))


async def next_request(path: Path, text: str, commands: list[str]) -> bytes:
    """Restore the session in `path`, send `text`, and return the body of the request. No answer is received."""
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
    return bodies[0]


def session(words: str, count: int) -> ConversationContext:
    """Return a session in which the assistant's turns are objects of the SDK.

    It has `count` turns with the text `words`.
    """
    from anthropic.types import TextBlock, ToolUseBlock

    turn: list[Any] = [
        TextBlock(type="text", text=words),
        ToolUseBlock(type="tool_use", id="toolu_01", name="bash", input={"command": "true"}),
    ]
    result = {"type": "tool_result", "tool_use_id": "toolu_01", "content": words}
    turns = [{"role": "user", "content": "Go."}, {"role": "assistant", "content": turn}]
    messages: list[dict[str, Any]] = [*turns, {"role": "user", "content": [result]}] * count
    return ConversationContext(messages=tuple(messages))


def save_forever(path: Path) -> None:
    """Save a short and a long session to the same file in turn, until the process is killed."""
    sessions = itertools.cycle([session("short", 1), session("long " * 200, 400)])
    save_context(next(sessions), path)
    for context in sessions:
        save_context(context, path)


if __name__ == "__main__":
    file, words, *allowed = sys.argv[1:]
    sys.stdout.buffer.write(asyncio.run(next_request(Path(file), words, allowed)))
