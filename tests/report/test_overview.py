"""The first screen of a report: what each flag breaks and costs, what else was found, and what to type next."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from flag_harness.analysis.conjunctions import Literal
from flag_harness.analysis.effects.figures import RUN_METRICS, MetricEffect
from flag_harness.record import CacheBreak, CacheTurn, CacheUse, LogCount, RunHeader, RunRecord, RunRow
from flag_harness.record.sweep import SweepCause, SweepRecord
from flag_harness.report.failures.causes import FailureCause
from flag_harness.report.html import render_html
from flag_harness.report.markdown import markdown_lines
from flag_harness.report.overview import make_overview
from flag_harness.report.run_report import RunReport, build_report

NOW = datetime(2026, 11, 29, tzinfo=UTC)
(COST,) = (one for one in RUN_METRICS if one.name == "cost")
FLAGS = {"fast": {"default": False, "values": [False, True], "env": "FAST"}}


def _report(*rows: RunRow) -> RunReport:
    return build_report(RunRecord(RunHeader(flags=FLAGS), rows), NOW)


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
    failure = "test_agent_answers_question_0 and test_agent_answers_question_4 fail when streaming and not prompt_cache"
    assert failure == streaming.breaks
    shown = "breaks nothing in 8 tests of 8 (8 combinations)"
    assert f"{shown}; prevents a failure: {failure}" == cache.breaks
    assert shown == extended.breaks
    assert "costs 42.8 % less; input tokens -2,700" == cache.costs
    assert ("costs the same", True) == (extended.costs, extended.is_simulated)
    step, verdict = overview.next_steps
    assert "extended_output" in verdict.purpose, "no flag that breaks a test"
    assert "--harness-verdict=extended_output" in verdict.command
    assert "see test_agent_answers_question_0 fail when streaming and not prompt_cache" == step.purpose
    page = render_html(report, NOW)
    start = page.index('class="overview"')
    assert start < page.index(failure) < page.index("Type next") < page.index("Also found") < page.index("<nav ")


@pytest.mark.parametrize(
    ("mean", "low", "high", "text"),
    [
        (0.732, 0.7, 0.8, "costs 26.8 % less"),
        (25.3, 20.0, 30.0, "costs 25.3 times as much"),
        (1.1, 0.9, 1.3, "not clear: costs from 10.0 % less to 30.0 % more"),
        (1.1, None, None, "costs 10.0 % more in the only pair of runs"),
        (None, None, None, "cost unknown: no two runs that passed differ in this flag alone"),
    ],
)
def test_costs_are_said_in_words(mean: float | None, low: float | None, high: float | None, text: str) -> None:
    """With the interval if the runs do not tell."""
    effects = () if mean is None else (MetricEffect((("fast", True),), COST, mean, low, high, 9, False, "fast"),)
    [line] = make_overview(replace(_report(), causes=(_cause("fast", 2),), effects=effects)).flags
    assert (text, "test_0 fails when fast") == (line.costs, line.breaks)


def test_a_number_has_one_notation() -> None:
    """From twice as much on it is a multiple, below a change in percent: in words, tables and scales."""
    effect = MetricEffect((("fast", True),), COST, 25.33, 1.5, 29.52, 9, False, "fast")
    report = replace(_report(), effects=(effect,))
    [line] = make_overview(report).flags
    assert "costs 25.3 times as much" == line.costs
    page, markdown = render_html(report, NOW), "\n".join(markdown_lines(report))
    for text in (page, markdown, str(effect)):
        assert "25.3 times (+50.0 % to 29.5 times, 9 pairs)" in text
    assert "<span>to 29.5 times</span>" in page
    assert "2433" not in page + markdown + str(effect)


def _cause(flag: str, ran: int = 2, tests: int = 1, command: str = "pytest") -> FailureCause:
    """Return the cause of tests that fail when a flag is on, of which `ran` of two combinations ran."""
    names = tuple(f"t.py::test_{number}[*]" for number in range(tests))
    literals = (Literal(flag, (True,), (False,)),)
    return FailureCause(f"fails when {flag}", names, command, ran, 2, case=f"t.py::test_0[{flag}]", literals=literals)


def test_a_guess_says_perhaps_and_how_to_make_sure() -> None:
    """Many tests are counted, and the commands of three failures are shown."""
    causes = [_cause("fast", 1, 3, f"pytest {number}") for number in range(4)]
    overview = make_overview(replace(_report(), causes=tuple(causes)))
    assert overview.flags[0].breaks.startswith("perhaps 3 tests fail when fast; ")
    commands = [step.command for step in overview.next_steps]
    assert ["pytest 0", "pytest 1", "pytest 2", "pytest t.py::test_0 --harness-locate"] == commands


def test_flags_beyond_eight_are_counted() -> None:
    """Those that break tests are among the eight."""
    names = [f"flag{number}" for number in range(11)]
    flags = {name: {"default": False, "values": [False, True], "env": name} for name in names}
    causes = tuple(map(_cause, names[::-1]))
    report = replace(build_report(RunRecord(RunHeader(flags=flags), ()), NOW), causes=causes)
    overview = make_overview(report)
    assert (8, 3) == (len(overview.flags), overview.more_flags)
    assert 'and <a href="#flags">3 further flags</a>' in render_html(report, NOW)


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
        for letter, fields in (("a", {"reason": reason, "cache": use, "logs": logs}), ("c", refused))
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
    assert expected == [(notice.section, notice.text) for notice in make_overview(report).notices]
    markdown = "\n".join(markdown_lines(report))
    assert "- Also found: 4 errors and 2 warnings logged in 1 test, most often “lost”" in markdown


def test_a_run_without_failures_says_how_to_learn_more() -> None:
    """About figures, and about whether a flag is safe; marks that do not pay are named."""
    waste = CacheUse((CacheTurn(0, 0, 2000, 5), CacheTurn(1, 0, 2000, 9)), saved=-0.5)
    report = _report(_row("t.py::test_a", cache=waste))
    overview = make_overview(report)
    assert "cache marks cost more than they save in 1 run" == overview.notices[0].text
    [step] = overview.next_steps
    assert step.purpose.startswith("judge whether a flag is safe to turn on, run a test with and without one")


def test_a_failure_without_a_cause_is_run_again() -> None:
    """With the options that decide who answers."""
    record = RunRecord(RunHeader(options=("--harness-upstream=live",)), (_row("t.py::test_a", outcome="failed"),))
    [step] = make_overview(build_report(record, NOW)).next_steps
    assert "pytest t.py::test_a --harness-upstream=live" == step.command
