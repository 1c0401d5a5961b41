"""The report in a real browser, which must be installed: `nox -s browser`."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flag_harness.record import RunRecord
from flag_harness.record.conversation import Conversation, ConversationTurn, MessagePart
from flag_harness.report.output import write_report
from tests.chromium import axe_violations, load_axe, load_factor

pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.browser
MAX_SECONDS_TO_OPEN = 1.0


OpenReport = Callable[..., tuple[Any, Callable[[], list[str]]]]


@pytest.fixture
def open_report(
    open_tab: Callable[..., Any],
    make_record: Callable[[int], RunRecord],
    make_conversations: Callable[[RunRecord], dict[str, Conversation]],
    tmp_path: Path,
) -> OpenReport:
    """Return a function that opens the report of so many tests, and returns the page and a list of its troubles.

    Those are messages on the console, errors, and requests other than the one for the file.
    """

    def open_page(tests: int, **options: Any) -> tuple[Any, Callable[[], list[str]]]:
        path = tmp_path / "report.html"
        record = make_record(tests)
        write_report(path, record, datetime.now(UTC), make_conversations(record))
        page = open_tab(records_requests=True, **options)
        page.goto(path.as_uri())
        return page, lambda: [*page.troubles, *(url for url in page.requested if url != path.as_uri())]

    return open_page


def _open_first_cell(page: Any) -> Any:
    page.locator("#matrix button").first.click()
    dialog = page.locator("#details")
    dialog.locator("dl").first.wait_for()
    return dialog


def test_a_cell_opens_its_requests_and_closes_again(open_report: OpenReport) -> None:
    """By mouse and by keyboard; the console stays empty, and nothing is requested."""
    page, troubles = open_report(8)
    dialog = _open_first_cell(page)
    assert "test_agent_answers_question_0[off]" in dialog.inner_text()
    assert 3 == dialog.locator("tbody tr").count()
    command = "pytest 'tests/test_area_0.py::test_agent_answers_question_0[off]' --harness-upstream=simulator"
    assert command == dialog.locator("dd code").inner_text()
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    columns = page.locator("#matrix thead th").all_inner_texts()
    for _ in range(columns.index("streaming") - columns.index("off")):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    dialog.get_by_text("AssertionError: assert 'refund 0' in answer").wait_for()
    assert "test_agent_answers_question_0[streaming]" in dialog.inner_text()
    assert [] == troubles()


def test_the_table_is_filtered_by_test_outcome_and_flag(open_report: OpenReport) -> None:
    """The number of tests that are left is said."""
    page, troubles = open_report(8)
    lines = page.locator("#matrix tbody tr:visible")
    page.fill("#filter-test", "question_4")
    assert (1, "1 of 8 tests") == (lines.count(), page.locator("#filter-count").inner_text())
    page.fill("#filter-test", "")
    page.select_option("#filter-outcome", "failed")
    assert 2 == lines.count()
    page.select_option("#filter-flag", "-streaming")
    assert 0 == lines.count()
    page.select_option("#filter-outcome", "")
    assert (8, 5) == (lines.count(), page.locator("#matrix thead th:visible").count())
    assert [] == troubles()


def test_combinations_that_are_cut_off_are_counted(open_report: OpenReport) -> None:
    """Beside the table, which fades out at the right until it is scrolled to its end."""
    page, troubles = open_report(4, viewport={"width": 700, "height": 740})
    note, region = page.locator("#matrix-sides"), page.locator(".scroll.matrix")
    assert re.fullmatch(r"[1-7] of 8 combinations are further to the right: scroll sideways.", note.inner_text())
    assert "more" in region.get_attribute("class")
    region.evaluate("region => region.scrollTo(region.scrollWidth, 0)")
    page.wait_for_function("document.getElementById('matrix-sides').textContent === ''")
    assert "more" not in region.get_attribute("class")
    page.set_viewport_size({"width": 3000, "height": 740})
    assert "" == note.inner_text()
    assert [] == troubles()


def test_ids_that_the_api_drew_are_no_difference(
    open_tab: Callable[..., Any], make_matrix_record: Callable[..., RunRecord], tmp_path: Path
) -> None:
    """A call of a tool has another id in each run."""
    record = make_matrix_record({"fast": (False, True)}, {"test_a": lambda fast: "no" if fast else ""})
    calls = [MessagePart("assistant", "tool_use", f'{{"id": "toolu_{letter * 20}"}}', 36) for letter in "ab"]
    question = MessagePart("user", "text", "Where?", 6)
    kept = {
        row.case: Conversation(row.case, (ConversationTurn((question,), (call,)),))
        for row, call in zip(record.rows, calls, strict=True)
    }
    path = tmp_path / "report.html"
    write_report(path, record, datetime.now(UTC), kept)
    page = open_tab()
    page.goto(path.as_uri())
    comparison = _open_failed_cell(page)
    assert (0, 0) == (comparison.locator("del").count(), comparison.locator("ins").count())
    assert "1 equal part: assistant · tool_use" in comparison.inner_text()


PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True}


@pytest.mark.parametrize("options", [{}, {"color_scheme": "dark"}, PHONE], ids=["desk", "dark", "phone"])
def test_axe_finds_nothing(open_report: OpenReport, options: dict[str, Any]) -> None:
    """In the page and in the details of a cell; contrast is part of it."""
    page, _ = open_report(4, bypass_csp=True, **options)  # axe is a script of its own
    load_axe(page)
    assert [] == axe_violations(page)
    _open_failed_cell(page)
    assert [] == axe_violations(page)


def _open_failed_cell(page: Any) -> Any:
    page.locator("#matrix button.failed").first.click()
    comparison = page.locator("#details .comparison")
    comparison.wait_for()
    return comparison


def test_a_failed_run_is_shown_beside_the_nearest_passing_one(open_report: OpenReport) -> None:
    """Its flags, parameters and words that differ are marked, side by side; equal parts are folded."""
    page, troubles = open_report(8)
    comparison = _open_failed_cell(page)
    assert "Beside off, the nearest combination that passed" == comparison.locator("h3").inner_text()
    assert "streaming: false → true" == comparison.locator("strong").inner_text()
    texts = [one.inner_text() for one in comparison.locator(".sides > .part, .sides > .side").all()][:3]
    assert ["stream", "false", "true"] == texts
    left, right = (one.bounding_box() for one in comparison.locator(".sides > .side").all()[:2])
    assert (left["y"], left["x"] + left["width"] <= right["x"]) == (right["y"], True)
    folded = comparison.locator("summary").first
    assert "8 equal parts: system · text, 6 \u00d7 tools · tool, user · text" in folded.inner_text()
    folded.press("Enter")
    assert comparison.get_by_text("tools · tool (").first.is_visible()
    assert comparison.locator("del").filter(visible=True).count()
    assert comparison.locator("ins").filter(visible=True).count()
    assert [] == troubles()


def test_the_card_of_a_cause_opens_its_smallest_failing_run(open_report: OpenReport) -> None:
    """By a click, or by the keyboard."""
    page, troubles = open_report(8)
    button = page.get_by_role("button", name="Show this run beside the nearest combination that passed")
    button.press("Enter")
    page.locator("#details .comparison").wait_for()
    assert "question_0[streaming]" in page.locator("#details-title").inner_text()
    assert [] == troubles()


def test_a_comparison_is_stacked_on_a_phone(open_report: OpenReport) -> None:
    """Each side says whose it is."""
    page, _ = open_report(4, **PHONE)
    comparison = _open_failed_cell(page)
    left, right = (one.bounding_box() for one in comparison.locator(".sides > .side").all()[:2])
    assert (left["x"], left["y"] + left["height"] <= right["y"]) == (right["x"], True)
    label = "element => getComputedStyle(element, '::before').content"
    assert '"streaming · failed"' == comparison.locator(".sides > .side").nth(1).evaluate(label)


def test_streams_are_drawn_on_one_scale(open_report: OpenReport) -> None:
    """With a text of what the picture shows; answers that were not streamed have none."""
    page, troubles = open_report(8)
    _open_failed_cell(page)
    charts = page.locator("#details svg.stream")
    assert 3 == charts.count()
    label = charts.first.get_attribute("aria-label")
    assert "first token after 0.20 s, 12 chunks, longest gap " in label
    assert label.endswith("end after 0.90 s; the scale ends at 1.10 s")
    ends = [int(one.get_attribute("d").partition("H")[2]) for one in page.locator("#details .course").all()]
    assert sorted(ends) == ends
    assert 998 == ends[-1]
    assert [] == troubles()


def test_the_page_fits_a_phone(open_report: OpenReport) -> None:
    """Only tables scroll sideways."""
    page, _ = open_report(4, **PHONE)
    assert 360 == page.evaluate("document.documentElement.scrollWidth")


@pytest.mark.quiet
def test_a_thousand_tests_open_within_a_second(open_report: OpenReport) -> None:
    """With all conversations, and a cell of them as well; all are there soon after."""
    page, troubles = open_report(1000)
    timing = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd / 1000")
    print(f"1,000 tests under 8 combinations open in {timing:.2f} s")
    assert timing < MAX_SECONDS_TO_OPEN * load_factor()
    _open_first_cell(page)
    page.keyboard.press("Escape")
    page.locator("#matrix tbody tr:visible").nth(999).wait_for()
    assert [] == troubles()
