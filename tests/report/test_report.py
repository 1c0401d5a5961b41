"""Reports of runs: what a reader finds in each format."""

import base64
import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest

from flag_harness.errors import RecordError
from flag_harness.record import CacheTurn, CacheUse, LogCount, RunHeader, RunRecord, RunRow
from flag_harness.record.conversation import Conversation
from flag_harness.record.sweep import SweepRecord
from flag_harness.report.html import render_html
from flag_harness.report.markdown.document import markdown_lines
from flag_harness.report.output import write_report
from flag_harness.report.plain import report_to_json
from flag_harness.report.run_report import RunReport, build_report

FLAGS = ("streaming", "prompt_cache", "extended_output")
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
HOSTILE = "</script><script>alert(1)</script>\"'|`<!--\\u2028{{ 7 * 7 }}"
VOID = {"meta", "input", "wbr", "br", "path"}


class Page(HTMLParser):
    """A parsed page: its elements, the texts of its cells, the contents of its scripts, and its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[list[str]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        elif tag in ("td", "th"):
            self.cells[-1].append("")
        elif tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "script" in self.open:
            self.scripts[-1] += data
        elif "style" not in self.open:
            self.text += data
            if {"td", "th"} & set(self.open):
                self.cells[-1][-1] += data

    @property
    def details(self) -> Any:
        """What the cells show when they are opened."""
        return json.loads(zlib.decompress(base64.b64decode(self.scripts[0])))


def _page(record: RunRecord) -> Page:
    return Page(render_html(build_report(record, NOW), NOW))


def _markdown(record: RunRecord) -> list[str]:
    return list(markdown_lines(build_report(record, NOW)))


def _hostile_record() -> RunRecord:
    """Return the record of a test whose name, reason and logs try to break out of a page."""
    values: list[tuple[str, dict[str, bool]]] = [("off", {"a": False}), ("a", {"a": True})]
    rows = tuple(
        RunRow(
            case=f"test_x.py::test_{HOSTILE}[{combination}]",
            combination=combination,
            outcome="failed" if flags["a"] else "passed",
            values=flags,
            reason=HOSTILE if flags["a"] else "",
            error_location="test_x.py:3",
            log_counts=(LogCount("ERROR", HOSTILE, HOSTILE, 1),),
        )
        for combination, flags in values
    )
    header = RunHeader(flags={"a": {"default": False, "values": [False, True]}}, options=(HOSTILE,))
    return RunRecord(header, rows, problem=HOSTILE)


def test_the_headline_says_how_many_runs_failed_and_which_flags_explain_it(
    make_record: Callable[[int], RunRecord],
) -> None:
    """With the command that runs the smallest failing combination again, answered by whom it was."""
    record = make_record(8)
    command = "pytest 'tests/test_area_0.py::test_agent_answers_question_0[streaming]' --harness-upstream=simulator"
    text = _page(record).text
    assert "4 of 64 runs failed" in text
    assert "2 tests fail when streaming is on and prompt_cache is off" in text
    assert command in text
    markdown = _markdown(record)
    assert "## ❌ 4 of 64 runs failed" == markdown[0]
    assert "AssertionError: assert 'refund 0' in answer" in text.partition("To see it fail")[0]
    test = "tests/test_area_0.py::test_agent_answers_question_"
    for number in (0, 4):
        assert f"  - Why (`{test}{number}[*]`): `AssertionError: assert 'refund {number}' in answer`" in markdown
    assert any(f"`{command}`" in line for line in markdown)


def test_a_cause_is_a_guess_as_long_as_combinations_are_missing(make_record: Callable[[int], RunRecord]) -> None:
    """The report says how many ran, what else explains the failures, and how to find out."""
    record = make_record(1)
    kept = tuple(row for row in record.rows if row.combination in ("off", "streaming"))
    [cause] = build_report(RunRecord(record.header, kept), NOW).causes
    assert (False, 2, 8) == (cause.is_certain, cause.run_combination_count, cause.allowed_combination_count)
    text = _page(RunRecord(record.header, kept)).text
    assert "Perhaps 1 test fails when streaming is on" in text
    assert "2 of 8 combinations ran" in text
    assert "--harness-locate" in text


def test_every_run_is_a_cell_that_opens_its_details(make_record: Callable[[int], RunRecord]) -> None:
    """Each with its requests; equal requests are stored once."""
    record = make_record(8)
    page = _page(record)
    buttons = [attributes for tag, attributes in page.elements if tag == "button" and "value" in attributes]
    buttons = [attributes for attributes in buttons if attributes["class"] != "open"]
    assert [f"{index},1" for index in range(64)] == [attributes["value"] for attributes in buttons]
    rows = page.details["rows"]
    assert {row.case for row in record.rows} == {row["case"] for row in rows}
    for row in record.rows:
        [shown] = [one for one in rows if one["case"] == row.case]
        requests = [page.details["requests"][index] for index in shown["requests"]]
        assert [(one.status, one.cost, one.first_token) for one in row.requests] == [
            (one["status"], one["cost"], one.get("first")) for one in requests
        ]
    assert len({one for row in record.rows for one in row.requests}) == len(page.details["requests"])


def test_outcomes_are_told_by_words_and_shapes_too(make_record: Callable[[int], RunRecord]) -> None:
    """A failing cell does not differ in colour alone."""
    cells = [cell.strip() for row in _page(make_record(4)).cells for cell in row]
    assert (30, 2) == (cells.count("✓ passed"), cells.count("✕ failed"))


def test_a_combination_that_a_test_did_not_run_under_is_an_empty_cell(make_record: Callable[[int], RunRecord]) -> None:
    """All lines of the matrix have as many cells."""
    record = make_record(2)
    page = _page(RunRecord(record.header, record.rows[:-3]))
    matrix = [row for row in page.cells if len(row) == 9]
    assert 3 == len(matrix)
    assert 3 == sum(not cell.strip() for row in matrix for cell in row)


def test_repetitions_share_a_cell(make_record: Callable[[int], RunRecord]) -> None:
    """It says how many of them failed, and opens them all."""
    record = make_record(1)
    again = tuple(msgspec.structs.replace(row, repetition=1, outcome="passed") for row in record.rows)
    rows = tuple(sorted((*record.rows, *again), key=lambda row: (row.case, row.combination, row.repetition)))
    cells = [cell.strip() for row in _page(RunRecord(record.header, rows)).cells for cell in row]
    assert 2 == cells.count("✕ 1 of 2 failed")
    assert 6 == cells.count("✓ passed")


def test_texts_of_a_run_are_shown_and_not_run() -> None:
    """Names, reasons and logs may hold anything: the page has the scripts and elements of any other page."""
    page = _page(_hostile_record())
    assert 2 == len(page.scripts)
    assert page.text.count(HOSTILE) >= 5
    assert [HOSTILE] == [row["reason"] for row in page.details["rows"] if row["outcome"] == "failed"]
    names = {tag for tag, _ in page.elements}
    assert not names & {"img", "iframe", "link", "object", "embed", "base"}
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_a_page_requests_nothing(make_record: Callable[[int], RunRecord]) -> None:
    """It names no address, and its policy forbids every request and every script but its own."""
    text = render_html(build_report(make_record(4), NOW), NOW)
    assert not re.search(r"https?:|url\(|@import|src=", text)
    [policy] = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    assert "default-src &#39;none&#39;" in policy
    assert "unsafe" not in policy


def test_tables_of_a_page_have_captions_and_headings(make_record: Callable[[int], RunRecord]) -> None:
    """So that people who listen to the page know what a cell means."""
    elements = _page(make_record(4)).elements
    names = [tag for tag, _ in elements]
    assert names.count("table") == names.count("caption") > 3
    assert all("scope" in attributes for tag, attributes in elements if tag == "th")
    regions = [attributes for tag, attributes in elements if "scroll" in (attributes.get("class") or "")]
    assert all({"role", "tabindex", "aria-label"} <= attributes.keys() for attributes in regions)


def test_effects_are_drawn_and_written_and_marked_if_they_are_simulated(
    make_record: Callable[[int], RunRecord],
) -> None:
    """A chart has a bar for each flag beside the same figures in words."""
    page = _page(make_record(8))
    rows = [row for row in page.cells if row[0] == "prompt_cache" and len(row) == 3]
    assert rows
    assert all("simulated" in row[2] for row in rows)
    assert any(re.match(r"-4\d\.\d %", row[2]) for row in rows)
    drawn = [tag for tag, attributes in page.elements if "bar" in (attributes.get("class") or "").split()]
    assert drawn.count("svg") == len([row for row in page.cells if len(row) == 3 and row[0] in FLAGS])


def test_markdown_tables_keep_their_columns() -> None:
    """Whatever the names and reasons of tests contain."""
    lines = _markdown(_hostile_record())
    bars = [len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0 for line in lines]
    assert {4, 9} <= set(bars)
    assert all(one == other for one, other in pairwise(bars) if one and other)
    assert "\n" not in "".join(lines)
    assert not any("<script>" in re.sub(r"(`+).*?\1", "", line).replace("\\<", "") for line in lines)


def test_markdown_is_short_for_a_large_run(make_record: Callable[[int], RunRecord]) -> None:
    """It lists some of the failing tests and counts the others."""
    lines = _markdown(make_record(400))
    assert len(lines) < 190
    assert "and 50 more" in lines


def test_json_has_the_whole_record(make_record: Callable[[int], RunRecord], tmp_path: Path) -> None:
    """With the causes, the failures and the effects beside the rows."""
    record = make_record(4)
    write_report(tmp_path / "out.json", record, NOW)
    values = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert sorted(row.case for row in record.rows) == sorted(row["case"] for row in values["rows"])
    assert ["fails when streaming is on and prompt_cache is off"] == [cause["text"] for cause in values["causes"]]
    assert {"figure", "mean", "low", "high", "pairs", "is_simulated", "text"} <= values["effects"][0].keys()
    assert report_to_json(build_report(record, NOW))["headline"] == values["headline"]


def test_a_run_without_failures_is_reported_as_such(make_record: Callable[[int], RunRecord]) -> None:
    """And has no list of failures."""
    record = make_record(4)
    passed = tuple(row for row in record.rows if row.outcome == "passed")
    page = _page(RunRecord(record.header, passed))
    assert "No run failed: 30 of 30 passed" in page.text
    assert "Failed runs by reason" not in page.text
    assert not [line for line in _markdown(RunRecord(record.header, passed)) if "Failing" in line]


def test_a_record_without_rows_is_reported() -> None:
    """As a run in which nothing ran."""
    assert "No test ran" in _page(RunRecord(RunHeader(), ())).text
    assert "## ❌ No test ran" == _markdown(RunRecord(RunHeader(), ()))[0]


def test_a_torn_record_is_reported_as_incomplete() -> None:
    """In the page and in Markdown."""
    record = RunRecord(RunHeader(), (), "run.jsonl:3: the last line is incomplete")
    assert "Incomplete: run.jsonl:3" in _page(record).text
    assert any(line.startswith("**Incomplete:** run.jsonl:3") for line in _markdown(record))


def test_a_thousand_tests_under_eight_combinations_fit_into_three_megabytes(
    make_record: Callable[[int], RunRecord],
) -> None:
    """With the details of every cell."""
    page = render_html(build_report(make_record(1000), NOW), NOW)
    assert len(page.encode()) < 3_000_000


@pytest.mark.parametrize("name", ["out.pdf", "out"])
def test_an_unknown_format_is_refused(make_record: Callable[[int], RunRecord], tmp_path: Path, name: str) -> None:
    """The error names the formats that exist."""
    with pytest.raises(RecordError, match=r"\.html, \.md, \.json"):
        write_report(tmp_path / name, make_record(1), NOW)


def test_a_file_that_cannot_be_written_is_named(make_record: Callable[[int], RunRecord], tmp_path: Path) -> None:
    """The error says which file could not be written."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordError, match=r"file.out\.md: cannot be written"):
        write_report(tmp_path / "file" / "out.md", make_record(1), NOW)


