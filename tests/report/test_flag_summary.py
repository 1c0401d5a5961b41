"""What a report says of each flag: what it breaks, changes, costs and saves."""

import dataclasses
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from flag_harness.record import RequestRecord, RunHeader, RunRecord, RunRow
from flag_harness.record.outline import body_outline
from flag_harness.report.flags.request_effects import RequestEffect, request_effects
from flag_harness.report.flags.summary import flag_summaries
from flag_harness.report.html import render_html
from flag_harness.report.markdown.document import markdown_lines
from flag_harness.report.overview import make_overview
from flag_harness.report.plain import report_to_json
from flag_harness.report.run_report import RunReport, build_report

NOW = datetime(2026, 11, 28, tzinfo=UTC)
MODELS = ("haiku", "sonnet")


def _record(make_body: Callable[..., Mapping[str, Any]], tests: int = 2, **fields: Any) -> RunRecord:
    """Return the record of tests under the combinations of `fast` and `model`; the body depends on both."""
    flags = {
        "fast": {"default": False, "values": [False, True], "env": "FAST"},
        "model": {"default": "haiku", "values": list(MODELS), "env": "MODEL"},
    }
    rows = []
    for number, fast, model in product(range(tests), (False, True), MODELS):
        changes = [*(["fast"] if fast else []), *([f"model={model}"] if model != "haiku" else [])]
        combination = "+".join(changes) or "off"
        request = RequestRecord(
            "POST", "/v1/messages", 200, "", body_outline=body_outline(make_body(number, fast, model))
        )
        values = {"fast": fast, "model": model}
        case = f"test_a.py::test_{number}[{combination}]"
        rows.append(RunRow(case=case, combination=combination, outcome="passed", requests=(request,), values=values))
    return RunRecord(RunHeader(flags=flags), (*rows, *fields.pop("more", ())), **fields)


def _changes(record: RunRecord) -> list[tuple[str, str]]:
    return [(one.setting, one.change_text) for one in request_effects(record)]


def test_a_change_is_shown_with_its_values_and_pairs() -> None:
    """For each value of a flag that is not boolean; a flag that changes nothing comes last."""
    record = _record(lambda number, fast, model: {"model": f"claude-{model}", "max_tokens": 5, "temperature": number})
    assert (
        RequestEffect("model=sonnet", "model: claude-haiku → claude-sonnet", 4, 4),
        RequestEffect("fast", "nothing", 0, 4),
    ) == request_effects(record)


def test_a_flag_that_sends_more_requests_in_each_test_says_so() -> None:
    """Without numbers, as they differ from test to test."""
    record = _record(lambda number, fast, model: {"max_tokens": 5})
    rows = (
        replace(row, requests=row.requests * (2 + int(row.case[len("test_a.py::test_")])))
        if row.values["fast"]
        else row
        for row in record.rows
    )
    assert ("fast", "another number of requests") in _changes(dataclasses.replace(record, rows=tuple(rows)))


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ({"system": "Be kind."}, {"system": "Be brief."}, "system[*].text: other text"),
        (
            {"system": "Be kind."},
            {"system": [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]},
            "system[*].cache_control.type: absent → ephemeral",
        ),
        ({"n": 1}, {"n": 1, "tools": [{"name": "find"}]}, "tools[find] is added"),
        ({"n": 1, "tools": [{"name": "find"}]}, {"n": 1}, "tools[find] is left out"),
        ({"messages": ["a"]}, {"messages": ["a", "b"]}, "messages[*] is added"),
        ({"messages": ["a"]}, {"messages": ["b"]}, "messages[*]: other text"),
        ({"stream": False}, {"stream": True}, "stream: false → true"),
    ],
)
def test_texts_are_not_shown(before: Mapping[str, Any], after: Mapping[str, Any], change: str) -> None:
    """Only that they change, or that a part is added or left out."""
    record = _record(lambda number, fast, model: after if fast else before)
    assert [("fast", change), ("model", "nothing")] == _changes(record)


def test_a_change_that_needs_another_flag_says_so() -> None:
    """As blame does."""
    record = _record(lambda number, fast, model: {"max_tokens": 9 if fast and model == "sonnet" else 5})
    assert ("fast", "max_tokens: 5 → 9 when model=sonnet") in _changes(record)


