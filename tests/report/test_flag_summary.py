"""What a report says of each flag: what it breaks, changes, costs and saves."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest
from msgspec.structs import replace

from flag_harness.analysis.effects.figures import RUN_METRICS, MetricEffect
from flag_harness.record import RequestRecord, RunHeader, RunRecord, RunRow
from flag_harness.record.outline import body_outline
from flag_harness.report.failures.causes import FailureCause
from flag_harness.report.flags.request_effects import RequestEffect, request_effects
from flag_harness.report.flags.summary import flag_summaries
from flag_harness.report.html import render_html
from flag_harness.report.markdown import markdown_lines
from flag_harness.report.plain import report_to_json
from flag_harness.report.run_report import build_report

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
        request = RequestRecord("POST", "/v1/messages", 200, "", outline=body_outline(make_body(number, fast, model)))
        values = {"fast": fast, "model": model}
        case = f"test_a.py::test_{number}[{combination}]"
        rows.append(RunRow(case=case, combination=combination, outcome="passed", requests=(request,), values=values))
    return RunRecord(RunHeader(flags=flags), (*rows, *fields.pop("more", ())), **fields)


def _changes(record: RunRecord) -> list[tuple[str, str]]:
    return [(one.setting, one.change) for one in request_effects(record)]


def test_a_change_is_shown_with_its_values_and_pairs() -> None:
    """For each value of a flag that is not boolean; a flag that changes nothing comes last."""
    record = _record(lambda number, fast, model: {"model": f"claude-{model}", "max_tokens": 5, "temperature": number})
    assert (
        RequestEffect("model=sonnet", "model: claude-haiku → claude-sonnet", 4, 4),
        RequestEffect("fast", "nothing", 0, 4),
    ) == request_effects(record)


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
    request = RequestRecord("POST", "/v1/messages", 200, "", outline=body_outline({"max_tokens": 7}))
    odd = RunRow(case="t", combination="x", outcome="passed", requests=(request,), values={"model": "opus"})
    assert {("fast", "nothing"), ("model", "nothing")} == set(
        _changes(_record(lambda number, fast, model: {"max_tokens": 5}, more=[odd]))
    )


def _cause(text: str, tests: int = 1, ran: int = 4) -> FailureCause:
    return FailureCause(text, tuple(f"test_{number}" for number in range(tests)), "pytest", ran, 4)


def _effect(name: str, mean: float, low: float, high: float) -> MetricEffect:
    (figure,) = (one for one in RUN_METRICS if one.name == name)
    return MetricEffect((("fast", True),), figure, mean, low, high, 9, False, "fast")


def test_a_flag_that_breaks_tests_comes_first() -> None:
    """One that must be on for tests to pass prevents failures; a name within another name is not meant."""
    cause = _cause("fails when fast and not cache")
    changes = [RequestEffect("cached", "stream: false → true", 1, 1), RequestEffect("cache", "nothing", 0, 4)]
    fast, cached, cache = flag_summaries(["cache", "fast"], [cause], changes, [])
    assert ("fast", (cause,), ()) == (fast.setting, fast.breaks, fast.prevents)
    assert ("cached", (), ()) == (cached.setting, cached.breaks, cached.prevents)
    assert ("cache", (), (cause,), True) == (cache.setting, cache.breaks, cache.prevents, cache.is_inert)


def test_figures_are_told_apart_by_whether_these_runs_can_tell() -> None:
    """Cost first; a figure that is no part of the summary is left out."""
    effects = [
        _effect("requests", 1.0, 0.5, 1.5),
        _effect("cost", 0.5, 0.4, 0.6),
        _effect("input tokens", 3.0, -9.0, 15.0),
        _effect("errors", 0.0, 0.0, 0.0),
        _effect("cached tokens", 5.0, 4.0, 6.0),
    ]
    (summary,) = flag_summaries(["fast"], [], [], effects)
    assert ["cost", "requests"] == [effect.figure.name for effect in summary.effects]
    assert (("input tokens",), ("errors",)) == (summary.untold, summary.unchanged)


def test_many_changes_are_counted() -> None:
    """Four are named."""
    changes = [RequestEffect("fast", f"x{number}: 1 → 2", 1, 1) for number in range(6)]
    (summary,) = flag_summaries(["fast", "unknown"], [], changes, [])
    assert ("x0: 1 → 2", "x3: 1 → 2", "and 2 more changes") == (
        summary.changes[0],
        summary.changes[3],
        summary.changes[4],
    )


def test_the_page_markdown_and_json_show_what_each_flag_changes(make_record: Callable[[int], RunRecord]) -> None:
    """With the tests that it breaks, and what it saves. The pairs of the failed runs are not compared."""
    report = build_report(make_record(8), NOW)
    page = " ".join(render_html(report, NOW).split())
    for text in (
        "max_tokens: 4096 → 16384",
        "stream: false → true",
        "2 tests fail when streaming and not prompt_cache",
    ):
        assert text in page
    assert page.index("<h3>streaming</h3>") < page.index("<h3>prompt_cache</h3>") < page.index('<h2 id="matrix-title"')
    lines = list(markdown_lines(report))
    assert "### What each flag changes in requests" in lines
    assert "| extended\\_output | max\\_tokens: 4096 → 16384 | 30 of 30 |" in lines
    assert "streaming" in {one["setting"] for one in report_to_json(report)["request_effects"]}
