"""Support for the cases: the agent under test, its prompt and tools, and the events of a conversation."""

import json
import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from flag_harness.clock import Clock
from flag_harness.reference import Agent, BashTool, ConversationContext, Event, Tool, load_context
from flag_harness.reference.logs import ROOT_LOGGER
from flag_harness.reference.settings import AGENT_VARIABLES
from flag_harness.reference.tools.function_tool import function_tool
from flag_harness.wire.sse import decode_events
from flag_harness.wire.timeline import Chunk, Request, Response

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic


def suite_root(suite: Path) -> Path:
    """Return the folder of a suite's `fixtures/` and `recordings/`: its own if it is installed, else its parent."""
    return suite if (suite / "fixtures").is_dir() else suite.parent


FIXTURES = suite_root(Path(__file__).parent) / "fixtures"

TOKENS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
"""The token counts in the API's usage."""

BUDGET_MODEL = "claude-haiku-4-5"
"""A current model whose thinking takes a token budget."""

MAX_REQUESTS = 20
"""More requests than any turn of a case takes: an agent that sends more is in a loop."""

E = TypeVar("E")


def system_prompt() -> str:
    """Return a prompt that is longer than the smallest prefix that the default model caches."""
    return (FIXTURES / "prompts" / "keeper.md").read_text(encoding="utf-8")


def make_agent(
    client: "AsyncAnthropic",
    clock: Clock,
    *,
    bash: BashTool,
    tools: Iterable[Tool] = (),
    model: str = "",
    context_path: Path | None = None,
    **options: Any,
) -> Agent:
    """Return the agent of the cases, with `bash` and a case's other tools."""
    return Agent(
        client,
        clock=clock,
        environ=os.environ,
        model=model,
        system=system_prompt(),
        tools=(bash, *tools),
        context_path=context_path,
        **options,
    )


def restore_agent(
    path: Path, client: "AsyncAnthropic", clock: Clock, *, bash: BashTool, context_path: Path | None = None
) -> Agent:
    """Return the agent of the cases, continuing a saved session."""
    options = {"clock": clock, "environ": os.environ, "system": system_prompt(), "tools": (bash,)}
    return Agent.restore(path, client, context_path=context_path, **options)


def make_bash(commands: Iterable[str]) -> BashTool:
    """Return a `bash` that runs only the scenario's commands."""
    return BashTool(allowed=frozenset(commands), environ=os.environ)


@dataclass(frozen=True, slots=True)
class Step:
    """An event, the agent's context after it, and the context that was in the agent's file then."""

    event: Event
    context: ConversationContext
    saved: ConversationContext | None


@dataclass
class Send:
    """One `send` of a conversation: its events with the agent's context, and the log lines in between.

    `requests` are the indices of its first request and of the first one after it; `environ` are the agent's variables.
    """

    environ: Mapping[str, str]
    before: ConversationContext
    first_request: int
    steps: list[Step] = field(default_factory=list)
    records: list[logging.LogRecord] = field(default_factory=list)
    after: ConversationContext = field(default_factory=ConversationContext)
    requests: slice = field(default_factory=lambda: slice(0))

    @property
    def events(self) -> list[Event]:
        """The events, in order."""
        return [step.event for step in self.steps]


class _Records(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)


