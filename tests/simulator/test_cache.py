"""Prompt caching is accounted as the API accounts it."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flag_harness.clock import VirtualClock
from flag_harness.simulator import simulate
from flag_harness.simulator.count.cache import PromptCache
from flag_harness.simulator.count.prefix import prompt_segments

MARK = {"cache_control": {"type": "ephemeral"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
LONG = {"type": "text", "text": "prefix " * 5000}
QUESTION = {"role": "user", "content": "hello"}


def usage(simulator: Any, request: Any, read: Any) -> tuple[int, int, int]:
    """Uncached, written and read tokens of an answer."""
    status, answer = read(simulator(request))
    assert 200 == status, answer
    told = answer["usage"]
    assert sum(told["cache_creation"].values()) == told["cache_creation_input_tokens"]
    return told["input_tokens"], told["cache_creation_input_tokens"], told["cache_read_input_tokens"]


def test_a_prefix_is_written_once_and_read_then(request_for: Any, read: Any) -> None:
    """What one request writes the next reads; the total stays."""
    simulator = simulate()
    request = request_for(system=[{**LONG, **MARK}])
    first, second = usage(simulator, request, read), usage(simulator, request, read)
    assert (0, first[1]) == (first[2], second[2])
    assert first[1] >= 5000
    assert (first[0], 0) == second[:2]


def test_a_growing_conversation_reads_what_it_wrote(request_for: Any, read: Any) -> None:
    """Each turn marks its last block: it reads up to the mark before, and writes the rest."""
    simulator = simulate()
    messages: list[dict[str, Any]] = []
    before = 0
    for turn in range(4):
        text = {"type": "text", "text": f"question {turn} " * 50, **MARK}
        messages.append({"role": "user", "content": [text]})
        _, written, was_read = usage(simulator, request_for(system=[LONG], messages=messages), read)
        assert before == was_read
        assert written > 0
        before = was_read + written
        messages[-1] = {"role": "user", "content": [{**text, "cache_control": None}]}
        messages.append({"role": "assistant", "content": "answer"})


def test_a_prefix_ends_after_its_lifetime(request_for: Any, read: Any) -> None:
    """Five minutes after the last use, or an hour; each read begins them anew."""
    clock = VirtualClock()
    simulator = simulate(clock=clock)
    for marked, lifetime in ((MARK, 300), (HOUR, 3600)):
        request = request_for(system=[{**LONG, **marked}])
        assert 0 == usage(simulator, request, read)[2]
        for _ in range(3):
            clock.sleep(lifetime - 1)
            assert 0 < usage(simulator, request, read)[2]
        clock.sleep(lifetime)
        assert 0 == usage(simulator, request, read)[2]
        clock.sleep(2 * lifetime)


def test_lifetimes_are_told_apart(request_for: Any, read: Any) -> None:
    """What a one-hour mark writes is counted beside what a five-minute mark writes."""
    tool = {"name": "bash", "description": "x " * 5000, "input_schema": {"type": "object"}, **HOUR}
    _, answer = read(simulate()(request_for(tools=[tool], system=[{**LONG, **MARK}])))
    told = answer["usage"]["cache_creation"]
    assert told["ephemeral_1h_input_tokens"] >= 5000
    assert told["ephemeral_5m_input_tokens"] >= 5000


def test_a_short_prefix_is_silently_not_cached(request_for: Any, read: Any) -> None:
    """Below the model's smallest prefix nothing is written, and nothing is said."""
    simulator = simulate()
    request = request_for(system=[{"type": "text", "text": "prefix " * 2000, **MARK}])
    assert (0, 0) == usage(simulator, request, read)[1:]
    assert (0, 0) == usage(simulator, request, read)[1:]
    other = request_for(system=[{"type": "text", "text": "prefix " * 2000, **MARK}], model="claude-sonnet-4-5")
    assert 0 < usage(simulator, other, read)[1]


