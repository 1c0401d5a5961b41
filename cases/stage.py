"""What the cases put on stage: the agent under test, its prompt and tools, and what it has shown so far."""

import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from flag_harness.clock import Clock
from flag_harness.reference import Agent, Bash, Event, Tool
from flag_harness.reference.tools.function_tool import function_tool
from flag_harness.wire.sse import decode
from flag_harness.wire.timeline import Chunk, Request, Response

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic


def root(suite: Path) -> Path:
    """Where the `fixtures/` and `recordings/` of a suite stand: inside it where it is installed, else beside it."""
    return suite if (suite / "fixtures").is_dir() else suite.parent


FIXTURES = root(Path(__file__).parent) / "fixtures"

TOKENS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
"""What the API counts of every answer."""

BUDGET_MODEL = "claude-haiku-4-5"
"""A current model whose thinking takes a budget in tokens."""

E = TypeVar("E")


def system_prompt() -> str:
    """A prompt longer than the smallest prefix that the default model caches."""
    return (FIXTURES / "prompts" / "keeper.md").read_text(encoding="utf-8")


def new_agent(
    client: "AsyncAnthropic",
    clock: Clock,
    *,
    bash: Bash,
    tools: Iterable[Tool] = (),
    model: str = "",
    context_path: Path | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> Agent:
    """The agent of the cases: with `bash`, and what tools a case adds."""
    return Agent(
        client,
        clock=clock,
        environ=os.environ,
        model=model,
        system=system_prompt(),
        tools=(bash, *tools),
        context_path=context_path,
        parameters=parameters or {},
    )


def restored_agent(path: Path, client: "AsyncAnthropic", clock: Clock, *, bash: Bash) -> Agent:
    """The same agent, going on with a saved session."""
    options = {"clock": clock, "environ": os.environ, "system": system_prompt(), "tools": (bash,)}
    return Agent.restore(path, client, **options)


def bash_for(commands: Iterable[str]) -> Bash:
    """A `bash` that runs nothing but the scenario's commands."""
    return Bash(allowed=frozenset(commands), environ=os.environ)


@dataclass
class Talk:
    """A conversation with an agent, its `bash`, and every event that it has shown."""

    agent: Agent
    bash: Bash
    events: list[Event] = field(default_factory=list)

    async def say(self, text: str | None) -> list[Event]:
        """Send one user text (or go on with an unanswered one) and return the events of this turn.

        Raises the `CommandRefused` of a command that no scenario declares, whatever the agent has caught.
        """
        start = len(self.events)
        async for event in self.agent.send(text):
            self.events.append(event)
        if self.bash.refused is not None:
            raise self.bash.refused
        return self.events[start:]

    def of(self, kind: type[E]) -> list[E]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class Probe:
    """Notes what a tool was called with, and when."""

    clock: Clock
    calls: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def tool(
        self, name: str, schema: Mapping[str, Any], answer: Callable[[Mapping[str, Any]], str] = lambda given: "done"
    ) -> Tool:
        """A tool that notes its calls and answers."""

        def run(**given: Any) -> str:
            self.calls.append((self.clock.now(), given))
            return answer(given)

        return function_tool(name, f"{name.replace('_', ' ').capitalize()}.", {"type": "object", **schema}, run)


def transcript(messages: Iterable[Mapping[str, Any]], *, words: bool = True) -> list[list[Any]]:
    """What a reader sees of a conversation: no thinking, no cache marks; without `words`, only what was done."""
    blocks = [(str(message["role"]), block) for message in messages for block in _blocks(message["content"])]
    return [line for role, block in blocks if (line := _line(role, block, words))]


def expected_transcript() -> list[list[Any]]:
    """The transcript of both questions of the round trip, as it is with every flag off."""
    expected: list[list[Any]] = json.loads((FIXTURES / "transcript.json").read_text(encoding="utf-8"))
    return expected


def cache_marks(body: Mapping[str, Any]) -> dict[str, Any]:
    """Each `cache_control` of a request's body by the path of what it marks, in the order of the paths."""
    return dict(sorted((path, value) for path, key, value in _members(body, "") if key == "cache_control"))


def deltas(response: Response, key: str) -> list[str]:
    """What the deltas of a stream say under `key` (`text`, `partial_json`, `signature`, ...), in order."""
    said = (event["delta"] for event in _events(response) if event["type"] == "content_block_delta")
    return [delta[key] for delta in said if key in delta]


def streamed_tokens(exchanges: Iterable[tuple[Request, Response]]) -> dict[str, int]:
    """The tokens of complete streams, added up: of each, what it said last of every count."""
    total = Counter(dict.fromkeys(TOKENS, 0))
    for _, response in exchanges:
        said = [event.get("message", event).get("usage") or {} for event in _events(response)]
        total.update({name: [usage[name] for usage in said if usage.get(name) is not None][-1] for name in TOKENS})
    return dict(total)


def keys(body: Mapping[str, Any]) -> set[str]:
    """Every key of the body, at any depth, the input of tools and their schemas left out."""
    return {key for _, key, _ in _members(body, "")}


def _members(value: Any, path: str) -> Iterable[tuple[str, str, Any]]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield path, key, member
            if key not in ("input", "input_schema"):
                yield from _members(member, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from _members(member, f"{path}[{place}]")


def _events(response: Response) -> list[dict[str, Any]]:
    return [json.loads(event.data) for event in decode(piece.data for piece in response if isinstance(piece, Chunk))]


def _blocks(content: Any) -> list[Mapping[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _line(role: str, block: Mapping[str, Any], words: bool) -> list[Any] | None:
    match block["type"]:
        case "text":
            return [role, "text", block["text"]] if words else None
        case "tool_use":
            return [role, "tool_use", block["name"], block["input"]]
        case "tool_result":
            return [role, "tool_result", *([block["content"]] if words else [])]
    return None