def test_markdown_says_how_to_make_sure_of_a_guess(make_record: Callable[[int], RunRecord]) -> None:
    """As long as combinations are missing; and columns that do not fit are counted."""
    record = make_record(4)
    partial = RunRecord(record.header, tuple(row for row in record.rows if row.combination != "prompt_cache"))
    text = "\n".join(markdown_lines(build_report(partial, NOW)))
    assert "- **perhaps " in text
    assert "7 of 8 combinations ran. To find out which flags: `pytest " in text


@pytest.mark.deep
def test_a_thousand_tests_with_all_conversations_are_a_small_file(
    make_record: Callable[[int], RunRecord], make_conversations: Callable[[RunRecord], dict[str, Conversation]]
) -> None:
    """Each of the 8,000 conversations is in it in full; equal texts are stored once, and compressed."""
    record = make_record(1000)
    conversations = make_conversations(record)
    page = render_html(build_report(record, NOW, conversations), NOW)
    assert len(page.encode()) < 3_000_000
    [packed] = re.findall(r'id="details-data">([^<]*)', page)
    details = json.loads(zlib.decompress(base64.b64decode(packed)))
    rows = {row["case"]: details["conversations"][row["conversation"]] for row in details["rows"]}
    assert conversations.keys() == rows.keys()
    for case, conversation in conversations.items():
        indices = [index for turn in rows[case]["turns"] for index in turn["request"] + turn["answer"]]
        shown = [details["passages"][index][2] for index in indices]
        assert [one.text for turn in conversation.turns for one in (*turn.request, *turn.answer)] == shown