def test_a_failed_run_shows_no_effect_of_a_flag() -> None:
    """It may have stopped early, and the flags that broke it are named elsewhere."""
    record = _record(lambda number, fast, model: {"n": 2 if number and fast else 1})
    rows = [replace(row, outcome="failed") if row.values["fast"] and "_1[" in row.case else row for row in record.rows]
    expected = (RequestEffect("fast", "nothing", 0, 2), RequestEffect("model", "nothing", 0, 3))
    assert expected == request_effects(RunRecord(record.header, tuple(rows)))


def test_rows_without_outlines_or_with_unknown_values_are_left_out() -> None:
    """Records of earlier versions have none; a value may not be declared any more."""
    assert [] == _changes(_record(lambda number, fast, model: {}))
    request = RequestRecord("POST", "/v1/messages", 200, "", body_outline=body_outline({"max_tokens": 7}))
    odd = RunRow(case="t", combination="x", outcome="passed", requests=(request,), values={"model": "opus"})
    assert {("fast", "nothing"), ("model", "nothing")} == set(
        _changes(_record(lambda number, fast, model: {"max_tokens": 5}, more=[odd]))
    )


def _report(*others: str) -> RunReport:
    """Return the report of a run without tests that declares the flag `fast`, and others."""
    flags = {name: {"default": False, "values": [False, True], "env": name} for name in ("fast", *others)}
    return build_report(RunRecord(RunHeader(flags=flags), ()), NOW)


def test_a_flag_that_breaks_tests_comes_first(make_matrix_record: Callable[..., RunRecord]) -> None:
    """One that must be on for tests to pass prevents failures; a name within another name is not meant."""
    flags = dict.fromkeys(("cached", "cache", "fast"), (False, True))
    record = make_matrix_record(flags, {"test_a": lambda cached, cache, fast: "no" if fast and not cache else ""})
    changes = (RequestEffect("cached", "stream: false → true", 1, 1), RequestEffect("cache", "nothing", 0, 4))
    report = dataclasses.replace(build_report(record, NOW), request_effects=changes)
    (cause,) = report.causes
    fast, cached, cache = flag_summaries(report)
    assert ("fast", (cause,), ()) == (fast.setting, fast.causes_with_flag, fast.causes_without_flag)
    assert ("cached", (), ()) == (cached.setting, cached.causes_with_flag, cached.causes_without_flag)
    assert ("cache", (), (cause,), True) == (
        cache.setting,
        cache.causes_with_flag,
        cache.causes_without_flag,
        cache.is_inert,
    )


def test_a_flag_is_told_only_what_its_own_values_break(make_matrix_record: Callable[..., RunRecord]) -> None:
    """Of a test with two causes, each flag has its own; a flag that is on by default breaks what fails without it."""
    flags = {"fast": (False, True), "concise": (True, False), "model": MODELS, "tools": (False, True)}

    def reason(fast: bool, concise: bool, model: str, tools: bool) -> str:
        return "two" if fast and model == "sonnet" else "" if concise else "one"

    report = build_report(make_matrix_record(flags, {"test_a": reason}), NOW)
    breaks = {one.setting: [cause.condition_text for cause in one.causes_with_flag] for one in flag_summaries(report)}
    together = "fails when fast is on and model is sonnet"
    assert {"fast": [together], "no-concise": ["fails when concise is off"], "model=sonnet": [together]} == {
        name: texts for name, texts in breaks.items() if texts
    }


def test_further_causes_of_a_flag_are_counted(make_matrix_record: Callable[..., RunRecord]) -> None:
    """Two are on the first screen, and ten among the failures, each with its command."""
    flags = {"fast": (False, True), "model": tuple(f"m{number}" for number in range(25))}
    reasons = {
        f"test_{number}": lambda fast, model, number=number: "no" if fast and model == f"m{number}" else ""
        for number in range(1, 13)
    }
    report = build_report(make_matrix_record(flags, reasons), NOW)
    fast, *others = make_overview(report).flags
    assert fast.broken_tests_text.endswith("; and 10 more causes")
    named = [f"test_{number}, only with fast" for number in range(1, 8)]
    assert named == [one.broken_tests_text for one in others], "those of two others are named with the flag itself"
    page, lines = render_html(report, NOW), list(markdown_lines(report))
    assert "2 further causes" in page
    assert page.index("model is m7</strong>") < page.index("2 further causes") < page.index("model is m9</strong>")
    assert 10 == sum(line.startswith("  - To see it fail: ") for line in lines)
    assert "- and 2 more causes" in lines


