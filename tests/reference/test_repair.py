"""What an interruption left, mended: judged by a checker that shares nothing with what it judges."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flag_harness.reference.context.context import ConversationContext, ToolCallState
from flag_harness.reference.context.repair import make_transition_prompt, repair_context
from flag_harness.reference.tools.tool import ToolOutcome

INTERRUPTED = "The session was interrupted while this tool ran; it may or may not have taken effect."
NOT_RUN = "The session was interrupted before this tool ran; it was not run."


def violations(messages: list[dict[str, Any]]) -> list[str]:
    """What the API would refuse, by its documented rules, checked one by one."""
    found = []
    ids: list[str] = []
    for number, message in enumerate(messages):
        if message["role"] != ("user", "assistant")[number % 2]:
            found.append(f"{number}: the roles do not alternate, beginning with the user")
        content = message["content"]
        if not content or (isinstance(content, str) and not content.strip()):
            found.append(f"{number}: empty content")
        blocks = [] if isinstance(content, str) else content
        found += [f"{number}: blank text" for block in blocks if block["type"] == "text" and not block["text"].strip()]
        uses = [block for block in blocks if block["type"] == "tool_use"]
        ids += [block["id"] for block in uses]
        following = messages[number + 1]["content"] if number + 1 < len(messages) else []
        head = [] if isinstance(following, str) else following[: len(uses)]
        if {block["id"] for block in uses} != {block.get("tool_use_id") for block in head}:
            found.append(f"{number}: `tool_use` ids were found without `tool_result` blocks immediately after")
        before = messages[number - 1]["content"] if number else []
        called = [] if isinstance(before, str) else [block["id"] for block in before if block["type"] == "tool_use"]
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if sorted(results) != sorted(called):
            found.append(f"{number}: unexpected `tool_use_id` found in `tool_result` blocks")
        found += _misplaced(number, message["role"], blocks)
    return found + (["ids must be unique"] if len(set(ids)) != len(ids) else [])


def _misplaced(number: int, role: str, blocks: list[dict[str, Any]]) -> list[str]:
    kinds = [block["type"] for block in blocks]
    alien = {"user": {"tool_use", "thinking", "redacted_thinking", "server_tool_use"}, "assistant": {"tool_result"}}[
        role
    ]
    found = [f"{number}: {kind} of the {role}" for kind in kinds if kind in alien]
    if role == "assistant" and kinds and kinds[-1].endswith("thinking"):
        found.append(f"{number}: the final block cannot be thinking")
    unsigned = [block for block in blocks if block["type"] == "thinking" and not block.get("signature")]
    found += [f"{number}: signature required" for _ in unsigned]
    asked = {block["id"] for block in blocks if block["type"] == "server_tool_use"}
    answered = {block["tool_use_id"] for block in blocks if block["type"] == "web_search_tool_result"}
    found += [f"{number}: {one} is unpaired" for one in asked ^ answered]
    return found + [
        f"{number}: input must be an object"
        for block in blocks
        if block["type"] == "tool_use" and type(block["input"]) is not dict
    ]


def text(words: str) -> dict[str, Any]:
    """A text block."""
    return {"type": "text", "text": words}


def call(id: str, name: str = "bash") -> dict[str, Any]:
    """A tool_use block."""
    return {"type": "tool_use", "id": id, "name": name, "input": {"command": "ls"}}


def result(id: str, words: str = "ok") -> dict[str, Any]:
    """A tool_result block."""
    return {"type": "tool_result", "tool_use_id": id, "content": words}


def search(id: str) -> list[dict[str, Any]]:
    """A search that the API ran, with what it found."""
    asked = {"type": "server_tool_use", "id": id, "name": "web_search", "input": {}}
    return [asked, {"type": "web_search_tool_result", "tool_use_id": id, "content": []}]


def thinking() -> dict[str, Any]:
    """A signed thought."""
    return {"type": "thinking", "thinking": "Hm", "signature": "sig"}


@st.composite
def history(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A legal history: turns with and without thinking, searches and calls, answered in any number."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "begin"}]
    for turn in range(draw(st.integers(0, 5))):
        content = [thinking()] if draw(st.booleans()) else []
        content += search(f"srvtoolu_{turn}") if draw(st.booleans()) else []
        content += [text("words")] if draw(st.booleans()) else []
        calls = [f"toolu_{turn}_{n}" for n in range(draw(st.integers(0, 3)))]
        content += [call(id) for id in calls] or [text("end")]
        messages.append({"role": "assistant", "content": content})
        more = [text("and")] if not calls or draw(st.booleans()) else []
        messages.append({"role": "user", "content": [*map(result, draw(st.permutations(calls))), *more]})
    return messages[: draw(st.integers(1, len(messages)))] if draw(st.booleans()) else messages


LOOSE = [
    text(" \n"), text("more"), call("toolu_0_0"), call("toolu_new"), {**call("toolu_cut"), "input": '{"comm'},
    result("toolu_0_0"), result("toolu_9_9"), thinking(), {"type": "thinking", "thinking": "H", "signature": ""},
    {"type": "redacted_thinking", "data": "x"}, *search("srvtoolu_new"), *search("srvtoolu_0"),
]  # fmt: skip


@st.composite
def mutilated(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A legal history after blocks and messages were lost, doubled, moved or let in."""
    messages = [{**message} for message in draw(history())]
    for _ in range(draw(st.integers(1, 4))):
        if not messages:
            break
        at = draw(st.integers(0, len(messages) - 1))
        content = messages[at]["content"]
        blocks = [text(content)] if isinstance(content, str) else list(content)
        how = draw(st.sampled_from(["lose", "double", "move", "empty", "blank", "block", "shuffle", "let in", "role"]))
        if how == "lose":
            del messages[at]
        elif how == "double":
            messages.insert(draw(st.integers(0, len(messages))), messages[at])
        elif how == "move":
            messages.insert(draw(st.integers(0, len(messages) - 1)), messages.pop(at))
        elif how == "role":
            messages[at] = {**messages[at], "role": draw(st.sampled_from(["user", "assistant"]))}
        else:
            changed: Any = {"empty": [], "blank": " ", "shuffle": draw(st.permutations(blocks))}.get(how)
            if how == "block":
                changed = [block for index, block in enumerate(blocks) if index != draw(st.integers(0, len(blocks)))]
            if how == "let in":
                place = draw(st.integers(0, len(blocks)))
                changed = [*blocks[:place], draw(st.sampled_from(LOOSE)), *blocks[place:]]
            messages[at] = {**messages[at], "content": changed}
    return messages