def test_markdown_counts_the_combinations_that_it_leaves_out() -> None:
    """A table with more than sixteen columns would not be readable."""
    rows = [RunRow(case=f"test_a.py::test_a[f{n}]", combination=f"f{n}", outcome="failed") for n in range(18)]
    assert "2 further combinations are not shown." in _markdown(RunRecord(RunHeader(), tuple(rows)))


def test_markdown_says_that_figures_are_simulated_only_if_they_are(make_record: Callable[[int], RunRecord]) -> None:
    """A recording of the API has real ones."""
    record = make_record(8)
    rows = tuple(msgspec.structs.replace(row, recorded_from="live") for row in record.rows)
    texts = ["\n".join(_markdown(one)) for one in (record, replace(record, rows=rows))]
    assert [True, True] == ["### What each flag changes" in text for text in texts]
    assert [True, False] == ["imulated: " in text for text in texts]


def test_markdown_of_a_sweep_counts_the_troubles_and_not_the_baseline() -> None:
    """Without a failure there is no table of causes."""
    sweeps = (SweepRecord("test_a", kind, {"recovered": 2}) for kind in ("baseline", "reset"))
    rows = tuple(
        RunRow(case=f"sweep {one.trouble_kind}", combination="off", outcome="passed", sweep=one) for one in sweeps
    )
    lines = _markdown(RunRecord(RunHeader(), rows))
    table = lines[lines.index("### Sweep") + 2 :]
    assert ["`reset`"] == [line.split(" | ")[0].strip("| ") for line in table[2:] if line.startswith("|")]


