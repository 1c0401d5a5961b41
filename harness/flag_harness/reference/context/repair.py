"""Repair a conversation that was interrupted. The API would refuse it, for example if a tool call has no result."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from flag_harness.flag import OFF_COMBINATION
from flag_harness.reference.context.context import ConversationContext, ToolCallState
from flag_harness.reference.context.conversation import list_content_blocks
from flag_harness.reference.tools.tool import ToolOutcome

INTERRUPTED_CALL_MESSAGE = "The session was interrupted while this tool ran; it may or may not have taken effect."
CALL_NOT_RUN_MESSAGE = "The session was interrupted before this tool ran; it was not run."

FIRST_LINE_OF_TRANSITION_PROMPT = "This session was saved and restored.\n"
"""The first line of each note to the model after a restore."""

BlockDict = dict[str, Any]
MessageDict = dict[str, Any]


def repair_context(context: ConversationContext) -> tuple[ConversationContext, tuple[str, ...]]:
    """Return a repaired context that the API accepts, and one sentence for each repair.

    In the repaired context, the first message is the user's and the roles alternate. No message is empty and no text
    blank. Each tool call has one result at the start of the next message: the outcome in the context's state of the
    call if the tool had finished, and otherwise an error that says whether the tool had started. Every result belongs
    to a call, ids are unique, and no thinking is unsigned or comes last.
    """
    notes: list[str] = []
    repair = _ContextRepair(context.call_states_by_id, notes)
    messages = list(context.messages)
    while (
        repaired := repair.apply_each_rule_once(messages)
    ) != messages:  # dropping one block may make another one invalid
        messages = repaired
    return (replace(context, messages=tuple(messages)), tuple(notes)) if notes else (context, ())


def make_transition_prompt(context: ConversationContext, combination: str, repairs: Sequence[str]) -> str | None:
    """Return a note that tells the model what was repaired, and which flags now differ from those of the last turn.

    `combination` is the id of the flags now. Return None if nothing was repaired and no flag has changed.
    """
    saved = combination if context.combination is None else context.combination
    before, after = _flag_names(saved), _flag_names(combination)
    on, off = [flag for flag in after if flag not in before], [flag for flag in before if flag not in after]
    parts = [f"Switched on since: {', '.join(on)}."] if on else []
    parts += [f"Switched off since: {', '.join(off)}."] if off else []
    parts += ["Mended in the conversation:\n" + "\n".join(f"- {note}" for note in repairs)] if repairs else []
    return FIRST_LINE_OF_TRANSITION_PROMPT + "\n".join(parts) if parts else None


def _flag_names(combination: str) -> list[str]:
    return [flag for flag in combination.split("+") if flag != OFF_COMBINATION]


@dataclass(frozen=True, slots=True)
class _ContextRepair:
    """Repairs one context. `notes` collects a sentence for each repair, and `seen_call_ids` the ids of tool calls so
    far.
    """

    call_states_by_id: Mapping[str, ToolCallState]
    notes: list[str]
    seen_call_ids: set[str] = field(default_factory=set)

    def apply_each_rule_once(self, messages: Sequence[MessageDict]) -> list[MessageDict]:
        """Apply each rule of repair once, in the order in which the rules build on each other."""
        self.seen_call_ids.clear()
        whole = [
            _replace_content(message, self._remove_invalid_blocks(message, f"message {n}"))
            for n, message in enumerate(messages)
        ]
        return self._pair_results_with_calls(self._join_messages_of_same_role(self._remove_empty_messages(whole)))

    def _remove_invalid_blocks(self, message: MessageDict, location: str) -> Any:
        """Return a message's content without blocks that the API would refuse in any conversation. `location` names the
        message in notes.
        """
        content = message["content"]
        if isinstance(content, str):
            return content if content.strip() else []
        kept = []
        for block in content:
            if fault := self._block_problem(block, message["role"], content):
                self.notes.append(f"{location}: {fault} was dropped")
            else:
                kept.append(block)
        while message["role"] == "assistant" and kept and _is_thinking(kept[-1]):
            kept.pop()
            self.notes.append(f"{location}: thinking that nothing followed was dropped")
        return kept

    def _block_problem(self, block: BlockDict, role: str, content: Sequence[BlockDict]) -> str | None:
        kind = block["type"]
        if kind == "text":
            return None if block["text"].strip() else "a blank text"
        if kind == "thinking" and not block.get("signature"):
            return "thinking without its signature"
        if _is_thinking(block) or kind == "tool_use" or kind in _SERVER_CALL_TYPES:
            if role == "user":
                return f"a {kind} block of the user"
            return None if _is_thinking(block) else self._call_problem(block, content)
        if kind == "tool_result":
            return None if role == "user" else f"a result of {block['tool_use_id']} in the assistant's turn"
        if "tool_use_id" in block and not any(_is_result_of(block, call) for call in content):
            return f"a {kind} without its call {block['tool_use_id']}"
        return None

    def _call_problem(self, block: BlockDict, content: Sequence[BlockDict]) -> str | None:
        if not isinstance(block.get("input"), dict):
            return f"the call {block['id']}, whose input is not an object,"
        if block["type"] in _SERVER_CALL_TYPES and not any(_is_result_of(other, block) for other in content):
            return f"the call {block['id']} of {block['name']}, which the API ran and never answered,"
        if block["id"] in self.seen_call_ids:
            return f"a second call with the id {block['id']}"
        self.seen_call_ids.add(block["id"])
        return None

    def _remove_empty_messages(self, messages: Iterable[MessageDict]) -> list[MessageDict]:
        """Drop empty messages, and assistant messages before the user's first one."""
        kept: list[MessageDict] = []
        for message in messages:
            if not message["content"]:
                self.notes.append(f"an empty message of the {message['role']} was dropped")
            elif not kept and message["role"] == "assistant":
                self.notes.append("an assistant's message before the first of the user was dropped")
            else:
                kept.append(message)
        return kept

    def _join_messages_of_same_role(self, messages: Iterable[MessageDict]) -> list[MessageDict]:
        """Join consecutive messages that have the same role, as the API does."""
        joined: list[MessageDict] = []
        for message in messages:
            if joined and joined[-1]["role"] == message["role"]:
                both = list_content_blocks(joined[-1]["content"]) + list_content_blocks(message["content"])
                joined[-1] = _replace_content(joined[-1], both)
                self.notes.append(f"two messages of the {message['role']} in a row were joined")
            else:
                joined.append(message)
        return joined

    def _pair_results_with_calls(self, messages: list[MessageDict]) -> list[MessageDict]:
        """After each assistant message with tool calls, put a user message that begins with the results of these
        calls.
        """
        paired: list[MessageDict] = []
        for previous, message in pairwise([_EMPTY_MESSAGE, *messages, _EMPTY_MESSAGE]):
            calls = [block for block in list_content_blocks(previous["content"]) if block["type"] == "tool_use"]
            if message["role"] == "user":
                paired.append(_replace_content(message, self._content_after_calls(message, calls)))
            else:
                if calls:
                    paired.append({"role": "user", "content": [self._make_result_of_call(call) for call in calls]})
                paired.append(message)
        return [message for message in paired if message is not _EMPTY_MESSAGE]

    def _content_after_calls(self, message: MessageDict, calls: Sequence[BlockDict]) -> Any:
        """Return the content of a user message that follows tool calls: first a result for each call, then the blocks
        of the message that are not results.
        """
        blocks = list_content_blocks(message["content"])
        results = [block for block in blocks if block["type"] == "tool_result"]
        if not calls and not results:
            return message["content"]
        found = self._results_by_call_id(results, {call["id"] for call in calls})
        missing = [self._make_result_of_call(call) for call in calls if call["id"] not in found]
        rest = [block for block in blocks if block["type"] != "tool_result"]
        is_result = [block["type"] == "tool_result" for block in blocks]
        if is_result != sorted(is_result, reverse=True):
            self.notes.append("results were put before the user's words")
        return [*found.values(), *missing, *rest]

    def _results_by_call_id(self, results: Iterable[BlockDict], call_ids: set[str]) -> dict[str, BlockDict]:
        found: dict[str, BlockDict] = {}
        for result in results:
            id = result["tool_use_id"]
            if id not in call_ids:
                self.notes.append(f"a result without its call {id} was dropped")
            elif id in found:
                self.notes.append(f"a second result of {id} was dropped")
            else:
                found[id] = result
        return found

    def _make_result_of_call(self, call: BlockDict) -> BlockDict:
        """Return a result for a tool call that has none: the outcome in the call's state, or else an error."""
        id, name = call["id"], call["name"]
        entry = self.call_states_by_id.get(id)
        if entry is not None and entry.outcome is not None:
            self.notes.append(f"the call {id} of {name} had finished; it got the result that was kept")
            return entry.outcome.result_block
        started = entry is not None
        how = "was interrupted while it ran; it may or may not have taken effect" if started else "was not run"
        self.notes.append(f"the call {id} of {name} {how}")
        return ToolOutcome(
            id, INTERRUPTED_CALL_MESSAGE if started else CALL_NOT_RUN_MESSAGE, is_error=True
        ).result_block


_SERVER_CALL_TYPES = ("server_tool_use", "mcp_tool_use")
_EMPTY_MESSAGE: MessageDict = {"role": "", "content": []}


def _replace_content(message: MessageDict, content: Any) -> MessageDict:
    """Return a copy of the message with its content replaced. The keys keep their order."""
    return {**message, "content": content}


def _is_thinking(block: BlockDict) -> bool:
    return block["type"] in ("thinking", "redacted_thinking")


def _is_result_of(result: BlockDict, call: BlockDict) -> bool:
    return call["type"] in _SERVER_CALL_TYPES and result.get("tool_use_id") == call.get("id")