@given(history())
def test_the_checker_and_the_healer_agree_on_what_is_legal(messages: list[dict[str, Any]]) -> None:
    """A legal history is left alone to the last byte; one that ends with calls is not legal."""
    context = ConversationContext(messages=tuple(messages))
    if violations(messages):
        assert messages[-1]["role"] == "assistant"
        assert repair_context(context)[1]
    else:
        same, notes = repair_context(context)
        assert same is context
        assert () == notes


@given(mutilated(), st.data())
def test_any_mutilated_history_is_legal_after_healing(messages: list[dict[str, Any]], data: st.DataObject) -> None:
    """Whatever the ledger knows; what changed is told; healing again changes nothing."""
    ids = [f"toolu_{turn}_{n}" for turn in range(3) for n in range(3)]
    entries = {id: st.none() | st.just(ToolCallState()) | st.just(ToolCallState(ToolOutcome(id, "kept"))) for id in ids}
    drawn = data.draw(st.fixed_dictionaries(entries))
    context = ConversationContext(
        messages=tuple(messages), call_states_by_id={id: entry for id, entry in drawn.items() if entry}
    )
    mended, notes = repair_context(context)
    assert [] == violations(list(mended.messages))
    assert bool(notes) == (mended.messages != context.messages)
    assert (mended, ()) == repair_context(mended)