def test_markdown_names_tests_whose_cache_marks_do_not_pay() -> None:
    """Although nothing that they cached has changed."""
    use = CacheUse((CacheTurn(0, 0, 2000, 5), CacheTurn(1, 0, 2000, 9)), dollars_saved=-0.5)
    row = RunRow(case="test_a.py::test_a", combination="off", outcome="passed", cache_use=use)
    lines = _markdown(RunRecord(RunHeader(), (row,)))
    assert [
        line for line in lines if line.startswith("- `test_a.py::test_a`: its cache marks cost more than they save")
    ]
    assert not [line for line in lines if line.startswith("| changed block")]


def test_a_value_that_no_flag_has_blames_no_flag(make_record: Callable[[int], RunRecord]) -> None:
    """A row of it was written by another version of the project; the others are explained as before."""
    record = make_record(8)
    odd = msgspec.structs.replace(record.rows[0], case="test_odd", outcome="failed", values={"streaming": "fast"})
    changed = build_report(replace(record, rows=(*record.rows, odd)), NOW)
    assert build_report(record, NOW).causes == changed.causes


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"outcome": "skipped"}, "skipped"),
        ({"outcome": "xfailed"}, "expected to fail (xfail)"),
        ({"reason": "[XPASS(strict)] later"}, "passed, and a strict xfail expects a failure"),
        ({"misses": ("POST /v1/messages: not recorded",), "recorded_from": None}, "not recorded"),
        (
            {"faults": ("overloaded:on=1,combination=streaming",)},
            "not all combinations have the fault overloaded:on=1,combination=streaming",
        ),
    ],
)
def test_a_failure_that_something_else_explains_is_not_blamed_on_flags(change: dict[str, Any], reason: str) -> None:
    """The report lists it with the reason. Nor does an expected failure count as a passed run."""
    rows = [
        RunRow(case=f"test_ask.py::test_ask[{name}]", combination=name, outcome=outcome, values=values)
        for name, outcome, values in (
            ("off", "passed", {"streaming": False, "concise": False}),
            ("concise", "failed", {"streaming": False, "concise": True}),
            ("streaming", "failed", {"streaming": True, "concise": False}),
            ("streaming+concise", "failed", {"streaming": True, "concise": True}),
        )
    ]
    rows[2] = msgspec.structs.replace(rows[2], **change)
    flags = {
        name: {"default": False, "values": [False, True], "env": name.upper()} for name in ("streaming", "concise")
    }
    header = RunHeader(package="1", sdk="1", python="3", started_at="2026-11-28T09:00:00+00:00", flags=flags)
    report = build_report(RunRecord(header, tuple(rows)), NOW)
    (cause,) = report.causes
    assert ("fails when concise is on", 3, 4) == (
        cause.condition_text,
        cause.run_combination_count,
        cause.allowed_combination_count,
    )
    assert [(reason, ("test_ask.py::test_ask[streaming]",))] == [
        (one.reason, one.node_ids) for one in report.excluded_runs
    ]
    assert f"1 run not blamed on flags: {reason}" in render_html(report, NOW)
    (line,) = [line for line in markdown_lines(report) if line.startswith("- Not blamed on flags: ")]
    assert line.endswith(": `test_ask.py::test_ask[streaming]`")