def test_an_automatic_mark_marks_the_last_block(request_for: Any, read: Any) -> None:
    """One top-level cache_control caches all of the request."""
    simulator = simulate()
    request = request_for(system=[LONG], cache_control={"type": "ephemeral"})
    total = usage(simulator, request, read)[1]
    assert (0, total) == usage(simulator, request, read)[1:]


def test_a_change_breaks_what_comes_after_it(request_for: Any, read: Any) -> None:
    """Tools before system, system before messages; thinking breaks the messages' part alone."""
    tool = {"name": "bash", "input_schema": {"type": "object"}}
    system = [{**LONG, **MARK}]
    messages = [{"role": "user", "content": [{"type": "text", "text": "long " * 3000, **MARK}]}]
    base = {"tools": [tool], "system": system, "messages": messages}
    simulator = simulate()
    usage(simulator, request_for(**base), read)
    whole = usage(simulator, request_for(**base), read)[2]
    thinking = usage(simulator, request_for(**base, thinking={"type": "enabled", "budget_tokens": 1024}), read)[2]
    other_tool = usage(simulator, request_for(**{**base, "tools": [{**tool, "name": "sh"}]}), read)[2]
    assert 0 == other_tool < thinking < whole


def test_keys_and_models_do_not_share(request_for: Any, read: Any) -> None:
    """Another key and another model find nothing."""
    simulator = simulate()
    system = [{**LONG, **MARK}]
    usage(simulator, request_for(system=system), read)
    assert 0 == usage(simulator, request_for(system=system, headers={"x-api-key": "other"}), read)[2]
    assert 0 == usage(simulator, request_for(system=system, model="claude-sonnet-4-5"), read)[2]
    assert 0 < usage(simulator, request_for(system=system, model="claude-haiku-4-5-20251001"), read)[2]


def test_looking_back_ends_after_20_blocks() -> None:
    """A prefix written 19 blocks before the mark is found, one written 20 before is not."""

    def body(blocks: int) -> dict[str, Any]:
        content: list[dict[str, Any]] = [{"type": "text", "text": f"block {index}"} for index in range(blocks)]
        content[-1] = {**content[-1], **MARK}
        return {"model": "m", "messages": [{"role": "user", "content": content}]}

    cache = PromptCache()
    written = cache.read_and_write(prompt_segments(body(1), "m"), 0, 0.0).tokens_written
    assert written == cache.read_and_write(prompt_segments(body(20), "m"), 0, 0.0).cache_read_tokens
    other = PromptCache()
    other.read_and_write(prompt_segments(body(1), "m"), 0, 0.0)
    assert 0 == other.read_and_write(prompt_segments(body(21), "m"), 0, 0.0).cache_read_tokens


def test_a_longer_lifetime_is_kept() -> None:
    """A five-minute mark on a prefix that was written for an hour does not shorten it."""

    def body(mark: dict[str, Any]) -> dict[str, Any]:
        return {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "x", **mark}]}]}

    cache = PromptCache()
    cache.read_and_write(prompt_segments(body(HOUR), "m"), 0, 0.0)
    assert 0 < cache.read_and_write(prompt_segments(body(MARK), "m"), 0, 100.0).cache_read_tokens
    assert 0 < cache.read_and_write(prompt_segments(body(MARK), "m"), 0, 3000.0).cache_read_tokens


def test_automatic_marks_pass_over_thinking() -> None:
    """A thinking block carries no mark: the block before it does."""
    thinking = {"type": "thinking", "thinking": "hm", "signature": "s"}
    content = [{"type": "text", "text": "x"}, thinking]
    body = {"messages": [QUESTION, {"role": "assistant", "content": content}], "cache_control": {"type": "ephemeral"}}
    assert [None, "5m", None] == [segment.cache_mark for segment in prompt_segments(body, "m")]
    only = {"messages": [{"role": "assistant", "content": [thinking]}], "cache_control": {"type": "ephemeral"}}
    assert [None] == [segment.cache_mark for segment in prompt_segments(only, "m")]


