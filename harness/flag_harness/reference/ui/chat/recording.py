"""Read from a cassette what a chat must send so that the cassette answers: prompt, tools and tool results."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flag_harness.cassette import Cassette
from flag_harness.reference.tools.tool import Tool

_SCHEMA_FOR_ANY_INPUT: Mapping[str, Any] = {"type": "object"}


@dataclass(frozen=True, slots=True)
class RecordedChat:
    """The model, system prompt, tools and first prompt of a cassette.

    `combination` is the id of the flags under which it was recorded.
    """

    model: str = ""
    system: str = ""
    tools: tuple[Tool, ...] = ()
    prompt: str = ""
    combination: str = ""

    @property
    def description(self) -> str:
        """A sentence that tells the user what to send so that the cassette answers."""
        prompt = f"Its first prompt:\n{self.prompt}" if self.prompt else "It has no prompt."
        return f"The cassette was recorded under the flags: {self.combination}. {prompt}"


@dataclass(slots=True)
class RecordedTool:
    """A tool that runs nothing: each call returns the next result that the cassette has for its input.

    `inputs_and_results` has the inputs and results of the calls that have not been repeated yet.
    """

    definition: Mapping[str, Any]
    inputs_and_results: list[tuple[Any, str]] = field(default_factory=list)
    beta: str | None = None

    @property
    def name(self) -> str:
        """The tool's name."""
        return str(self.definition["name"])

    @property
    def input_schema(self) -> Mapping[str, Any]:
        """The tool's schema; for a tool that the API defines, a schema that accepts every input."""
        schema: Mapping[str, Any] = self.definition.get("input_schema", _SCHEMA_FOR_ANY_INPUT)
        return schema

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """Return the next recorded result. Raise `LookupError` if no result is left for this input."""
        for index, (input, result) in enumerate(self.inputs_and_results):
            if input == arguments:
                del self.inputs_and_results[index]
                return result
        raise LookupError(f"the cassette holds no further result of {self.name} for this input")


def read_recorded_chat(path: Path) -> RecordedChat:
    """Return the model, prompts and tools in the requests of a cassette. Raise `CassetteError` if it cannot be read."""
    cassette = Cassette.load(path)
    bodies = [
        body for one in cassette.interactions if isinstance(body := one.decoded_body, dict) and body.get("messages")
    ]
    if not bodies:
        return RecordedChat(combination=cassette.metadata.combination)
    first, results = bodies[0], list(_tool_results(bodies))
    definitions = [
        {key: value for key, value in tool.items() if key != "cache_control"} for tool in first.get("tools", ())
    ]
    return RecordedChat(
        model=str(first.get("model", "")),
        system=_text_of_content(first.get("system", "")),
        tools=tuple(
            RecordedTool(one, [(input, result) for name, input, result in results if name == one.get("name")])
            for one in definitions
        ),
        prompt=_text_of_content(first["messages"][0].get("content")),
        combination=cassette.metadata.combination,
    )


def _tool_results(bodies: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Any, str]]:
    """Yield (name, input, result) for each tool call in the messages that has a result. Repetitions of a message do not
    count.
    """
    calls: dict[str, Mapping[str, Any]] = {}
    for block in (block for body in bodies for message in body["messages"] for block in _blocks_of_message(message)):
        if block.get("type") == "tool_use":
            calls.setdefault(block["id"], block)
        elif block.get("type") == "tool_result" and (call := calls.get(block["tool_use_id"])):
            calls[block["tool_use_id"]] = {}
            yield call["name"], call["input"], _text_of_content(block.get("content"))


def _blocks_of_message(message: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    content = message.get("content")
    return [one for one in content if isinstance(one, dict)] if isinstance(content, list) else []


def _text_of_content(content: Any) -> str:
    """Return the text of a message, result or system prompt, which is a string or a list of blocks."""
    if isinstance(content, str):
        return content
    return "\n".join(
        str(block["text"]) for block in _blocks_of_message({"content": content}) if block.get("type") == "text"
    )
