"""The verdicts, on observations made by hand; and the model that makes forgetting show."""

from dataclasses import replace
from typing import Any

import pytest

from flag_harness.sweep import Outcome, judge
from flag_harness.sweep.judging import Observation
from flag_harness.sweep.model import ASK, GO_ON, NEXT, NOTED, STEP, model
from flag_harness.sweep.sweep import Result, Verdict, from_json, to_json
from flag_harness.sweep.table import long_markdown, short_markdown, summary, terminal_lines
from flag_harness.sweep.transcript import Line, lines, said
from flag_harness.wire.timeline import Chunk, Cut, End, Head

CALL: Line = ("assistant", "tool_use", "note", "{}")
DONE: Line = ("assistant", "text", "Done.")
CONVERSATION: tuple[Line, ...] = (("user", "text", ASK), CALL, ("user", "tool_result", NOTED, ""), DONE)
R = Outcome.RECOVERED
UNBROKEN = Observation(
    fired=0,
    prompts=(ASK, NEXT),
    endings=("returned", "returned"),
    words=("", ""),
    requests=3,
    effects=(STEP,),
    conversation=(*CONVERSATION, ("user", "text", NEXT)),
    answers=((CALL,), (DONE,)),
    streamed=True,
    seconds=3.0,
)
FIRED = replace(UNBROKEN, fired=1)
FAILED = replace(FIRED, prompts=(ASK, GO_ON, NEXT), endings=("told", "returned", "returned"), words=("529", "", ""))
TWICE = (("assistant", "text", "Done. Done."),)


def changed(*added: Line, without: Line | None = None) -> tuple[Line, ...]:
    """The conversation of the unbroken run with one line less and some more."""
    return (*(line for line in UNBROKEN.conversation if line != without), *added)


@pytest.mark.parametrize(
    ("seen", "outcome", "why"),
    [
        (UNBROKEN, Outcome.DOES_NOT_APPLY, ""),
        (FIRED, Outcome.RECOVERED, ""),
        (FAILED, Outcome.TOLD, "529"),
        (replace(FAILED, conversation=changed(("user", "text", GO_ON))), Outcome.TOLD, "529"),
        (replace(FIRED, endings=("hung",), words=("it waits",)), Outcome.HUNG, "it waits"),
        (replace(FAILED, effects=(STEP, STEP)), Outcome.TWICE, "2 side effects of one call"),
        (
            replace(FAILED, endings=("leaked", "returned", "returned"), words=("ReadError", "", "")),
            Outcome.LEAKED,
            "ReadError",
        ),
        (
            replace(FAILED, endings=("told", "told", "told"), words=("400", "400", "400")),
            Outcome.LOST,
            "the next prompt failed too: 400",
        ),
        (
            replace(FAILED, conversation=changed(without=("user", "text", ASK))),
            Outcome.LOST,
            "the next request does not hold the prompt",
        ),
        (replace(FIRED, conversation=changed(without=DONE)), Outcome.LOST, "missing: assistant text"),
        (replace(FIRED, conversation=changed(*TWICE)), Outcome.LOST, "added: assistant text"),
        (replace(FIRED, conversation=changed(DONE)), Outcome.LOST, "in another order, or more than once"),
        (
            replace(FIRED, conversation=changed(*TWICE, without=DONE), answers=((CALL,), TWICE)),
            Outcome.ALTERED,
            "missing: assistant text",
        ),
        (replace(FAILED, conversation=changed(without=DONE)), Outcome.LOST, "missing: assistant text"),
        (replace(FIRED, effects=()), Outcome.LOST, "0 side effects, not 1"),
    ],
)
def test_each_outcome_has_its_signs(seen: Observation, outcome: Outcome, why: str) -> None:
    """Worst first; what the agent says of itself counts for nothing."""
    verdict = judge(seen, UNBROKEN)
    assert (outcome, why) == (verdict.outcome, verdict.why)


def test_a_verdict_says_what_it_took() -> None:
    """Requests and virtual seconds; nothing where no fault fired."""
    assert Verdict(R, "", 23, 70.0) == judge(replace(FIRED, requests=23, seconds=70.0), UNBROKEN)
    assert Verdict(Outcome.DOES_NOT_APPLY) == judge(UNBROKEN, UNBROKEN)