def _report_of_two_failures(reasons: Sequence[str], files: Sequence[str] = ("a.py", "a.py")) -> RunReport:
    """Return the report of two runs that failed for these reasons, on different lines."""
    rows = [
        RunRow(
            case=f"test_{number}",
            combination="off",
            outcome="failed",
            reason=reason,
            error_location=f"{file}:{number}",
        )
        for number, (reason, file) in enumerate(zip(reasons, files, strict=True))
    ]
    return build_report(RunRecord(RunHeader(), tuple(rows)), NOW)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("AssertionError: no", "AssertionError: no"),
        ("400: too many marks (req_0112345678)", "400: too many marks (req_01pDBT5fbgGyv)"),
        ("assert <Agent object at 0x7f11c0524b90>", "assert <Agent object at 0x7f11c0524c10>"),
        ("no file /tmp/pytest-of-ann/pytest-3/test_a0/x.txt", "no file /tmp/pytest-of-ann/pytest-4/test_a1/x.txt"),
        ("no file /srv/tmp/pytest-of-ann/pytest-3/x", "no file /srv/tmp/pytest-of-ann/pytest-12/x"),
        (r"no file C:\Users\ann\AppData\Local\Temp\tmpab\x", r"no file C:\Users\ann\AppData\Local\Temp\tmpcd\x"),
        ("late: 2026-11-28T09:00:00Z", "late: 2026-11-28T10:30:01.5Z"),
        ("late: 09:00:00", "late: 10:30:01"),
        ("late: 1795935232.3050897", "late: 1795935299.31"),
        ("took 1.25 s", "took 13 s"),
        ("SyntaxError: agent.py, line 12", "SyntaxError: agent.py, line 13"),
        ("error at agent.py:12", "error at agent.py:9"),
        ("refused: http://127.0.0.1:40123/v1", "refused: http://127.0.0.1:39999/v1"),
        ("job 6f1c9a52-0a7e-4c39-9f0e-1b2c3d4e5f60", "job 0f1c9a52-0a7e-4c39-9f0e-1b2c3d4e5f61"),
    ],
)
def test_failures_that_differ_in_what_each_run_has_of_its_own_are_one_group(first: str, second: str) -> None:
    """Ids, times, addresses, lines and temporary files. The reason of the first run is shown, and both lines."""
    report = _report_of_two_failures((first, second))
    (group,) = report.failure_groups
    assert (first, ("a.py:0", "a.py:1"), 2) == (group.reason, group.failing_lines, len(group.rows))
    page = Page(render_html(report, NOW))
    assert ["2", first, "a.py:0, a.py:1", "test_0"] in page.cells
    assert any(line.startswith("| 2 | ") and line.endswith("| `a.py:0`, `a.py:1` |") for line in markdown_lines(report))


