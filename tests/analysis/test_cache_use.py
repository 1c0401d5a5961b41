"""What the prompt cache did in a test, from its requests and what the answers report."""

import json
from pathlib import Path
from typing import Any

import pytest

from flag_harness.analysis.cache_use import AnsweredRequest, measure_cache_use
from flag_harness.analysis.metrics import find_betas_dropped_after_refusal, measure_request
from flag_harness.cassette import Cassette
from flag_harness.record import CacheTurn, CacheUse
from flag_harness.wire.timeline import End, Head, Request
from flag_harness.wire.usage import Usage

MARK = {"cache_control": {"type": "ephemeral"}}
PROMPT = "You are careful. " * 400
SONNET, OPUS = "claude-sonnet-4-6", "claude-opus-4-6"
RECORDINGS = Path(__file__).parents[2] / "recordings"
URL = "https://api.anthropic.com/v1/messages"


def sent(index: int, usage: tuple[int, int, int], at: float = 0.0, model: str = SONNET, **body: Any) -> AnsweredRequest:
    """A request whose answer reports these tokens: not cached, written and read."""
    value = {"model": model, "messages": [{"role": "user", "content": "hi"}], **body}
    uncached, written, read = usage
    tokens = Usage(uncached, 5, cache_creation_input_tokens=written, cache_read_input_tokens=read)
    request = Request("POST", URL, (("x-api-key", "k"),), json.dumps(value).encode())
    return AnsweredRequest(index, request, model, tokens, at)


def system(text: str = PROMPT) -> list[dict[str, Any]]:
    """A marked system prompt."""
    return [{"type": "text", "text": text, **MARK}]


def use_of(*requests: AnsweredRequest) -> CacheUse:
    """What the cache did for these requests, unfiltered."""
    found = measure_cache_use(requests, lambda request: request, lambda text: text)
    assert found is not None
    return found


def test_tests_without_marks_have_no_cache_use() -> None:
    """Nobody asked for a cache, so there is nothing to say."""
    plain = sent(0, (2000, 0, 0), system=[{"type": "text", "text": PROMPT}])
    assert None is measure_cache_use([plain], lambda request: request, lambda text: text)


def test_tokens_are_the_ones_that_the_answers_report() -> None:
    """The estimate of this prompt differs, and is scaled to 3,000 tokens."""
    use = use_of(
        sent(0, (10, 2990, 0), system=system("A. " + PROMPT)), sent(3, (10, 2990, 0), system=system("B. " + PROMPT))
    )
    (broken,) = use.breaks
    assert (3, "system[0]", 9) == (broken.request_index, broken.block_path, broken.byte_index)
    assert 2990 == pytest.approx(broken.tokens_not_read, rel=0.01)
    assert broken.cost == pytest.approx(broken.tokens_not_read * (3.75 - 0.30) / 1e6)
    assert "system[0] changed at byte 9" == use.turns[1].explanation
    assert 5980 == use.tokens_never_read


def test_what_an_expired_prefix_loses_is_no_break() -> None:
    """Five minutes later it would have been written anew anyway."""
    requests = [sent(0, (10, 2990, 0), system=system("A. " + PROMPT))]
    later = sent(1, (10, 2990, 0), at=301.0, system=system("B. " + PROMPT))
    assert () == use_of(*requests, later).breaks


def test_an_unchanged_prefix_that_was_not_read_says_so() -> None:
    """It had expired, or two requests were on their way at once."""
    use = use_of(sent(0, (10, 2990, 0), system=system()), sent(1, (10, 2990, 0), system=system()))
    assert () == use.breaks
    assert "nothing before the mark changed; it had expired, or was still being written" == use.turns[1].explanation
    assert 2990 == pytest.approx(use.turns[1].tokens_missed, rel=0.01)


def test_what_the_own_tools_of_the_api_do_is_not_called_a_miss() -> None:
    """One answer sums up several calls of the model, so its tokens do not tell which blocks were read."""
    search = [{"type": "web_search_20250305", "name": "web_search"}]
    body = {"system": system(), "tools": search}
    use = use_of(sent(0, (10, 9000, 9000), **body), sent(1, (10, 3000, 2000), **body))
    assert [0, 0] == [turn.tokens_missed for turn in use.turns]
    assert "the API's own tools used the cache too, so what was missed is unknown" == use.turns[1].explanation


