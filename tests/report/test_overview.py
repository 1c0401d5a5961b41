"""The first screen of a report: what each flag breaks and costs, what else was found, and what to type next."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from flag_harness.analysis.conjunctions import FlagLiteral
from flag_harness.analysis.effects.figures import RUN_METRICS, MetricEffect
from flag_harness.record import CacheBreak, CacheTurn, CacheUse, LogCount, RequestRecord, RunHeader, RunRecord, RunRow
from flag_harness.record.sweep import SweepCause, SweepRecord
from flag_harness.report.failures.causes import FailureCause
from flag_harness.report.failures.conditions import condition_text
from flag_harness.report.flags.request_effects import RequestEffect
from flag_harness.report.html import render_html
from flag_harness.report.markdown.document import markdown_lines
from flag_harness.report.overview import FlagOverview, make_overview
from flag_harness.report.plain import report_to_json
from flag_harness.report.run_report import RunReport, build_report
from flag_harness.wire.usage import Usage

NOW = datetime(2026, 11, 29, tzinfo=UTC)
(COST,) = (one for one in RUN_METRICS if one.name == "cost")
FLAGS = {"fast": {"default": False, "values": [False, True], "env": "FAST"}}


def _report(*rows: RunRow) -> RunReport:
    return build_report(RunRecord(RunHeader(flags=FLAGS), rows), NOW)


def _cell(line: FlagOverview, name: str) -> str:
    """Return what a flag changes in a figure."""
    [text] = [cell.text for cell in line.figures.cells if cell.figure_name == name]
    return text


def _row(case: str, **fields: Any) -> RunRow:
    return RunRow(**{"case": case, "combination": "off", "outcome": "passed", **fields})


def test_the_first_screen_says_what_breaks_what_it_costs_and_what_to_type(
    make_record: Callable[[int], RunRecord],
) -> None:
    """In words, before everything else on the page; flags that break tests come first."""
    report = build_report(make_record(8), NOW)
    overview = make_overview(report)
    streaming, cache, extended = overview.flags
    assert ("streaming", "prompt_cache", "extended_output") == (streaming.setting, cache.setting, extended.setting)
    names = "test_agent_answers_question_0, test_agent_answers_question_4"
    assert f"{names}, only without prompt_cache" == streaming.broken_tests_text
    shown = "nothing in 8 tests of 8 (8 combinations)"
    assert f"{shown}; prevents a failure of the same 2 tests, only with streaming" == cache.broken_tests_text
    assert shown == extended.broken_tests_text
    assert "$0.019 → $0.011 (-$8.10 per 1,000 runs)" == _cell(cache, "cost")
    assert ("input 4,800 → 2,100", "same") == (_cell(cache, "tokens"), _cell(cache, "total time"))
    assert "0.97 → 0.24 s" == _cell(streaming, "first token")
    assert extended.figures.are_unchanged
    tests = "test_agent_answers_question_0 and test_agent_answers_question_4"
    failure = f"{tests} fail when streaming is on and prompt_cache is off"
    [cause], [verdict] = overview.causes, overview.next_steps
    assert (failure, "", "test_agent_answers_question_0") == (
        cause.sentence,
        cause.locate_command,
        cause.shown_test_name,
    )
    assert "test_agent_answers_question_4: AssertionError: assert 'refund 4' in answer" == cause.reason_lines[1]
    assert "extended_output" in verdict.purpose, "no flag that breaks a test"
    assert verdict.is_optional
    assert "--harness-verdict=extended_output" in verdict.command
    assert "in the folder above tests/" == overview.folder_note
    page = render_html(report, NOW)
    start = page.index('class="overview"')
    assert "simulated</span>" not in page[start : page.index("<nav ")], "as all figures are"
    assert page.index("Answered by the simulator (64 runs): tokens are") < start
    command = cause.rerun_command.replace("'", "&#39;")
    optional = "Optional, for flags that break nothing: to judge"
    parts = ("to type next", failure, "question_0 fail:", command, "per 1,000 runs", optional, "Also found", "<nav ")
    assert sorted(parts, key=lambda part: page.index(part, start)) == list(parts)


def _pair(case: str, without: dict[str, Any], **fields: Any) -> tuple[RunRow, RunRow]:
    """Return the runs of a test without the flag `fast`, which have the fields `without`, and with it."""
    return (
        _row(f"{case}[off]", values={"fast": False}, **without),
        _row(f"{case}[fast]", combination="fast", values={"fast": True}, **{**without, **fields}),
    )


@pytest.mark.parametrize(
    ("costs", "text"),
    [
        ([(0.01, 0.0075), (0.02, 0.0145)], "$0.015 → $0.011 (-$4.00 per 1,000 runs)"),
        ([(0.01, 0.25), (0.02, 0.5)], "$0.015 → $0.38 (+$360 per 1,000 runs)"),
        ([(0.01, 0.02), (0.01, 0.01)], "$0.010 → $0.015 (+$5.00 per 1,000 runs), which may be chance"),
        ([(0.01, 0.011)], "$0.0100 → $0.0110 (+$1.00 per 1,000 runs) in the only pair"),
        ([(0.01, 0.01), (0.02, 0.02)], "same"),
        ([(None, None), (None, None)], "unknown"),
    ],
)
def test_costs_are_said_per_run_and_per_thousand_runs(
    costs: list[tuple[float | None, float | None]], text: str
) -> None:
    """Of one test, with as many digits as the difference needs; that it may be chance is said of live figures only."""
    pairs = [
        _pair(f"t.py::test_{number}", {"cost": without, "answered_by": "live"}, cost=cost)
        for number, (without, cost) in enumerate(costs)
    ]
    [line] = make_overview(_report(*(row for pair in pairs for row in pair))).flags
    assert text == _cell(line, "cost")
    assert not line.is_simulated


def test_what_depends_on_another_flag_is_not_called_chance() -> None:
    """The simulator always gives the same figures. The flag on which the effect depends is named, if it is one."""
    flags = {name: {"default": False, "values": [False, True], "env": name} for name in ("fast", "tools", "other")}

    def rows(tokens: Callable[[bool, bool], int]) -> RunReport:
        found = [
            _row(
                f"t.py::test_a[{fast}{tools}{other}]",
                combination=f"{fast}{tools}{other}",
                values={"fast": fast, "tools": tools, "other": other},
                usage=Usage(100 + fast * tokens(tools, other), 5),
                answered_by="simulator",
            )
            for fast, tools, other in product((False, True), repeat=3)
        ]
        return build_report(RunRecord(RunHeader(flags=flags, flag_order=tuple(flags)), tuple(found)), NOW)

    report = rows(lambda tools, _: 900 if tools else -10)
    [line] = [one for one in make_overview(report).flags if one.setting == "fast"]
    assert "input 100 → 90 without tools, 100 → 1,000 with tools" == _cell(line, "tokens")
    [effect] = [one for one in report.effects if (one.setting_text, one.figure.name) == ("fast", "input tokens")]
    assert (True, "-10 to +900, depending on the test and on other flags (4 pairs)") == (
        effect.varies_between_pairs,
        str(effect),
    )
    assert "may be chance" not in render_html(report, NOW)
    assert "(4 pairs)" in render_html(report, NOW)
    line = make_overview(rows(lambda tools, other: 90 * (tools ^ other) - 30)).flags[0]
    assert "input 100 → 115, by -30 to +60, depending on the test and other flags" == _cell(line, "tokens")


def test_times_are_said_in_seconds() -> None:
    """The means, with the range of differences if the simulator's tests differ; a small difference is no sameness."""
    for other, text in (
        (1.0, "1.5 → 1.5 s, by -1 to +1, depending on the test and other flags"),
        (4.0, "1.5 → 3.0 s"),
    ):
        pairs = [
            _pair(f"t.py::test_{without}", {"answered_by": "simulator", "seconds": without}, seconds=seconds)
            for without, seconds in ((1.0, 2.0), (2.0, other))
        ]
        [line] = make_overview(_report(*(row for pair in pairs for row in pair))).flags
        assert text == _cell(line, "total time")
    [line] = make_overview(_report(*_pair("t.py::test_a", {"seconds": 0.75}, seconds=0.747))).flags
    assert "0.75 s, under 0.01 s less in the only pair" == _cell(line, "total time")