@pytest.mark.parametrize(
    ("reasons", "files"),
    [
        (("KeyError: 'claude-haiku-4-5-20251001'", "KeyError: 'claude-sonnet-4-5-20250929'"), ("a.py", "a.py")),
        (("assert 1 == 2", "assert 1 == 3"), ("a.py", "a.py")),
        (("assert 1000000 == 2", "assert 2000000 == 2"), ("a.py", "a.py")),
        (("assert 1 == 2", "assert 1 == 2"), ("a.py", "b.py")),
    ],
)
def test_failures_that_differ_otherwise_are_listed_each(reasons: Sequence[str], files: Sequence[str]) -> None:
    """In names of models, numbers, or the file that they come from."""
    assert list(reasons) == [group.reason for group in _report_of_two_failures(reasons, files).failure_groups]


def test_what_fails_comes_first_in_the_matrix(make_matrix_record: Callable[..., RunRecord]) -> None:
    """After all defaults and each flag alone, which say what it breaks by itself: failing combinations and tests."""
    flags = dict.fromkeys(("fast", "cached", "tools"), (False, True))
    reasons = {"test_a": lambda **values: "", "test_b": lambda fast, cached, tools: "no" if cached and tools else ""}
    report = build_report(make_matrix_record(flags, reasons), NOW)
    first = ["off", "fast", "cached", "tools", "cached+tools", "fast+cached+tools", "fast+cached", "fast+tools"]
    page, lines = Page(render_html(report, NOW)), list(markdown_lines(report))
    heading = page.cells.index(["Test", *first])
    assert ["test_a.py::test_b", "test_a.py::test_a"] == [row[0] for row in page.cells[heading + 1 : heading + 3]]
    assert f"| test | {' | '.join(first)} |" in lines


