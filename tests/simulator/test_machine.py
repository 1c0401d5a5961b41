"""Conversations, legal and illegal, in any order: what is legal goes on, what is not is refused and leaves no trace."""

import copy
import importlib.util
import json
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from harness.clock import VirtualClock
from harness.simulator import Turn, simulate
from harness.simulator.scenario import Call
from harness.wire.timeline import Head, Request, body

_spec = importlib.util.spec_from_file_location("grammar", Path(__file__).with_name("grammar.py"))
assert _spec is not None
assert _spec.loader is not None
grammar = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(grammar)

HEADERS = (("x-api-key", "key"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json"))
TOOL = {"name": "bash", "input_schema": {"type": "object"}}
MARK = {"type": "ephemeral"}
TEXTS = st.text(min_size=1, max_size=40).filter(lambda text: text.strip() == text)
UNKNOWN = "messages.{0}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_none."


class Conversation(RuleBasedStateMachine):
    """One agent that keeps its history as the API gave it, and breaks the rules from time to time."""

    @initialize(budget=st.booleans(), streams=st.booleans(), prompt=st.integers(0, 6000))
    def begin(self, budget: bool, streams: bool, prompt: int) -> None:
        self.clock = VirtualClock()
        self.calls = 0
        self.simulator = simulate(clock=self.clock, hook=lambda asked: self._turn())
        self.messages: list[dict[str, Any]] = []
        self.pending: list[str] = []
        self.ids: list[str] = []
        self.cached = self.refusals = 0
        thinking = {"thinking": {"type": "enabled", "budget_tokens": 1024}} if budget else {}
        system = [{"type": "text", "text": "word " * (prompt + 1), "cache_control": MARK}]
        self.base = {"model": "claude-haiku-4-5", "max_tokens": 2048, "tools": [TOOL], "system": system, **thinking}
        self.base |= {"stream": True} if streams else {}

    def _turn(self) -> Turn:
        calls = tuple(Call(name="bash", input={"number": number}) for number in range(self.calls))
        return Turn(thinking="Let me see.", text="Well.", calls=calls)

    def ask(self, headers: Any = HEADERS, **changes: Any) -> tuple[int, Any]:
        """Status, and the message or the error."""
        value = {**self.base, "messages": self.messages, **changes}
        request = Request("POST", "https://a/v1/messages", headers, json.dumps(value).encode())
        response = self.simulator(request)
        head = response[0]
        assert isinstance(head, Head)
        if head.status == 200 and value.get("stream"):
            return 200, grammar.assembled(body(response))
        return head.status, json.loads(body(response))

    def answered(self) -> None:
        """Ask, and take the answer into the history."""
        status, answer = self.ask()
        assert 200 == status, answer
        content = [self._sent_back(block) for block in answer["content"]]
        self.pending = [block["id"] for block in content if block["type"] == "tool_use"]
        assert ("tool_use" if self.pending else "end_turn") == answer["stop_reason"]
        assert self.calls == len(self.pending)
        self.ids += [answer["id"], *self.pending]
        self.messages.append({"role": "assistant", "content": content})
        self.counted(answer["usage"])

    def counted(self, usage: dict[str, Any]) -> None:
        """What was written before and not forgotten since is read."""
        read, written = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
        assert self.cached in (0, read) or (read, written) == (0, self.cached)
        self.cached = read + written

    def _sent_back(self, block: dict[str, Any]) -> dict[str, Any]:
        kept = {key: value for key, value in block.items() if key not in ("caller", "partial_json")}
        if "partial_json" in block:
            kept["input"] = json.loads(block["partial_json"] or "{}")
        return kept

    @precondition(lambda self: not self.pending)
    @rule(text=TEXTS, calls=st.integers(0, 3))
    def user_speaks(self, text: str, calls: int) -> None:
        """A new question, which may lead to calls."""
        self.calls = calls
        self.messages.append({"role": "user", "content": text})
        self.answered()

    @precondition(lambda self: self.pending)
    @rule(calls=st.integers(0, 2), note=st.booleans())
    def tools_answer(self, calls: int, note: bool) -> None:
        """All results in one turn, in any order; a note may stand behind them."""
        self.calls = calls
        results = [{"type": "tool_result", "tool_use_id": call, "content": "ok"} for call in reversed(self.pending)]
        notes = [{"type": "text", "text": "go on"}] if note else []
        self.messages.append({"role": "user", "content": [*results, *notes]})
        self.answered()

    @rule(seconds=st.sampled_from([1, 299, 301]))
    def time_passes(self, seconds: int) -> None:
        """Cached prefixes end after five minutes without use."""
        self.clock.sleep(seconds)

    def refused(self, words: str, headers: Any = HEADERS, status: int = 400, **changes: Any) -> None:
        """Refused with words that begin so."""
        told, error = self.ask(headers, **changes)
        assert (status, True) == (told, error["error"]["message"].startswith(words)), error
        self.refusals += 1

    def spoken(self) -> list[dict[str, Any]]:
        """A history that a user's turn may end, whatever was pending."""
        results = [{"type": "tool_result", "tool_use_id": call, "content": "ok"} for call in self.pending]
        return [*self.messages, {"role": "user", "content": [*results, {"type": "text", "text": "and?"}]}]

    @rule()
    def headers_are_missing(self) -> None:
        """No version, no key."""
        self.refused("anthropic-version: header is required", headers=(HEADERS[0], HEADERS[2]))
        self.refused("x-api-key header is required", headers=HEADERS[1:], status=401)

    @rule(name=st.sampled_from(["beta", "max_token", "betas"]))
    def a_field_is_unknown(self, name: str) -> None:
        """Whatever its value."""
        self.refused(f"{name}: Extra inputs are not permitted", messages=self.spoken(), **{name: 1})

    @rule(marks=st.integers(4, 6))
    def marks_are_too_many(self, marks: int) -> None:
        """Beside the one on the system prompt."""
        texts = [{"type": "text", "text": "x", "cache_control": MARK}] * marks
        last = self.spoken()
        last[-1]["content"] += texts
        self.refused(f"A maximum of 4 blocks with cache_control may be provided. Found {marks + 1}.", messages=last)

    @rule(budget=st.integers(1024, 5000), less=st.integers(0, 1000))
    def a_budget_leaves_no_room(self, budget: int, less: int) -> None:
        """max_tokens is not greater than it."""
        thinking = {"type": "enabled", "budget_tokens": budget}
        words = "`max_tokens` must be greater than `thinking.budget_tokens`."
        self.refused(words, messages=self.spoken(), thinking=thinking, max_tokens=budget - less)

    @precondition(lambda self: self.pending)
    @rule()
    def a_call_goes_unanswered(self) -> None:
        """The user speaks of something else."""
        number = len(self.messages) - 1
        words = f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        self.refused(words, messages=[*self.messages, {"role": "user", "content": "Never mind."}])

    @precondition(lambda self: not self.pending)
    @rule()
    def a_result_answers_nothing(self) -> None:
        """An id that no call has."""
        result = {"type": "tool_result", "tool_use_id": "toolu_none", "content": "ok"}
        words = UNKNOWN.format(len(self.messages))
        self.refused(words, messages=[*self.messages, {"role": "user", "content": [result]}])

    @precondition(lambda self: any(self._thoughts()))
    @rule()
    def thinking_is_altered(self) -> None:
        """One word more."""
        altered = copy.deepcopy(self.spoken())
        number, index = next(self._thoughts())
        altered[number]["content"][index]["thinking"] += "!"
        self.refused(f"messages.{number}.content.{index}: Invalid `signature` in `thinking` block", messages=altered)

    def _thoughts(self) -> Any:
        for number, message in enumerate(self.messages):
            for index, block in enumerate(message["content"]):
                if isinstance(block, dict) and block["type"] == "thinking":
                    yield number, index

    @invariant()
    def no_id_comes_twice(self) -> None:
        """Of messages and calls."""
        assert len(self.ids) == len(set(self.ids))


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
