"""What the page draws of a turn, and how texts are made safe."""

from typing import Any

import pytest

from flag_harness.reference import events
from flag_harness.reference.ui.chat.transcript import TurnTranscript
from flag_harness.reference.ui.page.pieces import CollapsedPiece, NoticePiece, TextPiece, ToolPiece, list_page_pieces
from flag_harness.reference.ui.page.plain_text import make_text_safe_to_show, preserve_layout_for_streamlit, split_text
from flag_harness.wire.usage import Usage

MODEL = "claude-haiku-4-5"


def _turn(*received: Any) -> TurnTranscript:
    turn = TurnTranscript("Hi")
    for event in received:
        turn.add_event(event, MODEL)
    return turn


def _usage(**tokens: int) -> events.RequestUsage:
    return events.RequestUsage(1.0, Usage(**tokens), Usage(), 0.4, 1.0)


def test_a_discarded_text_is_struck_out_and_then_replaced() -> None:
    """It is folded as soon as another text has taken its place."""
    first = (events.TextDelta(1, "It is "), events.TextDelta(2, "Fri"), events.TurnDiscarded(3, "the stream ended"))
    struck = NoticePiece("warning", "The text above was discarded: the stream ended")
    assert [TextPiece("It is Fri", True), struck] == list_page_pieces(_turn(*first), 3)
    second = (events.WaitingForRetry(3, 0.5, "the stream ended"), events.TextDelta(4, "It is Friday."))
    assert [
        CollapsedPiece("Discarded answer", "It is Fri", True),
        NoticePiece("info", "the stream ended; trying again in 0.5 s."),
        TextPiece("It is Friday.", False),
    ] == list_page_pieces(_turn(*first, *second), 4)


def test_an_answer_of_an_earlier_request_is_not_discarded() -> None:
    """Only the request that is under way loses its texts."""
    turn = _turn(
        events.ThinkingDelta(1, "Look."),
        events.TextDelta(1, "I'll look."),
        _usage(input_tokens=10),
        events.ThinkingDelta(2, "Linux"),
        events.TurnDiscarded(3, "cut", Usage(output_tokens=5)),
    )
    assert [
        CollapsedPiece("Thinking", "Look.", False),
        TextPiece("I'll look.", False),
        CollapsedPiece("Thinking (discarded)", "Linux", True),
        NoticePiece("warning", "The thinking above was discarded: cut"),
    ] == list_page_pieces(turn, 3)


def test_a_tool_call_comes_before_its_delay_and_its_result() -> None:
    """The card says what the call waits for, and only then that it is running."""
    turn = _turn(events.ToolUse(10.0, "a", "bash", {"command": "ls"}))
    states = [
        piece.state
        for now, asks_user in ((10.1, False), (10.6, True), (10.7, False))
        for piece in list_page_pieces(turn, now, asks_user=asks_user)
        if isinstance(piece, ToolPiece)
    ]
    assert ["It starts after 0.5 s.", "It waits for your permission.", "It is running."] == states
    turn.add_event(events.ToolResult(11.0, "a", "ls: not found", is_error=True), MODEL)
    shown_input = '{\n  "command": "ls"\n}'
    assert [ToolPiece("bash", shown_input, "The tool failed:", "ls: not found")] == list_page_pieces(turn, 11)


def test_a_tool_call_without_result_says_so_after_the_turn() -> None:
    """As after a stop."""
    turn = _turn(events.ToolUse(10.0, "a", "bash", {}), events.AgentError(11.0, "server", "broken"))
    assert "It has no result: the turn ended before." == list_page_pieces(turn, 12)[0].state


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (events.FeatureDropped(1, "thinking", "not supported"), "refused thinking, so this session continues without"),
        (events.BlockDropped(1, "image", "too large"), "refused a image block of an earlier answer, so it was removed"),
        (events.RestoreNote(1, "Switched on since: streaming."), "The model was told: Switched on since: streaming."),
        (events.TurnEnded(1, "max_tokens"), "Switch on extended_output or raise MAX_TOKENS"),
        (events.TurnEnded(1, "refusal"), "Change the wording."),
        (events.AgentError(1, "overloaded", "529; send again", 529, "req_1"), "(request req_1): 529; send again"),
        (events.AgentError(1, "other", "odd"), "The turn has failed: odd"),
    ],
)
def test_an_event_becomes_a_sentence_that_says_what_to_do(event: Any, expected: str) -> None:
    """Errors and fallbacks are words on the page."""
    assert expected in list_page_pieces(_turn(event), 1)[0].text


def test_usage_and_cost_are_added_up() -> None:
    """The cost is computed for each answer, discarded ones included; the first token is that of the first answer."""
    turn = _turn(_usage(input_tokens=1_000_000), _usage(output_tokens=1_000_000))
    assert (2, 1_000_000, 6.0, 0.4) == (
        turn.request_count,
        turn.usage.output_tokens,
        turn.cost,
        turn.first_token_seconds,
    )
    turn.add_event(events.TurnDiscarded(3, "cut", Usage(output_tokens=1_000_000)), MODEL)
    assert 11.0 == turn.cost
    turn.add_event(_usage(output_tokens=1), "some-unknown-model")
    assert turn.cost is None


def test_keys_and_invisible_characters_are_not_shown() -> None:
    """Control characters of terminals and reversed text are named."""
    assert "key: [hidden]" == make_text_safe_to_show("key: sk-ant-api03-abcdefghijklmnop")
    assert "<U+001B>[31mred <U+202E>abc\tline\nnext" == make_text_safe_to_show("\x1b[31mred \u202eabc\tline\r\nnext")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("one\n", "one"),
        ("    indented\nless", "\u2060    indented\nless"),
        ("a paragraph\n\n", "a paragraph\n\u2060"),
        ("", ""),
    ],
)
def test_white_space_at_the_ends_of_a_block_is_kept(text: str, expected: str) -> None:
    """Streamlit would remove it; the line break between two blocks is theirs already."""
    assert expected == preserve_layout_for_streamlit(text)


def test_a_part_starts_with_a_line_that_is_not_indented() -> None:
    """So the indentation of code survives."""
    assert ["a:\n  b\n", "c:\n  d\n  e"] == list(split_text("a:\n  b\nc:\n  d\n  e", 13))


@pytest.mark.parametrize("text", ["", "short", "one two three four", "one\ntwo\nthree\nfour\n", "x" * 35])
def test_a_long_text_is_split_at_lines_or_words(text: str) -> None:
    """No part is too long, and parts that are complete do not change while the text grows."""
    parts = list(split_text(text, 10))
    assert text == "".join(parts)
    assert max(map(len, parts)) <= 10
    longer = list(split_text(text + "\nand so on", 10))
    assert parts[:-1] == longer[: len(parts) - 1]


def test_a_call_of_a_discarded_answer_stays() -> None:
    """Only its texts are struck out."""
    turn = _turn(
        events.TextDelta(1, "I look."), events.ToolUse(1, "toolu_1", "bash", {}), events.TurnDiscarded(2, "cut")
    )
    assert [TextPiece, NoticePiece, ToolPiece] == [type(piece) for piece in list_page_pieces(turn, 3)]


def test_a_result_of_no_call_is_not_shown() -> None:
    """The call was in a turn before the restart."""
    assert [] == list_page_pieces(_turn(events.ToolResult(1, "toolu_1", "Linux", False)), 3)