@dataclass
class Conversation:
    """A conversation with an agent, its `bash`, and all events so far.

    `cassette` answers the agent, which saves its context to `path`. `sends` are for the invariants of all cases.
    """

    agent: Agent
    bash: BashTool
    cassette: Any = None
    path: Path | None = None
    sends: list[Send] = field(default_factory=list)

    @property
    def events(self) -> list[Event]:
        """All events so far."""
        return [event for send in self.sends for event in send.events]

    async def send(self, text: str | None) -> list[Event]:
        """Send one user text, or None to continue an unanswered turn, and return the events of this turn.

        Raise `CommandRefused` for a command that the scenario does not declare, even if the agent has caught it.
        """
        send = Send(
            {name: os.environ[name] for name in AGENT_VARIABLES if name in os.environ},
            self.agent.context,
            self._request_count(),
        )
        self.sends.append(send)
        handler, logger = _Records(send.records), logging.getLogger(ROOT_LOGGER)
        logger.addHandler(handler)
        try:
            async for event in self.agent.send(text):
                saved = load_context(self.path) if self.path is not None and self.path.exists() else None
                send.steps.append(Step(event, self.agent.context, saved))
                assert self._request_count() - send.first_request <= MAX_REQUESTS, "one send takes a few requests"
        finally:
            logger.removeHandler(handler)
        send.after, send.requests = self.agent.context, slice(send.first_request, self._request_count())
        if self.bash.refusals is not None:
            raise self.bash.refusals
        return send.events

    def _request_count(self) -> int:
        return len(self.cassette.times) if self.cassette is not None else 0

    def events_of(self, kind: type[E]) -> list[E]:
        """Return the events of one type."""
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class ToolSpy:
    """Records the input and the time of each tool call."""

    clock: Clock
    calls: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def tool(
        self, name: str, schema: Mapping[str, Any], answer: Callable[[Mapping[str, Any]], str] = lambda input: "done"
    ) -> Tool:
        """Return a tool that records its calls and answers them."""

        def run(**input: Any) -> str:
            self.calls.append((self.clock.now(), input))
            return answer(input)

        return function_tool(name, f"{name.replace('_', ' ').capitalize()}.", {"type": "object", **schema}, run)


def about(words: str) -> Callable[[Request], bool]:
    """Return a condition for faults: the last block of the request's messages holds these words."""
    return lambda request: words in json.dumps(json.loads(request.body)["messages"][-1]["content"][-1])


def transcript(messages: Iterable[Mapping[str, Any]], *, words: bool = True) -> list[list[Any]]:
    """Return the visible lines of a conversation, without thinking and cache marks; without texts if not `words`."""
    blocks = [(str(message["role"]), block) for message in messages for block in _blocks(message["content"])]
    return [line for role, block in blocks if (line := _line(role, block, words))]


def expected_transcript() -> list[list[Any]]:
    """Return the transcript of both questions of the round trip, as it is with every flag off."""
    expected: list[list[Any]] = json.loads((FIXTURES / "transcript.json").read_text(encoding="utf-8"))
    return expected


def cache_marks(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return each `cache_control` of a request's body by the path of the marked object, in the order of paths."""
    return dict(sorted((path, value) for path, key, value in _members(body, "") if key == "cache_control"))


def deltas(response: Response, key: str) -> list[str]:
    """Return the values of the deltas of a stream under `key` (`text`, `partial_json`, `signature`, ...), in order."""
    found = (event["delta"] for event in _events(response) if event["type"] == "content_block_delta")
    return [delta[key] for delta in found if key in delta]


def streamed_tokens(exchanges: Iterable[tuple[Request, Response]]) -> dict[str, int]:
    """Return the token totals of complete streams; each stream's last value of a count is its total."""
    total = Counter(dict.fromkeys(TOKENS, 0))
    for _, response in exchanges:
        usages = [event.get("message", event).get("usage") or {} for event in _events(response)]
        total.update({name: [usage[name] for usage in usages if usage.get(name) is not None][-1] for name in TOKENS})
    return dict(total)


def body_keys(body: Mapping[str, Any]) -> set[str]:
    """Return every key of the body, at any depth, except inside tool inputs and input schemas."""
    return {key for _, key, _ in _members(body, "")}


def _members(value: Any, path: str) -> Iterable[tuple[str, str, Any]]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield path, key, member
            if key not in ("input", "input_schema"):
                yield from _members(member, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _members(member, f"{path}[{index}]")


def _events(response: Response) -> list[dict[str, Any]]:
    return [
        json.loads(event.data) for event in decode_events(piece.data for piece in response if isinstance(piece, Chunk))
    ]


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
