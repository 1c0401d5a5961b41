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
from flag_harness.reference.logs import ROOT_LOGGER_NAME
from flag_harness.reference.settings import AGENT_VARIABLES
from flag_harness.reference.tools.function_tool import function_tool
from flag_harness.wire.sse import decode_events
from flag_harness.wire.timeline import Chunk, Request, Response

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic


def suite_root(suite: Path) -> Path:
    """Return the folder that has the `fixtures/` and `recordings/` of a suite.

    This is `suite` itself if the cases are installed, else its parent.
    """
    return suite if (suite / "fixtures").is_dir() else suite.parent


FIXTURES = suite_root(Path(__file__).parent) / "fixtures"

TOKENS = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
"""The token counts in the API's usage."""

BUDGET_MODEL = "claude-haiku-4-5"
"""A current model whose thinking is limited by a budget of tokens."""

MAX_REQUESTS = 20
"""The most requests of one `send`. An agent that sends more is in a loop."""

E = TypeVar("E")


def system_prompt() -> str:
    """Return a system prompt that is long enough for the default model to cache it."""
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
    """Return a new agent for a case, with the tool `bash` and the case's other `tools`.

    It saves its session to `context_path`, if given.
    """
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
    """Return an agent that continues the session saved in `path`. It saves its session to `context_path`, if given."""
    options = {"clock": clock, "environ": os.environ, "system": system_prompt(), "tools": (bash,)}
    return Agent.restore(path, client, context_path=context_path, **options)


def make_bash(commands: Iterable[str]) -> BashTool:
    """Return the tool `bash`, which runs only these shell commands."""
    return BashTool(allowed_commands=frozenset(commands), environ=os.environ)


@dataclass(frozen=True, slots=True)
class Step:
    """An event of the agent, its context after the event, and the context that its session file had at that time."""

    event: Event
    context: ConversationContext
    saved: ConversationContext | None


@dataclass
class Send:
    """One call of `Conversation.send`: its events, each with the agent's context, and the log records.

    `environ` has the agent's environment variables, and `before` and `after` are its contexts. `requests` is the range
    of the indices of its requests.
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
        """The events of this `send`, in order."""
        return [step.event for step in self.steps]


class _Records(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)


@dataclass
class Conversation:
    """A conversation with an agent, and what happened in each `send`.

    `cassette` answers the agent's requests. The agent saves its session to `path`. `sends` are checked at the end of
    each case.
    """

    agent: Agent
    bash: BashTool
    cassette: Any = None
    path: Path | None = None
    sends: list[Send] = field(default_factory=list)

    @property
    def events(self) -> list[Event]:
        """All events of the conversation so far."""
        return [event for send in self.sends for event in send.events]

    async def send(self, text: str | None) -> list[Event]:
        """Send a user text, or continue an unanswered turn if `text` is None, and return the events of this turn.

        Raise `CommandRefused` if the model called `bash` with a command that the scenario does not permit, even if the
        agent has caught that error.
        """
        send = Send(
            {name: os.environ[name] for name in AGENT_VARIABLES if name in os.environ},
            self.agent.context,
            self._request_count(),
        )
        self.sends.append(send)
        handler, logger = _Records(send.records), logging.getLogger(ROOT_LOGGER_NAME)
        logger.addHandler(handler)
        try:
            async for event in self.agent.send(text):
                saved = load_context(self.path) if self.path is not None and self.path.exists() else None
                send.steps.append(Step(event, self.agent.context, saved))
                assert self._request_count() - send.first_request <= MAX_REQUESTS, "one send takes a few requests"
        finally:
            logger.removeHandler(handler)
        send.after, send.requests = self.agent.context, slice(send.first_request, self._request_count())
        if self.bash.refusal is not None:
            raise self.bash.refusal
        return send.events

    def _request_count(self) -> int:
        return len(self.cassette.times) if self.cassette is not None else 0

    def events_of(self, kind: type[E]) -> list[E]:
        """Return all events of the type `kind` so far."""
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class ToolSpy:
    """Records the input and the time of each tool call."""

    clock: Clock
    calls: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def tool(
        self, name: str, schema: Mapping[str, Any], answer: Callable[[Mapping[str, Any]], str] = lambda input: "done"
    ) -> Tool:
        """Return a tool that records its calls and answers each with the result of `answer`."""

        def run(**input: Any) -> str:
            self.calls.append((self.clock.now(), input))
            return answer(input)

        return function_tool(name, f"{name.replace('_', ' ').capitalize()}.", {"type": "object", **schema}, run)


def about(words: str) -> Callable[[Request], bool]:
    """Return a condition for faults: is `words` in the last block of the request's last message?"""
    return lambda request: words in json.dumps(json.loads(request.body)["messages"][-1]["content"][-1])


def transcript(messages: Iterable[Mapping[str, Any]], *, words: bool = True) -> list[list[Any]]:
    """Return the visible lines of a conversation, without thinking and cache marks.

    Unless `words` is True, texts are left out, because those of a live model vary.
    """
    blocks = [(str(message["role"]), block) for message in messages for block in _blocks(message["content"])]
    return [line for role, block in blocks if (line := _line(role, block, words))]


def expected_transcript() -> list[list[Any]]:
    """Return the transcript of both questions of the matrix case with every flag off.

    All combinations must have the same.
    """
    expected: list[list[Any]] = json.loads((FIXTURES / "transcript.json").read_text(encoding="utf-8"))
    return expected


def cache_marks(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return each `cache_control` in a request's body, by the path of the object that has it, sorted by path."""
    return dict(sorted((path, value) for path, key, value in _members(body, "") if key == "cache_control"))


def deltas(response: Response, key: str) -> list[str]:
    """Return the values that the deltas of a stream have under `key` (`text`, `partial_json`, `signature`, ...), in
    order.
    """
    found = (event["delta"] for event in _events(response) if event["type"] == "content_block_delta")
    return [delta[key] for delta in found if key in delta]


def streamed_tokens(exchanges: Iterable[tuple[Request, Response]]) -> dict[str, int]:
    """Return the sum of each token count over complete streams. In a stream, the last value of a count is its total."""
    total = Counter(dict.fromkeys(TOKENS, 0))
    for _, response in exchanges:
        usages = [event.get("message", event).get("usage") or {} for event in _events(response)]
        total.update({name: [usage[name] for usage in usages if usage.get(name) is not None][-1] for name in TOKENS})
    return dict(total)


def body_keys(body: Mapping[str, Any]) -> set[str]:
    """Return all keys in a request's body, at any depth, except those inside tool inputs and input schemas."""
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