def test_other_reasons_for_reading_nothing_are_named() -> None:
    """Another model, no mark, and a prompt that is too short."""
    short = [{"type": "text", "text": "Be brief.", **MARK}]
    use = use_of(
        sent(0, (10, 2990, 0), system=system()),
        sent(1, (10, 2990, 0), model=OPUS, system=system()),
        sent(2, (3000, 0, 0), system=[{"type": "text", "text": PROMPT}]),
        sent(3, (20, 0, 0), system=short),
        sent(4, (10, 0, 2990), system=system()),
    )
    assert [
        "nothing of this prompt was cached before",
        "another model: claude-opus-4-6",
        "no cache mark",
        "the marked prefix has fewer than 1,024 tokens, too few for this model to cache",
        "",
    ] == [turn.explanation for turn in use.turns]
    assert [0] * 5 == [turn.tokens_missed for turn in use.turns]


def test_a_growing_conversation_reads_what_it_wrote() -> None:
    """Only what the last request wrote is unread; the cache saved money."""
    first = [{"role": "user", "content": [{"type": "text", "text": PROMPT, **MARK}]}]
    answer = {"role": "assistant", "content": "Yes."}
    second = [
        {"role": "user", "content": PROMPT},
        answer,
        {"role": "user", "content": [{"type": "text", "text": PROMPT[:1000], **MARK}]},
    ]
    use = use_of(sent(0, (0, 1600, 0), messages=first), sent(1, (0, 240, 1600), messages=second))
    first_block, last_block = "messages[0].content[0]", "messages[2].content[0]"
    assert (CacheTurn(1, 1600, 240, 0, 0, "", first_block, last_block),) == use.turns[1:]
    assert (240, ()) == (use.tokens_never_read, use.breaks)
    assert use.dollars_saved == pytest.approx((1600 * (3 - 0.3) - 1840 * 0.75) / 1e6)


def test_the_recorded_cases_break_no_prefix_and_waste_no_mark() -> None:
    """Seven of the cases mark their prompts; each of them reads what it wrote."""
    marked = 0
    for path in sorted(RECORDINGS.rglob("*.json")):
        requests = []
        for index, one in enumerate(Cassette.load(path).interactions):
            measured = measure_request(one.request, one.response)
            if measured.status == 200 and measured.usage is not None:
                requests.append(AnsweredRequest(index, one.request, measured.model, measured.usage))
        use = measure_cache_use(requests, lambda request: request, lambda text: text)
        if use is not None:
            marked += 1
            assert (path.name, (), False, True) == (path.name, use.breaks, use.costs_more, use.tokens_read > 0)
    assert 7 == marked


def test_an_unknown_model_has_no_price() -> None:
    """Nor does a body that is no request change anything."""
    use = use_of(sent(0, (10, 2990, 0), model="somebody-elses", system=system()), sent(1, (5, 0, 0), messages=7))
    assert (None, 1) == (use.dollars_saved, len(use.turns))


def test_betas_that_are_left_out_after_a_refusal_are_dropped() -> None:
    """A beta that comes back was not dropped, nor was one that no later request could have had."""

    def exchange(betas: str, status: int, path: str = "/v1/messages?beta=true") -> Any:
        request = Request("POST", f"https://api.anthropic.com{path}", (("anthropic-beta", betas),), b"{}")
        return request, (Head(0.0, status, ()), End(0.0))

    def dropped(*exchanges: Any) -> tuple[str, ...]:
        return find_betas_dropped_after_refusal(exchanges, [measure_request(*one) for one in exchanges])

    assert ("new",) == dropped(exchange("old,new", 400), exchange("old", 200, "/v1/messages"))
    assert () == dropped(exchange("new", 400), exchange("", 200), exchange("new", 200))
    assert () == dropped(exchange("new", 200), exchange("", 200), exchange("new", 400))
    assert () == dropped(exchange("new", 400), exchange("", 200, "/v1/models"))


def test_a_request_without_a_prompt_is_left_out() -> None:
    """It has nothing that could be cached."""
    (turn,) = use_of(sent(0, (2000, 0, 0), messages=[]), sent(1, (10, 2990, 0), system=system())).turns
    assert 1 == turn.request_index
