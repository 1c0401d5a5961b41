"""Show the comparison of two runs: as lines for a terminal, as Markdown, and as values for JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flag_harness.report.diff.requests import HIDDEN_VALUE, PathChange
from flag_harness.report.diff.run_diff import RunDiff
from flag_harness.report.json_keys import to_json_object
from flag_harness.report.markdown.text import code_cell, escape_markdown, table_lines
from flag_harness.report.metrics import effect_to_json
from flag_harness.report.run_report import SIMULATED_NOTE
from flag_harness.report.table import align_columns_to_the_left
from flag_harness.wording import count_with_noun

FORMAT_VERSION = 1
"""The version of the JSON format. It is raised if older readers would misread a file."""
MAX_LISTED_TESTS = 20
"""The most tests that a section lists in the terminal. The rest are counted."""


@dataclass(frozen=True, slots=True)
class DiffSection:
    """A table of the comparison. `is_code` says, for each column, whether Markdown shows its cells as code."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    is_code: tuple[bool, ...]


def diff_lines(diff: RunDiff) -> Iterator[str]:
    """Yield the comparison as lines for a terminal."""
    yield diff_headline(diff)
    yield from (f"  {line}" for line in (*diff.exceeded_thresholds, *diff.record_problems))
    for section in diff_sections(diff):
        yield ""
        yield section.title
        heading = [section.columns] if len(section.columns) > 1 else []
        yield from align_columns_to_the_left([*heading, *section.rows[:MAX_LISTED_TESTS]])
        if len(section.rows) > MAX_LISTED_TESTS:
            yield f"  and {len(section.rows) - MAX_LISTED_TESTS:,} more; --json has all"
    yield ""
    yield diff_footer(diff)


def diff_markdown(diff: RunDiff) -> Iterator[str]:
    """Yield the comparison as lines of Markdown."""
    yield f"## {'✅' if diff.is_acceptable else '❌'} {escape_markdown(diff_headline(diff))}"
    if diff.exceeded_thresholds or diff.record_problems:
        yield ""
    yield from (f"- {escape_markdown(line)}" for line in (*diff.exceeded_thresholds, *diff.record_problems))
    for section in diff_sections(diff):
        yield ""
        yield f"### {section.title}"
        yield ""
        rows = [
            [
                code_cell(cell) if is_code else escape_markdown(cell)
                for cell, is_code in zip(row, section.is_code, strict=True)
            ]
            for row in section.rows
        ]
        yield from table_lines(section.columns, rows)
    yield ""
    yield escape_markdown(diff_footer(diff))


def diff_to_json(diff: RunDiff) -> Mapping[str, Any]:
    """Return the comparison as dictionaries, lists, strings and numbers for JSON."""
    return {
        "flag_harness_diff": FORMAT_VERSION,
        "is_acceptable": diff.is_acceptable,
        "is_simulated": diff.is_simulated,
        "violations": list(diff.exceeded_thresholds),
        "problems": list(diff.record_problems),
        "unchecked": list(diff.figures_in_no_row),
        "code": list(diff.header_changes),
        "outcomes": to_json_object(diff.outcomes),
        "requests": [to_json_object(one) for one in diff.changed_requests],
        "paths": [to_json_object(one) for one in diff.path_changes],
        "compared": diff.pair_count,
        "not_compared": diff.uncompared_row_count,
        "figures": {
            change.configuration_key: {
                "base": change.base_mean,
                "head": change.head_mean,
                "growth": change.mean_growth,
                "low": change.lower_bound,
                "high": change.upper_bound,
                "pairs": change.pair_count,
                "is_simulated": change.is_simulated,
            }
            for change in diff.metric_changes
        },
        "effects": [{"base": effect_to_json(old), "head": effect_to_json(new)} for old, new in diff.changed_effects],
    }


def diff_headline(diff: RunDiff) -> str:
    """Return one sentence that says whether the second run is within the configured thresholds."""
    if diff.record_problems:
        return "A record is incomplete"
    if diff.exceeded_thresholds:
        return f"{count_with_noun(len(diff.exceeded_thresholds), 'threshold')} exceeded"
    return "Within the thresholds"


def diff_footer(diff: RunDiff) -> str:
    """Return a note that says which runs were compared, and which thresholds were not checked."""
    text = f"Figures: the mean of {count_with_noun(diff.pair_count, 'run')} that passed in both records."
    if diff.uncompared_row_count:
        text += f" {diff.uncompared_row_count:,} more did not pass in both, or only one of the two was simulated."
    if diff.figures_in_no_row:
        text += f" Not checked, because no compared run has it: {', '.join(diff.figures_in_no_row)}."
    return text


def diff_sections(diff: RunDiff) -> Iterator[DiffSection]:
    """Yield the tables of the comparison. A table without rows is left out."""
    found = diff.outcomes
    yield from _section_of_names("Code", diff.header_changes, is_code=False)
    yield from _section_of_names("Newly failing", found.newly_failing)
    yield from _section_of_names("Newly flaky", found.newly_flaky)
    yield from _section_of_names("New tests that fail", found.added_and_failing)
    misses = [(case, miss) for case, names in found.new_misses_by_test.items() for miss in names]
    yield from _section_if_not_empty("New misses", ("test", "request"), misses, (True, True))
    yield from _section_of_names("Newly passing", found.newly_passing)
    yield from _section_of_names("Not run any more", found.no_longer_run)
    paths = [
        (one.path, *_old_and_new_value_cells(one), count_with_noun(len(one.node_ids), "test"))
        for one in diff.path_changes
    ]
    yield from _section_if_not_empty(
        "Request bodies", ("path", "base", "head", "in"), paths, (True, False, False, False)
    )
    changes = [(one.node_id, change) for one in diff.changed_requests for change in one.change_lines]
    yield from _section_if_not_empty("Changed requests", ("test", "change"), changes, (True, False))
    figures = [
        (
            change.figure.name,
            _value_text(change.base_mean, change.figure.unit),
            _value_text(change.head_mean, change.figure.unit),
            str(change),
        )
        for change in diff.metric_changes
    ]
    mark = f" ({SIMULATED_NOTE})" if diff.is_simulated else ""
    yield from _section_if_not_empty(f"Figures{mark}", ("figure", "base", "head", "change"), figures, (False,) * 4)
    effects = [(old.figure.name, old.setting_text, str(old), str(new)) for old, new in diff.changed_effects]
    yield from _section_if_not_empty(
        "Effects of flags that changed", ("figure", "flag", "base", "head"), effects, (False,) * 4
    )


def _old_and_new_value_cells(change: PathChange) -> tuple[str, str]:
    """Return the old and the new value of a change as the texts of two table cells."""
    return (
        (HIDDEN_VALUE, "another text")
        if change.old_value == change.new_value == HIDDEN_VALUE
        else (change.old_value, change.new_value)
    )


def _section_of_names(title: str, names: Sequence[str], *, is_code: bool = True) -> Iterator[DiffSection]:
    yield from _section_if_not_empty(
        title, ("test" if is_code else "difference",), [(name,) for name in names], (is_code,)
    )


def _section_if_not_empty(
    title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]], is_code: tuple[bool, ...]
) -> Iterator[DiffSection]:
    if rows:
        yield DiffSection(title, columns, tuple(rows), is_code)


def _value_text(value: float, unit: str) -> str:
    if unit == "$":
        return f"${value:,.6f}"
    return f"{value:,.3f} s" if unit == "s" else f"{value:,.6g}"
