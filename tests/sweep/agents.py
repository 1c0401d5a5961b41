"""Two agents that people really write, for a sweep to try: the SDK's tool runner, and a plain loop around `create`."""

import inspect
import os
from typing import Any

from flag_harness.sweep import SweepContext

MAX_TOKENS = 4096


def _client(context: SweepContext) -> Any:
    from anthropic import AsyncAnthropic

    return AsyncAnthropic(http_client=context.http_client())


def _streams() -> bool:
    return os.environ.get("ENABLE_STREAMING") == "true"


def _arguments(context: SweepContext) -> dict[str, Any]:
    """The request's arguments under the flags as they are now."""
    arguments: dict[str, Any] = {"model": context.model, "max_tokens": MAX_TOKENS}
    if os.environ.get("ENABLE_EXTENDED_OUTPUT") == "true":
        arguments |= {"max_tokens": 16384, "thinking": {"type": "enabled", "budget_tokens": 12000}}
    if os.environ.get("ENABLE_PROMPT_CACHE") == "true":
        arguments |= {"cache_control": {"type": "ephemeral"}}
    return arguments


async def tool_runner(prompt: str, context: SweepContext) -> None:
    """`client.beta.messages.tool_runner`, as the SDK's documentation shows it; what was said is kept."""
    from anthropic import beta_async_tool

    [note] = context.tools
    tool = beta_async_tool(note.run, name=note.name, description=note.description, input_schema=note.input_schema)
    context.messages.append({"role": "user", "content": prompt})
    make = _client(context).beta.messages.tool_runner
    # the simulated API keeps no conversations; SDKs before message threads have no such argument
    unthreaded = {"thread": False} if "thread" in inspect.signature(make).parameters else {}
    runner = make(**_arguments(context), **unthreaded, tools=[tool], messages=list(context.messages), stream=_streams())
    async for answer in runner:
        message = await answer.get_final_message() if _streams() else answer
        context.messages.append({"role": "assistant", "content": _content(message)})
        if (results := await runner.generate_tool_call_response()) is not None:
            context.messages.append(results)


async def create_loop(prompt: str, context: SweepContext) -> None:
    """Ask, run the tools, ask again: the loop of every tutorial."""
    client, tools = _client(context), {tool.name: tool for tool in context.tools}
    context.messages.append({"role": "user", "content": prompt})
    while True:
        arguments = {
            **_arguments(context),
            "tools": [tool.definition for tool in context.tools],
            "messages": context.messages,
        }
        if _streams():
            async with client.messages.stream(**arguments) as stream:
                message = await stream.get_final_message()
        else:
            message = await client.messages.create(**arguments)
        context.messages.append({"role": "assistant", "content": _content(message)})
        calls = [block for block in message.content if block.type == "tool_use"]
        if not calls:
            return
        results = [
            {"type": "tool_result", "tool_use_id": call.id, "content": await tools[call.name].run(**call.input)}
            for call in calls
        ]
        context.messages.append({"role": "user", "content": results})


def _content(message: Any) -> list[dict[str, Any]]:
    return [block.to_dict() for block in message.content]
