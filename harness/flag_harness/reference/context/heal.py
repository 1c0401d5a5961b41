"""Mends what an interruption left: the API refuses a whole conversation for one call without its result."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from flag_harness.flags import OFF
from flag_harness.reference.context.context import Context, LedgerEntry
from flag_harness.reference.tools.tool import ToolOutcome

INTERRUPTED = "The session was interrupted while this tool ran; it may or may not have taken effect."
NOT_RUN = "The session was interrupted before this tool ran; it was not run."

Block = dict[str, Any]
Message = dict[str, Any]


def healed(context: Context) -> tuple[Context, tuple[str, ...]]:
    """The context as the API takes it, and one sentence for each thing mended; the same context where there is none.

    What holds afterwards: the first message is the user's and the roles alternate; no message is empty, no text blank;
    each call has its one result at the head of the next message, from the ledger where the tool had finished, else an
    error that says whether it had begun; no result is without its call, no id used twice, no thinking unsigned or last.
    """
    notes: list[str] = []
    mending = _Mending(context.ledger, notes)
    messages = list(context.messages)
    while (mended := mending.once(messages)) != messages:  # what one pass drops may strand something else
        messages = mended
    return (replace(context, messages=tuple(messages)), tuple(notes)) if notes else (context, ())


def transition_prompt(context: Context, combination: str, healed: Sequence[str]) -> str | None:
    """What the model is told when a session goes on under the flags of `combination`, mended as `healed` says.

    None where nothing was mended and the flags are those that the context was saved under, or it was saved under none.
    """
    before, after = _flags(combination if context.combination is None else context.combination), _flags(combination)
    on, off = [flag for flag in after if flag not in before], [flag for flag in before if flag not in after]
    parts = [f"Switched on since: {', '.join(on)}."] if on else []
    parts += [f"Switched off since: {', '.join(off)}."] if off else []
    parts += ["Mended in the conversation:\n" + "\n".join(f"- {note}" for note in healed)] if healed else []
    return "This session was saved and restored.\n" + "\n".join(parts) if parts else None


def _flags(combination: str) -> list[str]:
    return [flag for flag in combination.split("+") if flag != OFF]


@dataclass(frozen=True, slots=True)
class _Mending:
    """One context's mending: what is known of its calls, and the notes taken so far."""

    ledger: Mapping[str, LedgerEntry]
    notes: list[str]
    seen: set[str] = field(default_factory=set)

    def once(self, messages: Sequence[Message]) -> list[Message]:
        """The messages after each rule has been applied once, in the order in which they build on each other."""
        self.seen.clear()
        whole = [_with(message, self._sound(message, f"message {n}")) for n, message in enumerate(messages)]
        return self._paired(self._joined(self._filled(whole)))

    def _sound(self, message: Message, where: str) -> Any:
        """The content without blocks that the API refuses wherever they stand, whatever is around them."""
        content = message["content"]
        if isinstance(content, str):
            return content if content.strip() else []
        kept = []
        for block in content:
            if fault := self._fault(block, message["role"], content):
                self.notes.append(f"{where}: {fault} was dropped")
            else:
                kept.append(block)
        while message["role"] == "assistant" and kept and _is_thinking(kept[-1]):
            kept.pop()
            self.notes.append(f"{where}: thinking that nothing followed was dropped")
        return kept

    def _fault(self, block: Block, role: str, content: Sequence[Block]) -> str | None:
        kind = block["type"]
        if kind == "text":
            return None if block["text"].strip() else "a blank text"
        if kind == "thinking" and not block.get("signature"):
            return "thinking without its signature"
        if _is_thinking(block) or kind == "tool_use" or kind in _SERVER_CALLS:
            if role == "user":
                return f"a {kind} block of the user"
            return None if _is_thinking(block) else self._call_fault(block, content)
        if kind == "tool_result":
            return None if role == "user" else f"a result of {block['tool_use_id']} in the assistant's turn"
        if "tool_use_id" in block and not any(_answers(block, call) for call in content):
            return f"a {kind} without its call {block['tool_use_id']}"
        return None

    def _call_fault(self, block: Block, content: Sequence[Block]) -> str | None:
        if not isinstance(block.get("input"), dict):
            return f"the call {block['id']}, whose input is no object,"
        if block["type"] in _SERVER_CALLS and not any(_answers(other, block) for other in content):
            return f"the call {block['id']} of {block['name']}, which the API ran and never answered,"
        if block["id"] in self.seen:
            return f"a second call with the id {block['id']}"
        self.seen.add(block["id"])
        return None

    def _filled(self, messages: Iterable[Message]) -> list[Message]:
        """Without messages that hold nothing, and without what stands before the user's first word."""
        kept: list[Message] = []
        for message in messages:
            if not message["content"]:
                self.notes.append(f"an empty message of the {message['role']} was dropped")
            elif not kept and message["role"] == "assistant":
                self.notes.append("an assistant's message before the first of the user was dropped")
            else:
                kept.append(message)
        return kept

    def _joined(self, messages: Iterable[Message]) -> list[Message]:
        """Messages of one role in a row as one, which is how the API reads them."""
        joined: list[Message] = []
        for message in messages:
            if joined and joined[-1]["role"] == message["role"]:
                both = _blocks(joined[-1]) + _blocks(message)
                joined[-1] = _with(joined[-1], both)
                self.notes.append(f"two messages of the {message['role']} in a row were joined")
            else:
                joined.append(message)
        return joined

    def _paired(self, messages: list[Message]) -> list[Message]:
        """Each assistant's message with calls, followed by a user's message that begins with their results."""
        paired: list[Message] = []
        for previous, message in pairwise([_NOTHING, *messages, _NOTHING]):
            calls = [block for block in _blocks(previous) if block["type"] == "tool_use"]
            if message["role"] == "user":
                paired.append(_with(message, self._answered(message, calls)))
            else:
                if calls:
                    paired.append({"role": "user", "content": [self._result(call) for call in calls]})
                paired.append(message)
        return [message for message in paired if message is not _NOTHING]

    def _answered(self, message: Message, calls: Sequence[Block]) -> Any:
        """The content of a user's message after `calls`: their results first, one each, and no others."""
        blocks = _blocks(message)
        results = [block for block in blocks if block["type"] == "tool_result"]
        if not calls and not results:
            return message["content"]
        found = self._matched(results, {call["id"] for call in calls})
        missing = [self._result(call) for call in calls if call["id"] not in found]
        rest = [block for block in blocks if block["type"] != "tool_result"]
        places = [block["type"] == "tool_result" for block in blocks]
        if places != sorted(places, reverse=True):
            self.notes.append("results were put before the user's words")
        return [*found.values(), *missing, *rest]

    def _matched(self, results: Iterable[Block], wanted: set[str]) -> dict[str, Block]:
        found: dict[str, Block] = {}
        for result in results:
            id = result["tool_use_id"]
            if id not in wanted:
                self.notes.append(f"a result without its call {id} was dropped")
            elif id in found:
                self.notes.append(f"a second result of {id} was dropped")
            else:
                found[id] = result
        return found

    def _result(self, call: Block) -> Block:
        """The result of a call that has none: what the ledger kept, or an error that says what is known."""
        id, name = call["id"], call["name"]
        entry = self.ledger.get(id)
        if entry is not None and entry.outcome is not None:
            self.notes.append(f"the call {id} of {name} had finished; it got the result that was kept")
            return entry.outcome.block
        started = entry is not None
        how = "was interrupted while it ran; it may or may not have taken effect" if started else "was not run"
        self.notes.append(f"the call {id} of {name} {how}")
        return ToolOutcome(id, INTERRUPTED if started else NOT_RUN, is_error=True).block


_SERVER_CALLS = ("server_tool_use", "mcp_tool_use")
_NOTHING: Message = {"role": "", "content": []}


def _with(message: Message, content: Any) -> Message:
    """The message with that content, its keys in their order."""
    return {**message, "content": content}


def _blocks(message: Message) -> list[Block]:
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def _is_thinking(block: Block) -> bool:
    return block["type"] in ("thinking", "redacted_thinking")


def _answers(result: Block, call: Block) -> bool:
    return call["type"] in _SERVER_CALLS and result.get("tool_use_id") == call.get("id")
