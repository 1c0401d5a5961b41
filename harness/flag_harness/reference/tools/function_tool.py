"""Python functions as tools."""

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flag_harness.reference.context.context import plain
from flag_harness.reference.tools.tool import Tool


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """A tool that calls `function` with the arguments by name. See `function_tool`."""

    name: str
    description: str
    input_schema: Mapping[str, Any]
    function: Callable[..., Any]
    beta: str | None = None

    @property
    def definition(self) -> dict[str, Any]:
        """Name, description and schema, as the API wants a custom tool."""
        return {"name": self.name, "description": self.description, "input_schema": self.input_schema}

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """What the function returns, as text: a string as it is, nothing for None, anything else as JSON."""
        if inspect.iscoroutinefunction(self.function):
            result = await self.function(**arguments)
        else:
            result = await asyncio.to_thread(self.function, **arguments)
            if inspect.isawaitable(result):
                result = await result
        if result is None:
            return ""
        return result if isinstance(result, str) else json.dumps(plain(result), ensure_ascii=False)


def function_tool(name: str, description: str, input_schema: Mapping[str, Any], function: Callable[..., Any]) -> Tool:
    """A tool named `name` that calls `function`, sync (in a thread, so that it blocks nobody) or async.

    The arguments come by keyword, checked against `input_schema`, defaults filled in. What the function raises becomes
    an error result for the model.
    """
    return FunctionTool(name, description, input_schema, function)