def test_each_cause_of_a_test_has_its_own_command(make_matrix_record: Callable[..., RunRecord]) -> None:
    """It runs a combination in which no other cause holds, and shows why that one fails; tests share a cause."""
    flags = dict.fromkeys(("fast", "cached", "tools"), (False, True))

    def fail_twice(fast: bool, cached: bool, tools: bool) -> str:
        return "KeyError: 'tool'" if tools else "TimeoutError" if fast and cached else ""

    def fail_once(fast: bool, cached: bool, tools: bool) -> str:
        return "KeyError: 'call'" if tools else ""

    report = build_report(make_matrix_record(flags, {"test_b": fail_twice, "test_a": fail_once}), NOW)
    assert [
        ("fails when tools is on", 2, "pytest 'test_a.py::test_a[tools]'", "KeyError: 'call'"),
        ("fails when fast and cached are both on", 1, "pytest 'test_a.py::test_b[fast+cached]'", "TimeoutError"),
    ] == [(one.condition_text, len(one.tests), one.rerun_command, one.reason) for one in report.causes]
    page, lines = Page(render_html(report, NOW)), list(markdown_lines(report))
    shown = [text for tag, text in page.elements if tag == "strong"]
    assert 2 == len(shown)
    for cause in report.causes:
        assert f"To see it fail: {cause.rerun_command}" in page.text
        assert f"  - To see it fail: `{cause.rerun_command}`" in lines


def test_a_run_with_one_cause_is_not_always_there(make_matrix_record: Callable[..., RunRecord]) -> None:
    """If all runs that fail for a cause have the other one too, the smallest of them is named."""
    flags = dict.fromkeys(("fast", "cached"), (False, True))
    record = make_matrix_record(flags, {"test_a": lambda fast, cached: "no" if fast or cached else ""})
    rows = tuple(row for row in record.rows if row.combination != "cached")
    rows += (msgspec.structs.replace(rows[0], case="test_a.py::test_b[off]"),)
    [cause] = build_report(replace(record, rows=rows), NOW).causes
    assert ("pytest 'test_a.py::test_a[fast]'", False) == (cause.rerun_command, cause.is_certain)


def test_markdown_says_of_each_flag_what_it_breaks_and_costs(make_record: Callable[[int], RunRecord]) -> None:
    """Its table comes before the details. The first line says that all figures are simulated."""
    lines = _markdown(make_record(8))
    start = lines.index("### Flags: what each breaks, and what it costs or saves")
    assert start < lines.index("### Failing tests")
    text = next(line for line in lines[start:] if line.startswith("| `prompt_cache` |"))
    assert "| nothing in 8 tests of 8 (8 combinations); prevents a failure of " in text
    assert "| $0.019 → $0.011 (-$8.10 per 1,000 runs) | input 4,800 → 2,100 |" in text
    broken = (
        "| test\\_agent\\_answers\\_question\\_0, test\\_agent\\_answers\\_question\\_4, only without prompt\\_cache |"
    )
    assert broken in " ".join(lines[start : start + 8])
    assert lines[2].startswith("Answered by the simulator (64 runs): tokens are the simulator's estimate")


def test_flaky_runs_and_single_combinations_are_listed_with_their_reason(
    make_record: Callable[[int], RunRecord],
) -> None:
    """They say nothing about flags; 201 of them are counted, not all listed."""
    record = make_record(1)
    flaky = msgspec.structs.replace(record.rows[0], outcome="failed", repetition=1)
    single = [
        msgspec.structs.replace(flaky, case=f"test_{number}[off]", combination="off", repetition=0)
        for number in range(201)
    ]
    report = build_report(replace(record, rows=(*record.rows, flaky, *single)), NOW)
    expected = [
        ("passed in some repetitions and failed in others, under the same flags", 1),
        ("the test ran under one combination only", 201),
    ]
    assert expected == [(one.reason, len(one.node_ids)) for one in report.excluded_runs]
    assert "<p>and 1 more</p>" in render_html(report, NOW)
