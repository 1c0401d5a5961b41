"""An answer ends where the request says: at a stop sequence, or after max_tokens."""

from typing import Any

import pytest

from flag_harness.simulator import parse_scenario, simulate
from flag_harness.simulator.count.tokens import text_tokens, truncate_text

LONG = "one two three four five six seven eight nine ten"


def told(text: str, request: Any, read: Any) -> Any:
    """The answer of a scenario's first turn."""
    status, answer = read(simulate(parse_scenario(f"[[turn]]\n{text}"))(request))
    assert 200 == status, answer
    return answer


def test_the_first_stop_sequence_ends_the_answer_before_it(request_for: Any, read: Any) -> None:
    """What comes first in the text counts, not what is listed first; later blocks are not sent."""
    request = request_for(stop_sequences=["five", "three"])
    answer = told(f'text = "{LONG}"\ncall = [{{ name = "bash", input = {{}} }}]', request, read)
    assert [{"type": "text", "text": "one two "}] == answer["content"]
    assert ("stop_sequence", "three") == (answer["stop_reason"], answer["stop_sequence"])


def test_a_stop_sequence_at_once_leaves_no_block(request_for: Any, read: Any) -> None:
    """Legal, and recorded: an answer without content."""
    answer = told(f'text = "{LONG}"', request_for(stop_sequences=["one"]), read)
    assert ([], "stop_sequence") == (answer["content"], answer["stop_reason"])


def test_a_stop_sequence_that_does_not_come_changes_nothing(request_for: Any, read: Any) -> None:
    """The turn's own stop reason stands."""
    answer = told(f'text = "{LONG}"', request_for(stop_sequences=["eleven"]), read)
    assert (LONG, "end_turn") == (answer["content"][0]["text"], answer["stop_reason"])


def test_max_tokens_cuts_text(request_for: Any, read: Any) -> None:
    """By the estimate; exactly so many output tokens are told."""
    answer = told(f'text = "{LONG}"', request_for(max_tokens=4), read)
    assert "one two three four" == answer["content"][0]["text"]
    assert ("max_tokens", 4) == (answer["stop_reason"], answer["usage"]["output_tokens"])


def test_max_tokens_cuts_thinking(request_for: Any, read: Any) -> None:
    """Nothing comes after the thinking that was cut; its signature fits what was sent."""
    request = request_for(max_tokens=1030, thinking={"type": "enabled", "budget_tokens": 1024})
    answer = told(f'thinking = "{"hm " * 2000}"\ntext = "a"', request, read)
    assert ["thinking"] == [block["type"] for block in answer["content"]]
    assert 1030 == len(answer["content"][0]["thinking"].split())
    assert answer["content"][0]["signature"]


@pytest.mark.parametrize(
    ("most", "streamed"),
    [(60, '{"command": "'), (41, None)],
    ids=["inside the input", "before the input"],
)
def test_max_tokens_cuts_a_call(most: int, streamed: str | None, request_for: Any, read: Any) -> None:
    """The input streams as far as it fits and is no JSON; without a stream it is empty. A call whose name does not fit
    is not sent."""
    call = 'call = [{ name = "bash", input = { command = "' + "x " * 50 + '" } }]'
    answer = told(call, request_for(max_tokens=most), read)
    assert "max_tokens" == answer["stop_reason"]
    assert [block["input"] for block in answer["content"]] == ([] if streamed is None else [{}])
    stream = simulate(parse_scenario(f"[[turn]]\n{call}"))(request_for(max_tokens=most, stream=True))
    partial = b"".join(piece.data for piece in stream[1:-1] if b"partial_json" in piece.data)
    assert (b"partial_json" in partial) == (streamed is not None)


def test_what_cannot_be_cut_is_left_out(request_for: Any, read: Any) -> None:
    """A block that is sent as it stands comes whole or not at all; so does redacted thinking."""
    found = '{ type = "web_search_tool_result", tool_use_id = "srvtoolu_1", content = [] }'
    raw = f'block = [{{ text = "a" }}, {{ raw = {found} }}]'
    assert ["text"] == [block["type"] for block in told(raw, request_for(max_tokens=3), read)["content"]]
    assert 2 == len(told(raw, request_for(), read)["content"])
    redacted = f'block = [{{ redacted_thinking = "{"hm " * 2000}" }}]'
    request = request_for(max_tokens=1030, thinking={"type": "enabled", "budget_tokens": 1024})
    assert [] == told(redacted, request, read)["content"]
    one = told('block = [{ text = "a" }]\nstop_reason = "end_turn"', request_for(max_tokens=1), read)
    assert "end_turn" == one["stop_reason"]


def test_a_turn_that_says_how_long_it_is_comes_whole(request_for: Any, read: Any) -> None:
    """The scenario's word counts more than the estimate."""
    answer = told(f'text = "{LONG}"\noutput_tokens = 2', request_for(max_tokens=4), read)
    assert (LONG, "end_turn", 2) == (
        answer["content"][0]["text"],
        answer["stop_reason"],
        answer["usage"]["output_tokens"],
    )


def test_max_tokens_0_only_fills_the_cache(request_for: Any, read: Any) -> None:
    """No turn is asked for; the next request reads what this one wrote."""
    simulator = simulate(parse_scenario('[[turn]]\nwhen = { nth = 1 }\ntext = "first"'))
    system = [{"type": "text", "text": "prefix " * 5000, "cache_control": {"type": "ephemeral"}}]
    _, warming = read(simulator(request_for(system=system, max_tokens=0)))
    assert ([], "max_tokens", 0) == (
        warming["content"],
        warming["stop_reason"],
        warming["usage"]["output_tokens"],
    )
    _, answer = read(simulator(request_for(system=system)))
    assert ("first", warming["usage"]["cache_creation_input_tokens"]) == (
        answer["content"][0]["text"],
        answer["usage"]["cache_read_input_tokens"],
    )


def test_the_beginning_of_a_text_has_at_most_its_tokens() -> None:
    """Whole where it fits."""
    assert ["", "one", "one two", LONG] == [truncate_text(LONG, count) for count in (0, 1, 2, text_tokens(LONG))]


def test_a_key_is_cut_to_its_tokens_too() -> None:
    """Random characters count more than words; what is left of them has at most the tokens asked for."""
    key = "1ivE5wmtkDKwFCQTzbvi" * 20
    assert key == truncate_text(key, text_tokens(key))
    assert all(count - 20 < text_tokens(truncate_text(key, count)) <= count for count in (30, 100, 300))
