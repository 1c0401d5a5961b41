"""The verdicts, on observations made by hand; and the model that makes forgetting show."""

from dataclasses import replace
from typing import Any

import pytest

from flag_harness.sweep import TrialOutcome, judge_trial
from flag_harness.sweep.model import (
    CONTINUE_PROMPT,
    FIRST_PROMPT,
    SECOND_PROMPT,
    SWEEP_TOOL_INPUT,
    SWEEP_TOOL_RESULT,
    turn_for_request,
)
from flag_harness.sweep.outcomes import TrialObservation
from flag_harness.sweep.sweep import TrialResult, TrialVerdict, trial_result_from_json, trial_result_to_json
from flag_harness.sweep.table import markdown_lines_by_fault, markdown_lines_by_kind, outcome_table_lines, summary_line
from flag_harness.sweep.transcript import ConversationLine, conversation_lines, response_lines
from flag_harness.wire.timeline import Chunk, Cut, End, Head

CALL: ConversationLine = ("assistant", "tool_use", "note", "{}")
DONE: ConversationLine = ("assistant", "text", "Done.")
LAST: ConversationLine = ("assistant", "text", "Nothing.")
CONVERSATION: tuple[ConversationLine, ...] = (
    ("user", "text", FIRST_PROMPT),
    CALL,
    ("user", "tool_result", SWEEP_TOOL_RESULT, ""),
    DONE,
)
R = TrialOutcome.RECOVERED
BASELINE = TrialObservation(
    fired_count=0,
    prompts=(FIRST_PROMPT, SECOND_PROMPT),
    endings=("returned", "returned"),
    exception_messages=("", ""),
    request_count=3,
    side_effects=(SWEEP_TOOL_INPUT,),
    conversation=(*CONVERSATION, ("user", "text", SECOND_PROMPT)),
    complete_answers=((CALL,), (DONE,), (LAST,)),
    has_streamed=True,
    seconds=3.0,
)
FIRED = replace(BASELINE, fired_count=1)
FAILED = replace(
    FIRED,
    prompts=(FIRST_PROMPT, CONTINUE_PROMPT, SECOND_PROMPT),
    endings=("gave up", "returned", "returned"),
    exception_messages=("529", "", ""),
)
TOOL_RAN_TWICE = (("assistant", "text", "Done. Done."),)
GARBLED: ConversationLine = ("assistant", "text", "it down. I note")
GARBLED_CONVERSATION = (BASELINE.conversation[0], GARBLED, *BASELINE.conversation[1:])


def changed(*added: ConversationLine, without: ConversationLine | None = None) -> tuple[ConversationLine, ...]:
    """The conversation of the baseline run with one line less and some more."""
    return (*(line for line in BASELINE.conversation if line != without), *added)


@pytest.mark.parametrize(
    ("observed", "outcome", "reason"),
    [
        (BASELINE, TrialOutcome.DOES_NOT_APPLY, ""),
        (FIRED, TrialOutcome.RECOVERED, ""),
        (FAILED, TrialOutcome.REPORTED, "529"),
        (replace(FAILED, conversation=changed(("user", "text", CONTINUE_PROMPT))), TrialOutcome.REPORTED, "529"),
        (replace(FIRED, endings=("hung",), exception_messages=("it waits",)), TrialOutcome.HUNG, "it waits"),
        (
            replace(FAILED, side_effects=(SWEEP_TOOL_INPUT, SWEEP_TOOL_INPUT)),
            TrialOutcome.TOOL_RAN_TWICE,
            "2 side effects of one call",
        ),
        (
            replace(FAILED, endings=("raised", "returned", "returned"), exception_messages=("ReadError", "", "")),
            TrialOutcome.LEAKED,
            "ReadError",
        ),
        (
            replace(FAILED, endings=("gave up", "gave up", "gave up"), exception_messages=("400", "400", "400")),
            TrialOutcome.LOST,
            "the next prompt failed too: 400",
        ),
        (
            replace(FAILED, conversation=changed(without=("user", "text", FIRST_PROMPT))),
            TrialOutcome.LOST,
            "the next request does not hold the prompt",
        ),
        (
            replace(FIRED, conversation=changed(("user", "text", FIRST_PROMPT))),
            TrialOutcome.LOST,
            f"the conversation holds the user's turn more than once: {FIRST_PROMPT!r}",
        ),
        (replace(FIRED, conversation=changed(without=DONE)), TrialOutcome.LOST, "missing: assistant text"),
        (replace(FIRED, conversation=changed(*TOOL_RAN_TWICE)), TrialOutcome.LOST, "added: assistant text"),
        (replace(FIRED, conversation=changed(DONE)), TrialOutcome.LOST, "in another order, or more than once"),
        (
            replace(
                FIRED, conversation=changed(*TOOL_RAN_TWICE, without=DONE), complete_answers=((CALL,), TOOL_RAN_TWICE)
            ),
            TrialOutcome.ACCEPTED,
            "missing: assistant text",
        ),
        (replace(FAILED, conversation=changed(without=DONE)), TrialOutcome.LOST, "missing: assistant text"),
        (
            replace(FAILED, conversation=GARBLED_CONVERSATION, complete_answers=((GARBLED, CALL), (DONE,), (LAST,))),
            TrialOutcome.REPORTED,
            "529",
        ),
        (
            replace(FAILED, conversation=GARBLED_CONVERSATION, complete_answers=((CALL,), (DONE,), (LAST,))),
            TrialOutcome.LOST,
            "added: assistant text",
        ),
        (replace(FIRED, side_effects=()), TrialOutcome.LOST, "0 side effects, not 1"),
    ],
)
def test_each_outcome_has_its_signs(observed: TrialObservation, outcome: TrialOutcome, reason: str) -> None:
    """Worst first; what the agent says of itself counts for nothing."""
    verdict = judge_trial(observed, BASELINE)
    assert (outcome, reason) == (verdict.outcome, verdict.reason)


