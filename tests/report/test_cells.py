"""What a cell shows besides its own run: the nearest passing run, what differs from it, and the rhythm of streams."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from flag_harness.analysis.alignment import align_sequences
from flag_harness.record import RequestRecord, RunHeader, RunRecord, RunRow
from flag_harness.record.conversation import Conversation, ConversationTurn, MessagePart
from flag_harness.report.cells.details import cell_details
from flag_harness.report.cells.neighbours import nearest_passing_runs
from flag_harness.report.run_report import build_report

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
NAMES = ("a", "b", "c")


def _matrix(failing: Callable[[dict[str, bool]], bool], repetitions: int = 1) -> list[RunRow]:
    rows = []
    for states, repetition in product(product((False, True), repeat=3), range(repetitions)):
        values = dict(zip(NAMES, states, strict=True))
        combination = "+".join(name for name in NAMES if values[name]) or "off"
        case = f"test_it.py::test_it[{combination}]"
        outcome = "failed" if failing(values) else "passed"
        rows.append(RunRow(case=case, combination=combination, outcome=outcome, values=values, repetition=repetition))
    return rows


def test_a_run_is_compared_with_the_passing_run_that_differs_in_the_fewest_flags() -> None:
    """Of several, the one with the fewest flags; a passing run is compared with another combination, too."""
    rows = _matrix(lambda values: values["a"] and values["b"])
    found = {key[1]: row.combination for key, row in nearest_passing_runs(rows).items()}
    assert {"a+b": "a", "a+b+c": "a+c"} == {name: found[name] for name in ("a+b", "a+b+c")}
    assert {"off": "a", "c": "off"} == {name: found[name] for name in ("off", "c")}
    assert ["a+b", "a+b+c"] == sorted(key[1] for key in nearest_passing_runs(rows, only_failed=True))


def test_a_run_two_flags_away_is_compared_if_no_nearer_one_passed() -> None:
    """And none if no other combination passed, or if the test has no flags."""
    rows = _matrix(lambda values: any(values.values()))
    assert {"off"} == {row.combination for row in nearest_passing_runs(rows, only_failed=True).values()}
    assert {} == nearest_passing_runs(_matrix(lambda values: True))
    assert {} == nearest_passing_runs([RunRow(case="test_it.py::test_plain", combination="off", outcome="passed")])


def test_repetitions_are_compared_with_the_same_repetition() -> None:
    """If that one passed; else with the first that did."""
    rows = [row for row in _matrix(lambda values: values["a"], 2) if (row.combination, row.repetition) != ("off", 0)]
    found = nearest_passing_runs(rows, only_failed=True)
    assert [1, 1] == [found["test_it.py::test_it[a]", "a", number].repetition for number in (0, 1)]
    assert [0, 1] == [found["test_it.py::test_it[a+b]", "a+b", number].repetition for number in (0, 1)]


@pytest.mark.parametrize(
    ("left", "right", "pairs"),
    [
        ("abc", "abc", ((0, 0), (1, 1), (2, 2))),
        ("abc", "abbc", ((0, 0), (1, 1), (None, 2), (2, 3))),
        ("abc", "axc", ((0, 0), (1, 1), (2, 2))),
        ("ab", "a", ((0, 0), (1, None))),
    ],
)
def test_requests_are_paired_in_order(left: str, right: str, pairs: Sequence[object]) -> None:
    """A retry has no counterpart, and what follows it keeps its own."""
    assert pairs == align_sequences(left, right)


def _request(outline: tuple[tuple[str, Any], ...], status: int | None = 200, **fields: Any) -> RequestRecord:
    return RequestRecord("POST", "/v1/messages", status, repr(outline), body_outline=outline, **fields)


def _details(theirs: Sequence[RequestRecord], ours: Sequence[RequestRecord], *conversations: Conversation) -> Any:
    """Return the details of a run that passed without a flag and failed with it."""
    failed = RunRow(case="test_it[a]", combination="a", outcome="failed", values={"a": True}, requests=tuple(ours))
    passed = replace(
        failed, case="test_it[off]", combination="off", outcome="passed", values={"a": False}, requests=tuple(theirs)
    )
    rows = (failed, passed)
    record = RunRecord(RunHeader(flags={"a": {"default": False, "values": [False, True]}}), rows)
    return cell_details(build_report(record, NOW, {one.case: one for one in conversations}))


def test_what_differs_between_two_requests_is_named_by_its_path() -> None:
    """With both values, and the answer's status and stop reason; equal requests have no changes."""
    same = _request((("model", "m"),))
    theirs = _request((("max_tokens", 4096), ("model", "m")), stop_reason="end_turn")
    ours = _request((("max_tokens", 16384), ("model", "m"), ("system", "#abcdef")), None)
    details = _details([same, theirs], [same, ours])
    row = details["rows"][1]
    assert [[], [0, 1, 2, 3]] == row["changes"]
    assert "pairs" not in row
    assert [
        ("max_tokens", "4096", "16384"),
        ("system", "absent", "text"),
        ("status of the answer", "200", "broken off"),
        ("stop reason of the answer", "end_turn", "none"),
    ] == details["changes"][:4]


