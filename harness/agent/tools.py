"""Tools as the agent sees them: what a tool is, one call, its outcome, and the box that runs them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One `tool_use` block: the model asks for `name` with `input`, which nobody has checked yet."""

    id: str
    name: str
    input: Any


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """What a call came to. `id` is that of its call; an error says in words what the model can do about it."""

    id: str
    content: str
    is_error: bool = False

    @property
    def block(self) -> dict[str, Any]:
        """The `tool_result` block for the next user message. `is_error` stands in it only where it is true."""
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": self.id, "content": self.content}
        return {**block, "is_error": True} if self.is_error else block


class Tool(Protocol):
    """Something that the model may call.

    `beta` is the `anthropic-beta` value that the tool needs, None where it is generally available. `definition` is what
    stands in the request's `tools`. `input_schema` is the JSON schema of its input, also where the API defines the tool
    and the definition holds none. `run` gets arguments that fit the schema, defaults filled in, and may raise.
    """

    @property
    def name(self) -> str: ...

    @property
    def beta(self) -> str | None: ...

    @property
    def definition(self) -> Mapping[str, Any]: ...

    @property
    def input_schema(self) -> Mapping[str, Any]: ...

    async def run(self, arguments: Mapping[str, Any]) -> str: ...