def test_a_verdict_says_what_it_took() -> None:
    """Requests and virtual seconds; nothing where no fault fired."""
    assert TrialVerdict(R, "", 23, 70.0) == judge_trial(replace(FIRED, request_count=23, seconds=70.0), BASELINE)
    assert TrialVerdict(TrialOutcome.DOES_NOT_APPLY) == judge_trial(BASELINE, BASELINE)


def test_a_storm_of_requests_is_no_survival() -> None:
    """Twenty more than without the fault are enough for anyone; what is worse goes first."""
    storm = TrialVerdict(TrialOutcome.TOO_MANY_REQUESTS, "24 requests, not 3", 24, 3.0)
    assert storm == judge_trial(replace(FIRED, request_count=24), BASELINE)
    assert storm == judge_trial(replace(FAILED, request_count=24), BASELINE)
    assert TrialOutcome.LOST is judge_trial(replace(FIRED, request_count=24, side_effects=()), BASELINE).outcome
    assert not TrialOutcome.TOO_MANY_REQUESTS.is_without_loss


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
    assert expected == response_lines(response)


def test_lines_have_no_ids_thinking_or_blanks() -> None:
    """What differs between two runs that say the same is left out."""
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "text", "text": " "},
        {"type": "tool_use", "id": "toolu_1", "name": "note", "input": {"b": 1, "a": 2}},
        {"type": "novelty"},
    ]
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": "no"}]}
    found = conversation_lines(
        [{"role": "assistant", "content": content}, {"role": "user", "content": [{**result, "is_error": True}]}]
    )
    assert (
        ("assistant", "tool_use", "note", '{"a": 2, "b": 1}'),
        ("assistant", "novelty"),
        ("user", "tool_result", "no", "error"),
    ) == found


def test_the_model_knows_only_what_it_is_sent() -> None:
    """So an agent that forgets cannot hide it; a result may be a text or blocks."""

    def request(*content: Any) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": list(content) if len(content) > 1 else content[0]}]}

    ask, go_on = {"type": "text", "text": FIRST_PROMPT}, {"type": "text", "text": CONTINUE_PROMPT}
    noted = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": SWEEP_TOOL_RESULT}]}
    assert "Go on with what?" == turn_for_request(request(CONTINUE_PROMPT)).text
    assert [SWEEP_TOOL_INPUT] == [
        call.input["step"] for call in turn_for_request(request(ask, go_on)).calls if call.input
    ]
    assert () == turn_for_request(request(ask, noted)).calls


NONE = ("off", TrialVerdict(TrialOutcome.DOES_NOT_APPLY))
RESULTS = (
    TrialResult("reset:on=1", "reset", (NONE, ("streaming", TrialVerdict(R, "", 4, 3.6)))),
    TrialResult("reset", "reset", (NONE, ("streaming", TrialVerdict(TrialOutcome.HUNG, "why", 101, 1234.0)))),
)


def test_the_table_counts_and_shows() -> None:
    """In a terminal, and in Markdown, short and long."""
    assert ["reset", "1", *"------", "1", "101", "1,234"] == list(outcome_table_lines(RESULTS))[1].split()
    assert "| `reset` | 1 |  |  |  |  |  |  | 1 | 101 | 1,234 |" == list(markdown_lines_by_kind(RESULTS))[2]
    assert next(outcome_table_lines(RESULTS)).endswith("  hung  most requests  most seconds")
    assert "| **all** |  |  |  |  |  |  |  |  |  | 0 |" == list(markdown_lines_by_kind(()))[-1]
    assert ["| `reset:on=1` |  | ✓ |", "| `reset` |  | HUNG |"] == list(markdown_lines_by_fault(RESULTS))[2:]
    assert (
        "2 faults under 2 combinations: 4 pairs, of which 2 do not apply (a plain answer has no stream to break)"
        == summary_line(RESULTS)
    )
    assert "0 faults under 0 combinations: 0 pairs" == summary_line(()).partition(",")[0]


def test_a_result_crosses_from_a_worker() -> None:
    """As plain values, and comes out as it was."""
    assert list(RESULTS) == [trial_result_from_json(trial_result_to_json(result)) for result in RESULTS]
    assert ("streaming: hung: why",) == RESULTS[1].failure_lines


def test_a_result_knows_whether_its_fault_fired() -> None:
    """Under any combination at all."""
    assert [True, False] == [RESULTS[0].has_fired, TrialResult("reset", "reset", (NONE, NONE)).has_fired]
