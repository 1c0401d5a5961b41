"""Conversations, legal and illegal, in any order: what is legal goes on, what is not is refused and leaves no trace."""

import copy
import importlib.util
import json
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flag_harness.clock import VirtualClock
from flag_harness.simulator import ScenarioTurn, simulate
from flag_harness.simulator.scenario.scenario import ScriptedToolCall
from flag_harness.wire.timeline import Head, Request, body

_spec = importlib.util.spec_from_file_location("grammar", Path(__file__).with_name("grammar.py"))
assert _spec is not None
assert _spec.loader is not None
grammar = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(grammar)

HEADERS = (("x-api-key", "key"), ("anthropic-version", "2023-06-01"), ("content-type", "application/json"))
TOOL = {"name": "bash", "input_schema": {"type": "object"}}
MARK = {"type": "ephemeral"}
TEXTS = st.text(min_size=1, max_size=40).filter(str.strip)
UNKNOWN = "messages.{0}.content.0: unexpected `tool_use_id` found in `tool_result` blocks: toolu_none."


class Conversation(RuleBasedStateMachine):
    """One agent that keeps its history as the API gave it, and breaks the rules from time to time."""

    @initialize(budget=st.booleans(), streams=st.booleans(), prompt=st.integers(0, 6000), calls=st.integers(0, 2))
    def begin(self, budget: bool, streams: bool, prompt: int, calls: int) -> None:
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
        self.user_speaks("Hello.", calls)

    def _turn(self) -> ScenarioTurn:
        calls = tuple(ScriptedToolCall(name="bash", input={"number": number}) for number in range(self.calls))
        return ScenarioTurn(thinking="Let me see.", text="Well.", calls=calls)

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

    @rule(number=st.integers(0, 100), often=st.data())
    def a_rule_is_broken(self, number: int, often: st.DataObject) -> None:
        """In one of the ways that the conversation has room for."""
        ways = [self._no_version, self._no_key, self._unknown_field, self._many_marks, self._small_max_tokens]
        ways += [self._unanswered_call] if self.pending else [self._orphan_result]
        ways += [self._altered_thinking] * 3 if any(self._thoughts()) else []
        often.draw(st.sampled_from(ways))(number)

    def _no_version(self, number: int) -> None:
        self.refused("anthropic-version: header is required", headers=(HEADERS[0], HEADERS[2]))

    def _no_key(self, number: int) -> None:
        self.refused("x-api-key header is required", headers=HEADERS[1:], status=401)

    def _unknown_field(self, number: int) -> None:
        name = ("beta", "betas", "max_token")[number % 3]
        self.refused(f"{name}: Extra inputs are not permitted", messages=self.spoken(), **{name: number})

    def _many_marks(self, number: int) -> None:
        """Beside the one on the system prompt."""
        marks = 4 + number % 3
        last = self.spoken()
        last[-1]["content"] += [{"type": "text", "text": "x", "cache_control": MARK}] * marks
        self.refused(f"A maximum of 4 blocks with cache_control may be provided. Found {marks + 1}.", messages=last)

    def _small_max_tokens(self, number: int) -> None:
        thinking = {"type": "enabled", "budget_tokens": 1024 + number}
        words = "`max_tokens` must be greater than `thinking.budget_tokens`."
        self.refused(words, messages=self.spoken(), thinking=thinking, max_tokens=1024)

    def _unanswered_call(self, number: int) -> None:
        place = len(self.messages) - 1
        words = f"messages.{place}: `tool_use` ids were found without `tool_result` blocks immediately after: "
        self.refused(words, messages=[*self.messages, {"role": "user", "content": "Never mind."}])

    def _orphan_result(self, number: int) -> None:
        result = {"type": "tool_result", "tool_use_id": "toolu_none", "content": "ok"}
        words = UNKNOWN.format(len(self.messages))
        self.refused(words, messages=[*self.messages, {"role": "user", "content": [result]}])

    def _altered_thinking(self, number: int) -> None:
        altered = copy.deepcopy(self.spoken())
        place, index = next(self._thoughts())
        altered[place]["content"][index]["thinking"] += "!"
        latest = max(number for number, message in enumerate(altered) if message["role"] == "assistant")
        words = "`thinking` or `redacted_thinking` blocks in the latest assistant message cannot be modified."
        after = [message["content"] for message in altered[place:] if message["role"] == "user"]
        in_tool_loop = bool(self.pending) and all(isinstance(content, list) for content in after)
        words = words if place == latest or in_tool_loop else "Invalid `signature` in `thinking` block"
        self.refused(f"messages.{place}.content.{index}: {words}", messages=altered)

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
TestConversation.settings = settings(max_examples=40, stateful_step_count=15, deadline=None)