def test_pairs_that_are_not_compared_are_named() -> None:
    """Of each test how many, and why; flags that leave out the same ones share a line."""
    report = _report(
        *_pair("t.py::test_a", {}),
        *_pair("t.py::test_b", {}, outcome="failed"),
        *_pair("t.py::test_c", {}, outcome="skipped"),
        *_pair("t.py::test_d", {}, excluded_from_effects="its clock"),
    )
    overview = make_overview(report)
    [line] = overview.flags
    assert (1, 4) == (line.figures.compared_pair_count, line.figures.pair_count)
    assert (
        "fast: 1 of 4 pairs left out, as a run of the pair failed: test_b (1)",
        "fast: 1 of 4 pairs left out, as a run of the pair was skipped: test_c (1)",
        "fast: 1 of 4 pairs left out, as the test says: its clock: test_d (1)",
    ) == overview.left_out_texts
    page, markdown = render_html(report, NOW), "\n".join(markdown_lines(report))
    for text in (*overview.left_out_texts, "1 of 4"):
        assert text in page
        assert text in markdown.replace("\\", "")
    [flag] = report_to_json(report)["flags"]
    assert [1, 1, 1] == [sum(one["pairs_by_test"].values()) for one in flag["pairs_left_out"]]
    assert (4, 1) == (flag["pairs"], flag["pairs_compared"])


