"""The prompt cache in reports: broken prefixes, marks that cost more, and the map of each test."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from flag_harness.record import CacheBreak, CacheTurn, CacheUse, RunRecord, RunRow
from flag_harness.report.cache_map import cache_lines, group_broken_prefixes, input_token_shares
from flag_harness.report.html import render_html
from flag_harness.report.markdown.document import markdown_lines
from flag_harness.report.plain import report_to_json
from flag_harness.report.run_report import build_report

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
BROKEN = CacheBreak(1, "system[0]", 19, "at 12:03", "at 12:04", 2000, 0.007)
WASTE = CacheUse((CacheTurn(0, 0, 2000, 9), CacheTurn(1, 0, 2000, 9)), (), 4000, -0.003)


def row(name: str, use: CacheUse | None, upstream: str = "live") -> RunRow:
    """A row of a test that passed."""
    return RunRow(case=name, combination="off", outcome="passed", cache_use=use, recorded_from=upstream)


def with_break(*breaks: CacheBreak) -> CacheUse:
    """The use of a test with these breaks."""
    return replace(WASTE, breaks=breaks)


def test_the_same_change_in_several_tests_is_one_line() -> None:
    """The most expensive break comes first; a test that breaks several times counts once."""
    dear = replace(BROKEN, byte_index=400, cost=0.5)
    rows = [row("a", with_break(BROKEN, BROKEN)), row("b", with_break(BROKEN)), row("c", with_break(dear))]
    assert [
        "cache: c: the cached prefix breaks at system[0], byte 400: 'at 12:03' became 'at 12:04'; 2,000 tokens are not "
        "read, $500.00 more per 1,000 runs",
        "cache: a and 1 other test: the cached prefix breaks at system[0], byte 19: 'at 12:03' became 'at 12:04'; "
        "2,000 tokens are not read, $14.00 more per 1,000 runs",
    ] == list(cache_lines(rows))


def test_simulated_tokens_and_unknown_prices_are_named() -> None:
    """A record without content has no words to show."""
    silent = replace(BROKEN, old_text="", new_text="", cost=None)
    assert [
        "cache: a: the cached prefix breaks at system[0], byte 19; 2,000 tokens (simulated) are not read, "
        "at an unknown price"
    ] == list(cache_lines([row("a", with_break(silent), "simulator")]))


@pytest.mark.parametrize(
    ("use", "costs_more"),
    [
        (WASTE, True),
        (replace(WASTE, dollars_saved=None), True),
        (replace(WASTE, dollars_saved=0.001), False),
        (replace(WASTE, turns=WASTE.turns[:1]), False),
        (CacheUse((CacheTurn(0, 0, 0, 9),) * 2, dollars_saved=0.0), False),
        (CacheUse((CacheTurn(0, 0, 2000, 9), CacheTurn(1, 2000, 0, 9)), dollars_saved=None), False),
    ],
)
def test_marks_cost_more_only_if_two_requests_show_it(use: CacheUse, costs_more: bool) -> None:
    """A single request cannot read what it has written, and no request pays for marks that nothing came of."""
    assert costs_more == bool(list(cache_lines([row("a", use)])))


def test_long_lists_are_cut_and_counted() -> None:
    """Five of each are shown."""
    rows = [row(f"t{number}", with_break(replace(BROKEN, byte_index=number))) for number in range(7)]
    rows += [row(f"w{number}", WASTE) for number in range(8)]
    lines = list(cache_lines(rows))
    assert 12 == len(lines)
    assert "cache: and 2 other blocks that break a prefix; --harness-report=FILE shows all" == lines[5]
    assert "cache: and 3 other tests that would cost less without cache marks" == lines[11]


def test_missed_tokens_are_taken_out_of_what_was_written_or_not_cached() -> None:
    """The parts of a bar add up to the whole input."""
    parts = input_token_shares(CacheTurn(0, 100, 200, 100, 250))
    assert {"read": 25, "written": 0, "missed": 62.5, "uncached": 12.5} == parts
    assert 0 == sum(input_token_shares(CacheTurn(0, 0, 0, 0)).values())


def test_every_format_names_the_block_and_its_price(make_record: Callable[[int], RunRecord]) -> None:
    """Page, Markdown and JSON; the record of tests without marks has no such section."""
    report = build_report(make_record(4), NOW)
    page, markdown = render_html(report, NOW), "\n".join(markdown_lines(report))
    for text in (page, markdown):
        assert "system[0]" in text.replace("\\", "")
        assert "$3.10 more per 1,000 runs" in text.replace("\\", "")
        assert "read to system[0]" in text.replace("\\", "")
    assert "| 3 | 0 | 900 | 900 | 1,100 | written to system\\[0\\] | system\\[0\\] changed at byte 31 |" in markdown
    values = report_to_json(report)["cache"]
    assert [("system[0]", 31, 900)] == [(one["block"], one["byte"], one["tokens"]) for one in values["breaks"]]
    assert 8 == len(values["costs_more"]) == len(group_broken_prefixes(report.rows)[0].node_ids)
    plain = build_report(RunRecord(report.record.header, (row("a", None),)), NOW)
    assert 'id="cache"' not in render_html(plain, NOW)
    assert "Prompt cache" not in "\n".join(markdown_lines(plain))