def answered(*texts: str, marked: int | None = None, by: str = "toolu_1") -> dict[str, Any]:
    """A body whose tool_result has a block for each text, one of them marked."""
    parts = [{"type": "text", "text": text, **(MARK if index == marked else {})} for index, text in enumerate(texts)]
    result = {"type": "tool_result", "tool_use_id": by, "content": parts}
    return {"messages": [QUESTION, {"role": "user", "content": [result]}]}


def test_a_block_in_a_tool_result_may_be_marked() -> None:
    """Its prefix ends with it: what comes after it in the same result may change, its mark may go elsewhere."""
    cache = PromptCache()
    first = cache.read_and_write(prompt_segments(answered("a b c", "d", marked=0), "m"), 0, 0.0)
    again = cache.read_and_write(prompt_segments(answered("a b c", "e f", marked=1), "m"), 0, 0.0)
    assert (first.tokens_written, 1) == (again.cache_read_tokens, first.uncached_tokens)
    assert 2 == again.tokens_written
    other = prompt_segments(answered("a b c", "d", marked=0, by="toolu_2"), "m")
    assert 0 == cache.read_and_write(other, 0, 0.0).cache_read_tokens


def test_a_tool_result_costs_the_same_in_parts_and_whole() -> None:
    """Also where it has none."""
    whole = prompt_segments(answered("a b c"), "m")[-1].prefix_tokens
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "a b c"}
    assert (
        whole == prompt_segments({"messages": [QUESTION, {"role": "user", "content": [result]}]}, "m")[-1].prefix_tokens
    )
    assert whole - 3 == prompt_segments(answered(), "m")[-1].prefix_tokens


def test_blocks_in_a_tool_result_do_not_shorten_the_look_back() -> None:
    """Twenty blocks are twenty tool_results, however many blocks are in each."""

    def body(results: int) -> dict[str, Any]:
        parts = [answered("a", "b")["messages"][1]["content"][0] for _ in range(results)]
        return {"messages": [{"role": "user", "content": [*parts[:-1], {**parts[-1], **MARK}]}]}

    for results, found in ((20, True), (21, False)):
        cache = PromptCache()
        written = cache.read_and_write(prompt_segments(body(1), "m"), 0, 0.0).tokens_written
        assert (written if found else 0) == cache.read_and_write(
            prompt_segments(body(results), "m"), 0, 0.0
        ).cache_read_tokens


def test_prefixes_that_ended_are_forgotten() -> None:
    """A server that runs all day keeps what can still be read."""
    cache = PromptCache()
    for number in range(100):
        cache.read_and_write(prompt_segments(answered(str(number), marked=0), "m"), 0, number * 60.0)
    assert 5 < len(cache) <= 10


def test_a_request_without_content_has_no_prefix() -> None:
    """Nothing to read and nothing to write."""
    cache = PromptCache()
    assert 0 == cache.read_and_write((), 0, 0.0).uncached_tokens


@given(
    st.lists(
        st.tuples(
            st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=6), st.integers(0, 400)
        ),
        max_size=12,
    )
)
def test_every_token_is_counted_once(conversation: list[tuple[list[tuple[str, bool]], int]]) -> None:
    """Uncached, read and written tokens add up to the whole, whatever was asked before."""
    cache, now = PromptCache(), 0.0
    for blocks, pause in conversation:
        now += pause
        content = [{"type": "text", "text": text, **(MARK if marked else {})} for text, marked in blocks]
        made = prompt_segments({"messages": [{"role": "user", "content": content}]}, "m")
        counted = cache.read_and_write(made, 0, now)
        assert made[-1].prefix_tokens == counted.uncached_tokens + counted.cache_read_tokens + counted.tokens_written
        again = cache.read_and_write(made, 0, now)
        assert (0, counted.cache_read_tokens + counted.tokens_written) == (
            again.tokens_written,
            again.cache_read_tokens,
        )