def test_simulated_figures_are_not_compared_with_those_of_the_api() -> None:
    """A suite that was recorded before has `off` from the API, and its other combinations from the simulator."""
    imported, simulated = {"recorded_from": "imported"}, {"recorded_from": "simulator"}
    report = _report(
        *_pair("t.py::test_a", {**imported, "cost": 0.01}, recorded_from="simulator", cost=0.02),
        *_pair("t.py::test_b", {**imported, "cost": 0.01}, answered_by="live", cost=0.04),
        *_pair("t.py::test_c", {**simulated, "cost": 0.01}, cost=0.04),
    )
    overview = make_overview(report)
    assert ("fast: 1 of 3 pairs left out, as the simulator answered one run of the pair alone: test_a (1)",) == (
        overview.left_out_texts
    )
    [line] = overview.flags
    assert (2, 3) == (line.figures.compared_pair_count, line.figures.pair_count)
    [cost] = [effect for effect in report.effects if (effect.figure.name, effect.setting_text) == ("cost", "fast")]
    assert 2 == cost.pair_count


@pytest.mark.parametrize(
    ("without", "fields", "text"),
    [
        ({"first_token": 0.5}, {"first_token": 0.25}, "0.50 → 0.25 s in the only pair"),
        ({"first_token": 0.5}, {}, "same"),
        ({}, {}, "nothing streamed"),
        ({}, {"first_token": 0.5}, "2.0 → 0.50 s in the only pair"),
    ],
)
def test_without_streaming_the_first_token_arrives_with_the_whole_answer(
    without: dict[str, float], fields: dict[str, float], text: str
) -> None:
    """So that a flag that streams can be compared at all; a request that the API refused has no token."""
    requests = tuple(
        RequestRecord("POST", "/v1/messages", status, "", seconds=2.0 * (status == 200)) for status in (529, 200)
    )
    [line] = make_overview(_report(*_pair("t.py::test_a", {"requests": requests, **without}, **fields))).flags
    assert text == _cell(line, "first token")
    assert "the first token arrives with the whole answer" in render_html(_report(*_pair("t.py::test_a", {})), NOW)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"answered_by": "simulator"}, "Answered by the simulator (2 runs): tokens are the simulator's estimate"),
        ({"answered_by": "live"}, "Tokens and times are those of the live API in this run"),
        ({"recorded_from": "live"}, "Tokens and times are those of the recordings, one live answer each"),
        ({}, ""),
    ],
)
def test_what_figures_are_worth_is_said(fields: dict[str, str], text: str) -> None:
    """By who answered."""
    assert make_overview(_report(*_pair("t.py::test_a", fields))).answer_source_note.startswith(text)


def test_a_simulated_flag_is_marked_if_another_one_is_live() -> None:
    """The line above all says how many runs the simulator answered."""
    flags = {name: {"default": False, "values": [False, True], "env": name} for name in ("fast", "slow")}
    rows = [
        _row(
            f"t.py::test_{name}[{name}{state}]",
            combination=f"{name}{state}",
            values={name: state},
            answered_by=upstream,
        )
        for name, upstream in (("fast", "simulator"), ("slow", "live"))
        for state in (False, True)
    ]
    report = build_report(RunRecord(RunHeader(flags=flags), tuple(rows)), NOW)
    overview = make_overview(report)
    assert {"fast": True, "slow": False} == {line.setting: line.is_simulated for line in overview.flags}
    assert overview.answer_source_note.startswith("Answered by the simulator (2 of 4 runs)")
    assert "| `fast` (simulated) |" in "\n".join(markdown_lines(report))
    assert '<code>fast</code> <span class="tag">simulated</span>' in render_html(report, NOW)


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        ({"a": (True,)}, "a is on"),
        ({"a": (False,)}, "a is off"),
        ({"a": (True,), "b": (True,), "c": (True,)}, "a, b and c are all on"),
        ({"a": (True,), "b": (False,), "c": (False,)}, "a is on and b and c are both off"),
        ({"a": (True,), "m": ("haiku",)}, "a is on and m is haiku"),
        ({"m": ("haiku", "opus")}, "m is not sonnet"),
        ({"a": (True,), "b": (False,), "n": (1, 2)}, "a is on, b is off and n is 1 or 2"),
    ],
)
def test_conditions_are_sentences(conditions: dict[str, tuple[object, ...]], text: str) -> None:
    """Of switches, and of flags with values."""
    values = {"m": ("haiku", "opus", "sonnet"), "n": (1, 2, 3, 4)}
    literals = [
        FlagLiteral(name, own, tuple(one for one in values.get(name, (True, False)) if one not in own))
        for name, own in conditions.items()
    ]
    assert text == condition_text(literals)


