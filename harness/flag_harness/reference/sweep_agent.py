"""The reference agent in the form that a sweep of faults needs. The sweep loads it by name."""

from contextlib import aclosing

from flag_harness.reference.agent import Agent
from flag_harness.reference.events import AgentError
from flag_harness.reference.tools.function_tool import function_tool
from flag_harness.sweep.agents import AgentGaveUp, SweepContext


class ReferenceAgent:
    """Adapts the reference agent to `AgentUnderSweep`, the protocol of agents in a sweep of faults."""

    def __init__(self, context: SweepContext) -> None:
        from anthropic import AsyncAnthropic

        tools = [function_tool(tool.name, tool.description, tool.input_schema, tool.run) for tool in context.tools]
        client = AsyncAnthropic(http_client=context.http_client(), max_retries=0)
        self._agent = Agent(client, clock=context.clock, environ=context.environ, model=context.model, tools=tools)

    async def run(self, prompt: str) -> None:
        """Run one turn. Raise `AgentGaveUp` if it ends with an error."""
        last: object = None
        async with aclosing(self._agent.send(prompt)) as events:
            async for event in events:
                last = event
        if isinstance(last, AgentError):
            raise AgentGaveUp(last.message)