def test_a_value_that_fails_as_the_default_does_breaks_nothing(make_matrix_record: Callable[..., RunRecord]) -> None:
    """Only the third value of the model passes, so it prevents the failure, and the second one does not cause it."""
    flags = {"model": ("haiku", "sonnet", "opus")}
    report = build_report(make_matrix_record(flags, {"test_a": lambda model: "" if model == "opus" else "no"}), NOW)
    assert ["fails when model is not opus"] == [cause.condition_text for cause in report.causes]
    found = {one.setting: (one.causes_with_flag, one.causes_without_flag) for one in flag_summaries(report)}
    assert {"model=sonnet": ((), ()), "model=opus": ((), report.causes)} == found


def test_that_a_flag_breaks_nothing_is_said_with_the_tests_that_show_it(
    make_matrix_record: Callable[..., RunRecord],
) -> None:
    """The tests that ran with and without it and passed, and how many there are; of no such test, nothing is known."""
    flags = {"fast": (False, True), "other": (False, True)}
    record = make_matrix_record(flags, {"test_a": lambda fast, other: ""})
    plain = tuple(RunRow(case=f"test_b.py::test_{n}", combination="off", outcome="passed") for n in range(17))
    broken = tuple(
        replace(row, case=row.case.replace("test_a[", "test_c["), outcome="failed", reason="no") for row in record.rows
    )
    expected = {
        "nothing in 1 test of 1 (4 combinations)": record.rows,
        "nothing in 1 test of 18 (4 combinations); 17 did not run with and without it": (*record.rows, *plain),
        "nothing in 1 test of 2 (4 combinations); 1 did not pass with and without it": (*record.rows, *broken),
        "unknown: no test passed with and without it": broken,
    }
    for text, rows in expected.items():
        report = build_report(RunRecord(record.header, rows), NOW)
        assert [text, text] == [line.broken_tests_text for line in make_overview(report).flags]
        assert text in render_html(report, NOW)
        assert text in "\n".join(markdown_lines(report))


def test_a_flag_that_no_test_varies_is_named(make_matrix_record: Callable[..., RunRecord]) -> None:
    """Nothing is known of it, so it is not among those that break nothing."""
    record = make_matrix_record(dict.fromkeys(("fast", "other"), (False, True)), {"test_a": lambda fast, other: ""})
    overview = make_overview(
        build_report(RunRecord(record.header, tuple(row for row in record.rows if not row.values["fast"])), NOW)
    )
    assert ["other"] == [line.setting for line in overview.flags]
    assert [("matrix-title", "no test ran with and without the flag fast")] == [
        (notice.section_id, notice.text) for notice in overview.notices
    ]


def test_many_changes_are_counted() -> None:
    """Four are named."""
    changes = tuple(RequestEffect("fast", f"x{number}: 1 → 2", 1, 1) for number in range(6))
    (summary,) = flag_summaries(dataclasses.replace(_report("unknown"), request_effects=changes))
    assert ("x0: 1 → 2", "x3: 1 → 2", "and 2 more changes") == (
        summary.request_changes[0],
        summary.request_changes[3],
        summary.request_changes[4],
    )


def test_the_page_markdown_and_json_show_what_each_flag_changes(make_record: Callable[[int], RunRecord]) -> None:
    """With the tests that it breaks, and what it saves. The pairs of the failed runs are not compared."""
    report = build_report(make_record(8), NOW)
    page = " ".join(render_html(report, NOW).split())
    for text in (
        "max_tokens: 4096 → 16384",
        "stream: false → true",
        "2 tests fail when streaming is on and prompt_cache is off",
    ):
        assert text in page
    assert page.index("<h3>streaming</h3>") < page.index("<h3>prompt_cache</h3>") < page.index('<h2 id="matrix-title"')
    lines = list(markdown_lines(report))
    assert "### What each flag changes in requests" in lines
    assert "| extended\\_output | max\\_tokens: 4096 → 16384 | 30 of 30 |" in lines
    assert "streaming" in {one["setting"] for one in report_to_json(report)["request_effects"]}