def test_a_number_has_one_notation() -> None:
    """From twice as much on it is a multiple, below a change in percent: in words, tables and scales."""
    effect = MetricEffect((("fast", True),), COST, 25.33, 1.5, 29.52, 9, False, "fast")
    report = replace(_report(*_pair("t.py::test_a", {"cost": 0.01}, cost=0.2533)), effects=(effect,))
    [line] = make_overview(report).flags
    assert "$0.010 → $0.25 (+$240 per 1,000 runs) in the only pair" == _cell(line, "cost")
    page, markdown = render_html(report, NOW), "\n".join(markdown_lines(report))
    for text in (page, markdown, str(effect)):
        assert "25.3 times (+50.0 % to 29.5 times, 9 pairs)" in text
    assert "<span>29.5 times</span>" in page
    assert "2433" not in page + markdown + str(effect)


def _cause(flag: str, ran: int = 2, tests: int = 1, command: str = "pytest") -> FailureCause:
    """Return the cause of tests that fail when a flag is on, of which `ran` of two combinations ran."""
    names = tuple(f"t.py::test_{number}[*]" for number in range(tests))
    literals = (FlagLiteral(flag, (True,), (False,)),)
    return FailureCause(
        f"fails when {flag}", names, command, ran, 2, shown_node_id=f"t.py::test_0[{flag}]", literals=literals
    )


def test_a_guess_says_perhaps_and_how_to_make_sure() -> None:
    """Many tests are counted, and each of the first causes has its commands."""
    causes = [_cause("fast", 1, 3, f"pytest {number}") for number in range(6)]
    report = replace(_report(), causes=tuple(causes))
    overview = make_overview(report)
    assert overview.flags[0].broken_tests_text.startswith(
        "perhaps test_0, test_1 and 1 more, by itself; the same 3 tests"
    )
    assert ["pytest 0", "pytest 1", "pytest 2", "pytest 3"] == [cause.rerun_command for cause in overview.causes]
    assert {"pytest t.py::test_0 --harness-locate"} == {cause.locate_command for cause in overview.causes}
    assert "2 further causes, each with its command" in render_html(
        replace(report, matrix_rows=_report(_row("t.py::test_0[fast]")).matrix_rows), NOW
    )


def test_different_reasons_of_one_cause_are_told(make_matrix_record: Callable[..., RunRecord]) -> None:
    """Each with its test; more than two are counted on the first screen and in Markdown."""
    reasons = {f"test_{name}": lambda fast, name=name: f"KeyError: '{name}'" if fast else "" for name in "abcd"}
    report = build_report(make_matrix_record({"fast": (False, True)}, reasons), NOW)
    [cause], [line] = report.causes, make_overview(report).causes
    assert [("KeyError: 'a'", ("test_a.py::test_a[*]",)), ("KeyError: 'b'", ("test_a.py::test_b[*]",))] == [
        *cause.reasons_with_tests[:2]
    ]
    assert ("test_a: KeyError: 'a'", "test_b: KeyError: 'b'", "and 2 other reasons") == line.reason_lines
    lines = [*markdown_lines(report)]
    assert "  - and 2 other reasons" in lines
    assert "  - Why (`test_a.py::test_b[*]`): `KeyError: 'b'`" in lines
    assert "<code>test_d</code>: KeyError: &#39;d&#39;" in render_html(report, NOW)


