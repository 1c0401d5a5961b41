"""The reference agent as the sweep runs it. The sweep names this class by string."""

from contextlib import aclosing

from flag_harness.reference.agent import Agent
from flag_harness.reference.events import AgentError
from flag_harness.reference.tools.function_tool import function_tool
from flag_harness.sweep.agents import Stage, Told


class SweepAgent:
    """The reference agent under a sweep."""

    def __init__(self, stage: Stage) -> None:
        from anthropic import AsyncAnthropic

        tools = [function_tool(tool.name, tool.description, tool.input_schema, tool.run) for tool in stage.tools]
        client = AsyncAnthropic(http_client=stage.http_client())
        self._agent = Agent(client, clock=stage.clock, environ=stage.environ, model=stage.model, tools=tools)

    async def run(self, prompt: str) -> None:
        """One turn; its last event says how it ended."""
        last: object = None
        async with aclosing(self._agent.send(prompt)) as events:
            async for event in events:
                last = event
        if isinstance(last, AgentError):
            raise Told(last.message)