def test_a_storm_of_requests_is_no_survival() -> None:
    """Twenty more than without the fault are enough for anyone; what is worse goes first."""
    storm = Verdict(Outcome.OFTEN, "24 requests, not 3", 24, 3.0)
    assert storm == judge(replace(FIRED, requests=24), UNBROKEN)
    assert storm == judge(replace(FAILED, requests=24), UNBROKEN)
    assert Outcome.LOST is judge(replace(FIRED, requests=24, effects=()), UNBROKEN).outcome
    assert not Outcome.OFTEN.survived


def _stream(*events: str) -> Any:
    head = Head(0.0, 200, (("content-type", "text/event-stream"),))
    return (head, *(Chunk(0.0, f"data: {event}\n\n".encode()) for event in events), End(0.0))


START = '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}'
DELTA = '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}'
STOP = '{"type":"message_stop"}'


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (_stream(START, DELTA, DELTA, STOP), (("assistant", "text", "HiHi"),)),
        (_stream(START, DELTA), None),
        (_stream(START, DELTA, '{"type":"error","error":{"type":"api_error"}}', STOP), None),
        (_stream("{"), None),
        ((Cut(0.0, "refused"),), None),
        ((Head(0.0, 529, ()), End(0.0)), None),
        ((Head(0.0, 200, ()), Chunk(0.0, b'{"content":[{"type":"text","text":"Hi"}]}'), Cut(0.0, "reset")), None),
        ((Head(0.0, 200, ()), Chunk(0.0, b'{"content":"Hi"}'), End(0.0)), (("assistant", "text", "Hi"),)),
    ],
)
def test_what_a_response_says_is_read_off_the_wire(response: Any, expected: Any) -> None:
    """Only what is complete says anything."""
    assert expected == said(response)


def test_lines_have_no_ids_thinking_or_blanks() -> None:
    """What differs between two runs that say the same is left out."""
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "text", "text": " "},
        {"type": "tool_use", "id": "toolu_1", "name": "note", "input": {"b": 1, "a": 2}},
        {"type": "novelty"},
    ]
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "no"}]}
    found = lines(
        [{"role": "assistant", "content": content}, {"role": "user", "content": [{**result, "is_error": True}]}]
    )
    assert (
        ("assistant", "tool_use", "note", '{"a": 2, "b": 1}'),
        ("assistant", "novelty"),
        ("user", "tool_result", "no", "error"),
    ) == found


def test_the_model_knows_only_what_it_is_sent() -> None:
    """So an agent that forgets cannot hide it; a result may be a text or blocks."""

    def asked(*content: Any) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": list(content) if len(content) > 1 else content[0]}]}

    ask, go_on = {"type": "text", "text": ASK}, {"type": "text", "text": GO_ON}
    noted = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": NOTED}]}
    assert "Go on with what?" == model(asked(GO_ON)).text
    assert [STEP] == [call.input["step"] for call in model(asked(ask, go_on)).calls if call.input]
    assert () == model(asked(ask, noted)).calls


NONE = ("off", Verdict(Outcome.DOES_NOT_APPLY))
RESULTS = (
    Result("reset:on=1", "reset", (NONE, ("streaming", Verdict(R, "", 4, 3.6)))),
    Result("reset", "reset", (NONE, ("streaming", Verdict(Outcome.HUNG, "why", 101, 1234.0)))),
)


def test_the_table_counts_and_shows() -> None:
    """In a terminal, and in Markdown, short and long."""
    assert ["reset", "1", *"------", "1", "101", "1,234"] == list(terminal_lines(RESULTS))[1].split()
    assert "| `reset` | 1 |  |  |  |  |  |  | 1 | 101 | 1,234 |" == list(short_markdown(RESULTS))[2]
    assert next(terminal_lines(RESULTS)).endswith("  hung  most requests  most seconds")
    assert "| **all** |  |  |  |  |  |  |  |  |  | 0 |" == list(short_markdown(()))[-1]
    assert ["| `reset:on=1` |  | ✓ |", "| `reset` |  | HUNG |"] == list(long_markdown(RESULTS))[2:]
    assert (
        "2 faults under 2 combinations: 4 pairs, of which 2 do not apply (a plain answer has no stream to break)"
        == summary(RESULTS)
    )
    assert "0 faults under 0 combinations: 0 pairs" == summary(()).partition(",")[0]


def test_a_result_crosses_from_a_worker() -> None:
    """As plain values, and comes out as it was."""
    assert list(RESULTS) == [from_json(to_json(result)) for result in RESULTS]
    assert ("streaming: hung: why",) == RESULTS[1].failures


def test_a_result_knows_whether_its_fault_fired() -> None:
    """Under any combination at all."""
    assert [True, False] == [RESULTS[0].applies, Result("reset", "reset", (NONE, NONE)).applies]