def test_requests_are_paired_by_what_they_add_to_the_conversation() -> None:
    """So that a retry does not shift the rest. Requests beyond those of the record have no changes."""
    first, second = ((MessagePart("user", "text", text, len(text)),) for text in ("Hello.", "Thanks."))
    ours = Conversation(
        "test_it[a]", (ConversationTurn(first, ()), ConversationTurn((), (), "reset"), ConversationTurn(second, ()))
    )
    theirs = Conversation("test_it[off]", (ConversationTurn(first, ()), ConversationTurn(second, ())))
    sent = _request(())
    details = _details([sent, sent], [sent], ours, theirs)
    assert ((0, 0), (None, 1), (1, 2)) == details["rows"][1]["pairs"]
    assert "changes" not in details["rows"][1]
    assert 2 == len(details["passages"])


def test_the_streams_of_a_test_share_a_scale() -> None:
    """It ends with the longest of them, in any combination; answers that were not streamed have no rhythm."""
    short = _request(
        (), arrival_times=(0.0, 0.25, 1.0), longest_gap=0.75, longest_gap_start=0.25, seconds=1.0, chunk_count=3
    )
    long = replace(short, arrival_times=(0.5, 2.5), seconds=2.5)
    details = _details([short, _request((), seconds=9.0)], [long])
    assert [2500, 2500] == [row["scale"] for row in details["rows"]]
    by_rhythm = {tuple(one.get("rhythm", ())): one for one in details["requests"]}
    assert {(0, 250, 750), (500, 2000), ()} == by_rhythm.keys()
    assert ([250, 750], 3) == (by_rhythm[0, 250, 750]["gap"], by_rhythm[0, 250, 750]["chunks"])


def test_changed_texts_are_named_only_if_they_are_not_kept() -> None:
    """A record has hashes of texts. Where the conversations are kept, the texts themselves stand side by side."""
    outlines = ((("max_tokens", 5), ("messages[0]", "#aaaaaa")), (("max_tokens", 5), ("messages[0]", "#bbbbbb")))
    rows = tuple(
        RunRow(
            case=f"test_it.py::test_it[{name}]",
            combination=name,
            outcome=outcome,
            values={"a": name == "a"},
            requests=(RequestRecord("POST", "/v1/messages", 200, "", body_outline=outline),),
        )
        for name, outcome, outline in (("off", "passed", outlines[0]), ("a", "failed", outlines[1]))
    )
    record = RunRecord(RunHeader(flags={"a": {"default": False, "values": [False, True]}}), rows)
    [change] = cell_details(build_report(record, NOW))["changes"]
    assert ("messages[0]", "text", "another text") == change
    turns = (ConversationTurn((MessagePart("user", "text", "Hello", 5),), ()),)
    kept = {row.case: Conversation(row.case, turns) for row in rows}
    assert [] == cell_details(build_report(record, NOW, kept))["changes"]
