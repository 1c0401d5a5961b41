"""Python functions as tools."""

import asyncio
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flag_harness.reference.context.context import to_json_value
from flag_harness.reference.tools.tool import Tool


@dataclass(frozen=True, slots=True)
class FunctionTool:
    """A tool that calls `function` with the input as keyword arguments. See `function_tool`."""

    name: str
    description: str
    input_schema: Mapping[str, Any]
    function: Callable[..., Any]
    beta: str | None = None

    @property
    def definition(self) -> dict[str, Any]:
        """The name, description and schema, in the API's form for a custom tool."""
        return {"name": self.name, "description": self.description, "input_schema": self.input_schema}

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """Return the function's result as text: a string unchanged, None as an empty string, anything else as JSON."""
        if inspect.iscoroutinefunction(self.function):
            result = await self.function(**arguments)
        else:
            result = await asyncio.to_thread(self.function, **arguments)
            if inspect.isawaitable(result):
                result = await result
        if result is None:
            return ""
        return result if isinstance(result, str) else json.dumps(to_json_value(result), ensure_ascii=False)


def function_tool(name: str, description: str, input_schema: Mapping[str, Any], function: Callable[..., Any]) -> Tool:
    """Return a tool that calls `function`, which is sync (it runs in a thread) or async.

    Arguments are passed by keyword, checked against `input_schema`, with defaults filled in. An exception becomes an
    error result for the model.
    """
    return FunctionTool(name, description, input_schema, function)