def test_marks_below_the_models_minimum_have_one_reason() -> None:
    """At the flag that sets them, and once in the section on the cache, for all runs together."""
    why = "the marked prefix has fewer than 4,096 tokens, too few for this model to cache"
    use = CacheUse((CacheTurn(0, 0, 0, 719, explanation=why), CacheTurn(1, 0, 0, 700, explanation=why)))
    pairs = [_pair(f"t.py::test_{number}", {}, cache_use=use) for number in range(3)]
    report = _report(*(row for pair in pairs for row in pair))
    text = f"ache marks save nothing in 3 runs: {why}; the longest prompt has 719"
    overview, page = make_overview(report), render_html(report, NOW)
    assert [("cache", f"c{text}")] == [(one.section_id, one.text) for one in overview.notices]
    assert f"<summary>C{text}</summary>" in page
    assert "$0.00" not in page
    assert "Cache map" not in page
    effects = (RequestEffect("fast", "system[*].cache_control: absent → ephemeral", 3, 3),)
    overview = make_overview(replace(report, request_effects=effects))
    assert (f"c{text}", ()) == (overview.flags[0].effect_note, overview.notices)
    assert f"- fast: c{text}" in [
        line.replace("\\", "") for line in markdown_lines(replace(report, request_effects=effects))
    ]


def test_flags_beyond_eight_are_counted() -> None:
    """Those that break tests are among the eight."""
    names = [f"flag{number}" for number in range(11)]
    flags = {name: {"default": False, "values": [False, True], "env": name} for name in names}
    causes = tuple(map(_cause, names[::-1]))
    report = replace(build_report(RunRecord(RunHeader(flags=flags), ()), NOW), causes=causes)
    overview = make_overview(report)
    assert (8, 3) == (len(overview.flags), overview.further_flag_count)
    assert 'and <a href="#flags">3 further flags</a>' in render_html(report, NOW)
    assert "- and 3 further flags" in markdown_lines(report)


def test_what_no_flag_explains_is_found_too() -> None:
    """Budgets, caches, logs, refusals, a sweep, and tests that always fail; each links to its section."""
    broken = CacheBreak(1, "system[0]", 31, "12:03", "12:04", 900, 0.0031)
    use = CacheUse((CacheTurn(0, 0, 900, 5), CacheTurn(1, 0, 900, 5, 900)), (broken,), 900, -0.1)
    reason = "Failed: The test's number of requests is 3, over its budget of 2."
    logs = (LogCount("CRITICAL", "agent", "lost", 2), LogCount("WARNING", "agent", "slow", 1))
    refused = {"misses": ("POST /v1/messages",), "api_refusals": ("Found 5.",)}
    rows = [
        _row(
            f"t.py::test_{letter}[{name}]",
            combination=name,
            values={"fast": name == "fast"},
            outcome="failed",
            **fields,
        )
        for letter, fields in (("a", {"reason": reason, "cache_use": use, "log_counts": logs}), ("c", refused))
        for name in ("off", "fast")
    ]
    cause = SweepCause("illegal request", "400", "t.py:3", 2, "reset:on=1")
    sweep = SweepRecord("t.py::test_a", "reset", {"failed": 2}, (cause,))
    report = _report(
        *rows, _row("sweep reset", sweep=sweep), _row("t.py::test_b", outcome="failed", values={"fast": False})
    )
    expected = [
        ("failures", "test_a always fails, whatever the flags"),
        ("failures", "the API would refuse a request"),
        ("failures", "2 runs not blamed on flags: not recorded"),
        ("failures", "1 run not blamed on flags: the test ran under one combination only"),
        ("failures", "over budget in 2 runs: test_a"),
        ("sweep", "the sweep found 1 cause of failures"),
        ("cache", "a cached prefix is not read in 2 runs, because system[0] changes: $3.10 more per 1,000 runs"),
        ("logs", "4 errors and 2 warnings logged in 1 test, most often “lost”"),
    ]
    assert expected == [(notice.section_id, notice.text) for notice in make_overview(report).notices]
    markdown = "\n".join(markdown_lines(report))
    assert "- Also found: 4 errors and 2 warnings logged in 1 test, most often “lost”" in markdown


def test_a_run_without_failures_says_how_to_learn_more() -> None:
    """About figures, and about whether a flag is safe; marks that do not pay are named."""
    waste = CacheUse((CacheTurn(0, 0, 2000, 5), CacheTurn(1, 0, 2000, 9)), dollars_saved=-0.5)
    report = _report(_row("t.py::test_a", cache_use=waste))
    overview = make_overview(report)
    assert "cache marks cost more than they save in 1 run" == overview.notices[0].text
    [step] = overview.next_steps
    assert step.purpose.startswith("judge whether a flag is safe to turn on, run a test with and without one")


def test_a_failure_without_a_cause_is_run_again() -> None:
    """With the options that decide who answers."""
    record = RunRecord(RunHeader(options=("--harness-upstream=live",)), (_row("t.py::test_a", outcome="failed"),))
    [step] = make_overview(build_report(record, NOW)).next_steps
    assert "pytest t.py::test_a --harness-upstream=live" == step.command
