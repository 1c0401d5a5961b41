"""What each flag changes, learnt from pairs of runs."""

import importlib.util
import uuid
from itertools import product
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flag_harness.analysis.effects.attribution import (
    FlagEffect,
    FlagEffectAttribution,
    attribute_effects,
    is_same_or_inner_path,
    replace_indices_by_star,
)
from flag_harness.analysis.effects.flag_runs import flag_effect_lines
from flag_harness.analysis.effects.paired_runs import ObservedRun
from flag_harness.analysis.effects.request_changes import SentRequest, simplify_requests
from flag_harness.matrix import FlagSpace, MatrixFlag
from flag_harness.matrix.space import Row

SPACE = FlagSpace([MatrixFlag("streaming"), MatrixFlag("concise"), MatrixFlag("model", ("haiku", "sonnet"), "haiku")])

LONG = "Say what you did, and why, in one sentence, at the end of each turn."


def _benchmark() -> ModuleType:
    path = Path(__file__).parents[3] / "benchmarks" / "attribution.py"
    spec = importlib.util.spec_from_file_location("attribution_benchmark", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _request(body: Any, *headers: tuple[str, str]) -> SentRequest:
    return SentRequest("POST", "/v1/messages", headers, body)


def _attribute(agent: Any, repeats: int = 1) -> FlagEffectAttribution:
    """Attribute the effects of an agent: a function of the three flags that returns its requests."""
    runs = [ObservedRun(row, tuple(agent(*row))) for row in product((0, 1), (0, 1), (0, 1)) for _ in range(repeats)]
    return attribute_effects(SPACE, {"test_refund": runs})


def test_an_effect_names_the_path_the_values_and_the_pairs() -> None:
    """One flag, one key: all four pairs show it, and the other flags are inert."""
    attribution = _attribute(lambda s, c, m: [_request({"max_tokens": 4096, **({"stream": True} if s else {})})])
    (effect,) = attribution.effects
    assert ("streaming", "stream", "<absent>", "True") == (effect.flag, effect.path, effect.old_value, effect.new_value)
    assert (4, 4, "", ("test_refund",)) == (
        effect.changed_pair_count,
        effect.pair_count,
        effect.condition,
        effect.tests,
    )
    assert {"concise": 4, "model": 4} == dict(attribution.pairs_by_inert_flag)
    assert "stream: nothing → True (4 of 4 pairs)" == str(effect)


def test_a_run_with_a_problem_is_in_no_pair() -> None:
    """It stopped early, so what it did not send is no effect; nor do pairs without any request count."""
    runs = [ObservedRun(row, (_request({"n": row[1]}),) * 2) for row in product((0, 1), (0, 1), (0,)) if row[0] == 0]
    runs += [ObservedRun((1, 0, 0), (_request({"n": 0}),), "with a failed run")]
    quiet = [ObservedRun((0, concise, 0), ()) for concise in (0, 1)]
    attribution = attribute_effects(SPACE, {"test_refund": runs, "test_quiet": quiet})
    assert ["n: 0 → 1 (1 of 1 pairs)"] == [str(effect) for effect in attribution.effects]
    assert {"sent no request": 1, "with a failed run": 1} == attribution.excluded_pair_count_by_reason
    assert ("streaming", "model") == attribution.unpaired_flags
    lines = flag_effect_lines(attribution)
    assert "not compared: 2 pairs of runs (1 sent no request, 1 with a failed run)" == lines[-1]


def test_an_effect_of_two_flags_together_names_the_other_flag() -> None:
    """A change that needs both flags is an effect of each, on condition of the other."""
    attribution = _attribute(lambda s, c, m: [_request({"max_tokens": 1024 if s and c else 4096})])
    found = {
        (effect.flag, effect.condition, effect.changed_pair_count, effect.pair_count) for effect in attribution.effects
    }
    assert {("streaming", "concise", 2, 4), ("concise", "streaming", 2, 4)} == found
    assert ["concise"] == [effect.condition for effect in attribution.effects_of_flag("streaming")]


def test_values_of_a_flag_that_is_not_boolean_are_named() -> None:
    """The effect says to which value the flag was set."""
    attribution = _attribute(lambda s, c, m: [_request({"model": ("claude-haiku-4-5", "claude-sonnet-5")[m]})])
    (effect,) = attribution.effects
    assert ("model", "sonnet", "model") == (effect.flag, effect.value, effect.path)


@pytest.mark.parametrize(
    ("systems", "change"),
    [
        (
            (f"Be kind.\n{LONG}", f"Be kind.\n{LONG}\nName problems of style, too."),
            "5 words: nothing → 'Name problems of style, too.'",
        ),
        ((f"{LONG}\nBye.", f"{LONG} Bye."), f"white space: …'{LONG[-24:]}\\nBye.' → …'{LONG[-24:]} Bye.'"),
        (("Be kind.\n\tAlways.", "Be\nbrief."), "Be kind.\\n\\tAlways. → Be\\nbrief."),
        ((None, f"Be\n{LONG}"), f"nothing → {f'Be{chr(92)}n{LONG}'[:59]}…"),
        ((10**70, 10**71), ""),
    ],
    ids=["words", "white space", "short", "added", "no text"],
)
def test_a_changed_value_is_shown_in_one_line(systems: tuple[Any, Any], change: str) -> None:
    """Of long texts, it names what was added and removed."""
    attribution = _attribute(lambda s, c, m: [_request({} if systems[c] is None else {"context": systems[c]})])
    text = f"context: {change}" if change else "context is changed"
    assert [f"{text} (4 of 4 pairs)"] == [str(effect) for effect in attribution.effects]


@pytest.mark.parametrize(("brief", "change"), [("Be brief.", "2 words: nothing → 'Be brief.'"), (None, "")])
def test_words_that_a_flag_adds_to_different_texts_are_one_change(brief: str | None, change: str) -> None:
    """If they differ too, both are `various`."""
    attribution = _attribute(
        lambda s, c, m: [_request({"context": f"{'Hi. ' * 20}{m}. {LONG} {(brief or f'Be {m}!') if c else ''}"})]
    )
    text = f"context: {change}" if change else "context is changed"
    assert [f"{text} (4 of 4 pairs)"] == [str(one) for one in attribution.effects_of_flag("concise")]


def test_a_key_that_is_added_in_several_places_is_one_effect() -> None:
    """Cache marks on tools and messages are `*.cache_control`."""

    def agent(s: int, c: int, m: int) -> list[SentRequest]:
        mark = {"cache_control": {"type": "ephemeral"}} if c else {}
        return [_request({"tools": [{"name": "x", **mark}], "system": [{"type": "text", "text": "hi", **mark}]})]

    attribution = _attribute(agent)
    assert ["*.cache_control"] == [effect.path for effect in attribution.effects]
    assert ("system[*].cache_control", "tools[*].cache_control") == attribution.effects[0].paths
    assert "concise" == attribution.flag_that_changes_path("messages[0].content[3].cache_control.type")


def test_a_prompt_that_is_one_string_is_changed_as_the_text_of_a_block_is() -> None:
    """A miss names the string, as it is sent; nothing else in the prompt changes with the flag."""
    attribution = _attribute(
        lambda s, c, m: [_request({"system": [{"type": "text", "text": f"Be kind.{' Be brief.' if c else ''}"}]})]
    )
    assert ["system[*].text"] == [effect.path for effect in attribution.effects]
    assert ["concise", "concise", None, None] == [
        attribution.flag_that_changes_path(path)
        for path in ("system", "system[0].text", "system[0].type", "messages[0].content")
    ]


def test_added_requests_headers_and_endpoints_are_effects() -> None:
    """What the body does not show is seen too."""

    def agent(s: int, c: int, m: int) -> list[SentRequest]:
        asked = {"messages": [{"role": "user", "content": "hi"}]}
        counted = [SentRequest("POST", "/v1/messages/count_tokens", (), asked)] if s else []
        return [*counted, _request(asked, *([("anthropic-beta", "x-2026")] if c else []))]

    found = {(effect.flag, effect.path, effect.old_value, effect.new_value) for effect in _attribute(agent).effects}
    assert {
        ("streaming", "requests", "1", "2"),
        ("concise", "header anthropic-beta", "<absent>", "x-2026"),
    } == found


@pytest.mark.parametrize("repeats", [1, 2])
def test_ids_and_times_are_not_effects(repeats: int) -> None:
    """Ids and times differ in every pair; what a flag adds to the same text is found all the same."""
    number = iter(range(100))

    def agent(s: int, c: int, m: int) -> list[SentRequest]:
        stamp = f"2026-11-{next(number) % 28 + 1:02}T10:00:00Z"
        text = f"It is {stamp}. {'Be brief.' if c else ''}"
        return [_request({"metadata": {"trace": str(uuid.uuid4()), "seen": [{"at": stamp}, 7]}, "system": text})]

    attribution = _attribute(agent, repeats)
    assert [("concise", "system")] == [(effect.flag, effect.path) for effect in attribution.effects]
    assert "metadata.trace" in attribution.volatile_paths


def test_random_numbers_are_not_effects_if_rows_are_repeated() -> None:
    """A number that differs between two runs of the same row is nobody's effect."""
    number = iter(range(100))
    attribution = _attribute(lambda s, c, m: [_request({"temperature": next(number)})], repeats=2)
    assert () == attribution.effects
    assert ("temperature",) == attribution.volatile_paths


def test_one_run_with_a_value_of_its_own_hides_no_effect() -> None:
    """As one stale recording has: the path then changes with every flag, but most runs still share a value."""
    rows = [row for row in product((0, 1), (0, 1), (0, 1)) if row[:2] != (1, 1)]
    tokens = {row: 4097 if row == (0, 0, 0) else 16384 if row[0] else 4096 for row in rows}
    runs = [ObservedRun(row, (_request({"max_tokens": tokens[row]}),)) for row in rows]
    attribution = attribute_effects(SPACE, {"test_refund": runs})
    assert "streaming" == attribution.flag_that_changes_path("max_tokens")
    assert () == attribution.volatile_paths


def test_a_turn_that_repeats_the_answer_is_not_an_effect() -> None:
    """Thinking that a flag brings into the answers, and ids made from them, are the API's words, not the agent's."""

    def agent(s: int, c: int, m: int) -> list[SentRequest]:
        thinking = [{"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}] if s else []
        call = f"toolu_01{'AB'[s] * 20}"
        answer = [*thinking, {"type": "tool_use", "id": call, "name": "bash", "input": {"command": "ls"}}]
        first = [{"role": "user", "content": "List the files."}]
        results = [{"type": "tool_result", "tool_use_id": call, "content": "a.txt"}]
        second = [*first, {"role": "assistant", "content": answer}, {"role": "user", "content": results}]
        body = {"thinking": {"type": "adaptive"}} if s else {}
        requests = [_request({**body, "messages": first}), _request({**body, "messages": second})]
        return list(simplify_requests(zip(requests, [answer, []], strict=True)))

    assert ["thinking"] == [effect.path for effect in _attribute(agent).effects]


def test_a_block_that_the_agent_leaves_out_of_the_answer_is_an_effect() -> None:
    """Dropping the thinking from the turn that is sent back is the agent's doing."""

    def agent(s: int, c: int, m: int) -> list[SentRequest]:
        answer = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Yes."}]
        turn = {"role": "assistant", "content": answer[1:] if s else answer}
        requests = [_request({"messages": []}), _request({"messages": [turn]})]
        return list(simplify_requests(zip(requests, [answer, []], strict=True)))

    (effect,) = _attribute(agent).effects
    assert ("streaming", "messages[*].content[*]") == (effect.flag, effect.path)


def test_a_flag_without_a_pair_is_said_to_be_unknown() -> None:
    """Of a flag that was never switched alone nothing is claimed."""
    runs = [ObservedRun((0, 0, 0), (_request({}),)), ObservedRun((1, 1, 0), (_request({"stream": True}),))]
    attribution = attribute_effects(SPACE, {"test": runs})
    assert ("streaming", "concise", "model") == attribution.unpaired_flags
    assert ((), {}) == (attribution.effects, dict(attribution.pairs_by_inert_flag))


def test_flags_of_a_group_are_compared_with_the_one_that_is_on_by_default() -> None:
    """Exactly one of them is on, so that no two runs differ in one alone."""
    group = ("bm25", "vectors", "hybrid")
    flags = [MatrixFlag("bm25", default=True, group=group), MatrixFlag("vectors", group=group)]
    space = FlagSpace([*flags, MatrixFlag("hybrid", group=group), MatrixFlag("concise")])

    def agent(row: Row) -> SentRequest:
        return _request({"tools": [{"name": "search", "vectors": 1} if row[1] else {"name": "search"}]})

    rows = [row for row in product((0, 1), repeat=4) if sum(row[:3]) == 1]
    runs = [ObservedRun(row, (agent(row),)) for row in rows]
    attribution = attribute_effects(space, {"test": runs})
    (effect,) = attribution.effects
    assert ("vectors", "tools[*].vectors", 2, 2) == (
        effect.flag,
        effect.path,
        effect.changed_pair_count,
        effect.pair_count,
    )
    assert ({"hybrid": 2, "concise": 3}, ()) == (dict(attribution.pairs_by_inert_flag), attribution.unpaired_flags)


def test_paths_below_an_effect_belong_to_it() -> None:
    """`thinking` explains `thinking.budget_tokens`, and not `thinking_budget`."""
    assert is_same_or_inner_path("thinking", replace_indices_by_star("thinking.budget_tokens"))
    assert is_same_or_inner_path("tools", replace_indices_by_star("tools[3].name"))
    assert not is_same_or_inner_path("thinking", "thinking_budget")


@settings(max_examples=12, deadline=None)
@given(st.integers(min_value=0, max_value=100_000))
def test_planted_effects_are_named_and_nothing_else(seed: int) -> None:
    """Agents of six flags with effects on nested paths and pairs of flags, ids and dates mixed in."""
    benchmark = _benchmark()
    space, effects, runs = benchmark.planted_agent(seed, 6)
    named = benchmark.named_effects(attribute_effects(space, {"test": runs}))
    assert benchmark.expected_effects(effects) == named


def test_a_date_that_changes_during_the_run_is_no_effect() -> None:
    """Every test with streaming ran after midnight."""
    days = ["Today is 2026-11-27.", "Today is 2026-11-28."]
    found = _attribute(lambda streaming, *_: [_request({"system": days[streaming]})])
    assert ({"system"}, ("streaming", "concise", "model")) == (
        {*found.volatile_paths},
        tuple(found.pairs_by_inert_flag),
    )


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("<absent>", "text", "tools is added (1 of 2 pairs)"),
        ("various", "<absent>", "tools is left out (1 of 2 pairs)"),
        ("text", "various", "tools is changed (1 of 2 pairs)"),
        ("text", "[]", "tools: a long value → [] (1 of 2 pairs)"),
        ("[]", "various", "tools: [] → various values (1 of 2 pairs)"),
    ],
)
def test_an_effect_without_its_value_is_told_in_words(before: str, after: str, words: str) -> None:
    """A long value is not printed, so the line says what happened to it."""
    assert words == str(FlagEffect("agent", True, "agent", "tools", before, after, 1, 2))