USER = {"role": "user", "content": "go"}
SAID = "message 1: "
CASES = [
    ([USER, [call("a"), call("b"), call("c")]],
     [USER, [call("a"), call("b"), call("c")],
      [result("a", "kept"), {**result("b", INTERRUPTED), "is_error": True},
       {**result("c", NOT_RUN), "is_error": True}]],
     ["the call a of bash had finished; it got the result that was kept",
      "the call b of bash was interrupted while it ran; it may or may not have taken effect",
      "the call c of bash was not run"]),
    ([USER, [call("a"), call("c")], [result("c"), text("so?")]],
     [USER, [call("a"), call("c")], [result("c"), result("a", "kept"), text("so?")]],
     ["the call a of bash had finished; it got the result that was kept"]),
    ([USER, [call("a")], [text("so?"), result("a")]], [USER, [call("a")], [result("a"), text("so?")]],
     ["results were put before the user's words"]),
    ([USER, [call("a")], [result("a"), result("a", "again"), result("z")]], [USER, [call("a")], [result("a")]],
     ["a second result of a was dropped", "a result without its call z was dropped"]),
    ([USER, [call("a"), {**call("x"), "input": "{"}], [result("a")]], [USER, [call("a")], [result("a")]],
     [SAID + "the call x, whose input is not an object, was dropped"]),
    ([USER, [text("a"), {"type": "thinking", "thinking": "x"}, thinking()]], [USER, [text("a")]],
     [SAID + "thinking without its signature was dropped", SAID + "thinking that nothing followed was dropped"]),
    ([USER, [text("a"), search("s")[0]], {"role": "user", "content": [search("s")[1], text("b")]}],
     [USER, [text("a")], {"role": "user", "content": [text("b")]}],
     [SAID + "the call s of web_search, which the API ran and never answered, was dropped",
      "message 2: a web_search_tool_result without its call s was dropped"]),
    ([USER, [text("a"), result("q")], [thinking(), call("w"), text(" "), text("b")]],
     [USER, [text("a")], [text("b")]],
     [SAID + "a result of q in the assistant's turn was dropped", "message 2: a thinking block of the user was dropped",
      "message 2: a tool_use block of the user was dropped", "message 2: a blank text was dropped"]),
    ([USER, [call("a")], [result("a")], [call("a"), text("on")]], [USER, [call("a")], [result("a")], [text("on")]],
     ["message 3: a second call with the id a was dropped"]),
    ([{"role": "assistant", "content": "Hi"}, USER, {"role": "user", "content": " "},
      {"role": "user", "content": "on"}],
     [{"role": "user", "content": [text("go"), text("on")]}],
     ["an assistant's message before the first of the user was dropped", "an empty message of the user was dropped",
      "two messages of the user in a row were joined"]),
    ([], [], []),
]  # fmt: skip


def in_turn(messages: list[Any]) -> tuple[dict[str, Any], ...]:
    """Bare lists of blocks as the content of alternating messages."""
    roles = ("user", "assistant")
    return tuple(
        one if isinstance(one, dict) else {"role": roles[n % 2], "content": one} for n, one in enumerate(messages)
    )


@pytest.mark.parametrize(("broken", "mended", "notes"), CASES)
def test_each_kind_of_damage_is_mended_and_named(broken: list[Any], mended: list[Any], notes: list[str]) -> None:
    """The ledger decides what a call without a result is told."""
    ledger = {"a": ToolCallState(ToolOutcome("a", "kept")), "b": ToolCallState()}
    context = ConversationContext(messages=in_turn(broken), call_states_by_id=ledger, model="m")
    after = repair_context(context)
    assert tuple(notes) == after[1]
    assert in_turn(mended) == after[0].messages
    assert ("m", ledger) == (after[0].model, after[0].call_states_by_id)


@pytest.mark.parametrize(
    ("before", "after", "notes", "prompt"),
    [
        ("off", "off", (), None),
        (None, "streaming", (), None),
        (None, "off", ("a",), "This session was saved and restored.\nMended in the conversation:\n- a"),
        ("streaming", "streaming", (), None),
        ("off", "streaming", (), "This session was saved and restored.\nSwitched on since: streaming."),
        ("streaming+prompt_cache", "prompt_cache+extended_output", (),
         "This session was saved and restored.\nSwitched on since: extended_output.\nSwitched off since: streaming."),
        ("off", "off", ("the call a of bash was not run", "a second result of b was dropped"),
         "This session was saved and restored.\nMended in the conversation:\n- the call a of bash was not run\n"
         "- a second result of b was dropped"),
    ],
)  # fmt: skip
def test_the_model_is_told_which_flags_changed_and_what_was_mended(
    before: str | None, after: str, notes: tuple[str, ...], prompt: str | None
) -> None:
    """And nothing where nothing did."""
    assert prompt == make_transition_prompt(ConversationContext(combination=before), after, notes)
