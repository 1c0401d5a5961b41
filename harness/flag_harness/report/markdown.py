"""A report in Markdown, short enough for the summary of a CI job or a pull request."""

import re
from collections.abc import Iterator, Sequence

from flag_harness.analysis.effects.figures import MetricEffect
from flag_harness.cassette.match.miss import REFUSAL_ADVICE
from flag_harness.report.cache_map import cache_use_by_test, describe_cache_reads_and_writes, group_broken_prefixes
from flag_harness.report.commands.rerun import locate_command
from flag_harness.report.failures.causes import MAX_CAUSES, FailureCause
from flag_harness.report.flags.summary import flag_summaries
from flag_harness.report.overview import make_overview
from flag_harness.report.run_report import SIMULATED_NOTE, RunReport
from flag_harness.report.sweep_table import OUTCOMES
from flag_harness.wording import count_with_noun

MAX_ROWS = 50
"""The most rows that a table shows. The number of other rows is stated below it."""
MAX_COLUMNS = 16
MAX_CACHED_TESTS = 5
"""The most tests whose cache use is shown request by request."""
_OUTCOME_MARKS = {"failed": "❌ failed", "passed": "✅ passed"}
_MARKDOWN_CHARACTERS = re.compile(r"([\\`*_\[\]<>|~#@&!])")


def markdown_lines(report: RunReport) -> Iterator[str]:
    """Yield a report: a headline, the causes of failures, the failing tests, and what each flag changes."""
    yield f"## {'✅' if report.has_passed else '❌'} {report.headline}"
    if report.causes:
        yield ""
    for cause in report.causes[:MAX_CAUSES]:
        certainty = "" if cause.is_certain else "perhaps "
        yield f"- **{escape_markdown(certainty + cause.text)}**: {_join_first_names(cause.tests)}"
        if not cause.is_certain:
            command = _inline_code(locate_command(report.record.header, cause.case, report.location.root))
            yield f"  - {cause.ran} of {cause.allowed:,} combinations ran. To find out which flags: {command}"
        if cause.reason:
            yield f"  - Why: {_inline_code(cause.reason)}"
        yield f"  - To reproduce: {_inline_code(cause.command)}"
    if (more := len(report.causes) - MAX_CAUSES) > 0:
        yield f"- and {count_with_noun(more, 'more cause')}"
    yield from _api_refusal_lines(report)
    if report.unblamed:
        yield ""
    for unblamed in report.unblamed:
        yield f"- Not blamed on flags: {escape_markdown(unblamed.reason)}: {_join_first_names(unblamed.cases)}"
    yield from _overview_lines(report)
    yield from _summary_lines(report)
    yield from _sweep_lines(report)
    yield from _failure_lines(report)
    yield from _request_effect_lines(report)
    yield from _metric_effect_lines(report)
    yield from _prompt_cache_lines(report)
    yield ""
    yield escape_markdown(report.recordings)
    if report.record.problem:
        yield ""
        yield f"**Incomplete:** {escape_markdown(report.record.problem)}"


def _api_refusal_lines(report: RunReport) -> Iterator[str]:
    if report.refusals:
        yield ""
    for refusal in report.refusals:
        when = f" {escape_markdown(refusal.condition)}" if refusal.condition else ""
        names = _join_first_names(refusal.cases)
        yield f"- **The API would refuse a request{when}** (as the simulator does): {names}"
        yield f"  - {code_cell(refusal.message)}"
        yield f"  - {REFUSAL_ADVICE}"


def _overview_lines(report: RunReport) -> Iterator[str]:
    """Yield what the caches and logs show in short, and what to type next if no flag breaks anything."""
    overview = make_overview(report)
    found = [one.text for one in overview.notices if one.section in ("cache", "logs")]
    steps = () if report.causes else overview.next_steps
    where = f"- The commands work {overview.folder}" if overview.folder and (steps or report.causes) else ""
    if found or steps or where:
        yield ""
    yield from [escape_markdown(where)] if where else []
    yield from (f"- Also found: {escape_markdown(text)}" for text in found)
    for step in steps:
        command = f": {_inline_code(step.command)}" if step.command else ""
        yield f"- To {escape_markdown(step.purpose)}{command}"


def _sweep_lines(report: RunReport) -> Iterator[str]:
    if not (report.sweep.kinds or report.sweep.causes):
        return
    yield ""
    yield "### Sweep"
    yield ""
    rows = [[code_cell(one.kind), *(str(count or "") for count in one.counts)] for one in report.sweep.kinds]
    yield from table_lines(["trouble", *OUTCOMES], rows)
    if report.sweep.causes:
        yield ""
        causes = [
            [
                str(one.count),
                one.oracle,
                code_cell(one.reason),
                code_cell(one.place) if one.place else "",
                code_cell(f"{one.test} {one.example}"),
            ]
            for one in report.sweep.causes
        ]
        yield from table_lines(["troubles", "oracle", "reason", "place", "example"], causes)


def _summary_lines(report: RunReport) -> Iterator[str]:
    """Yield what each flag breaks and costs, in one table."""
    summaries = flag_summaries(report)
    if not summaries:
        return
    yield ""
    yield "### Flags: what each breaks and costs"
    yield ""
    rows = [
        [
            code_cell(one.setting),
            escape_markdown("; ".join(map(_broken_tests_text, one.breaks)) or one.support.text),
            escape_markdown("; ".join(map(_short_effect_text, one.effects))),
            escape_markdown(", ".join(one.unchanged)),
            escape_markdown(", ".join(one.untold)),
        ]
        for one in summaries
    ]
    yield from table_lines(["flag", "breaks", "costs (+) or saves (-)", "unchanged", "cannot be told"], rows)


def _short_effect_text(effect: MetricEffect) -> str:
    return f"{effect.figure.name} {effect.short_text}{' (simulated)' if effect.is_simulated else ''}"


def _broken_tests_text(cause: FailureCause) -> str:
    return f"{'' if cause.is_certain else 'perhaps '}{count_with_noun(len(cause.tests), 'test')}: {cause.text}"


def _failure_lines(report: RunReport) -> Iterator[str]:
    lines = [line for line in report.lines if "failed" in line.outcomes]
    if not lines:
        return
    columns = [
        index
        for index in range(len(report.combinations))
        if any((cell := line.cells[index]) is not None for line in lines)
    ]
    shown = columns[:MAX_COLUMNS]
    yield ""
    yield "### Failing tests"
    yield ""
    rows = [
        [
            code_cell(line.name),
            *(_OUTCOME_MARKS.get(cell.text, cell.text) if (cell := line.cells[index]) else "" for index in shown),
        ]
        for line in lines
    ]
    yield from table_lines(
        ["test", *(escape_markdown(report.combinations[index] or "no flags") for index in shown)], rows
    )
    if len(columns) > len(shown):
        yield ""
        yield f"{len(columns) - len(shown)} further combinations are not shown."
    yield ""
    reasons = [
        [str(len(group.rows)), code_cell(group.reason or "no reason"), _names_cell(group.places)]
        for group in report.failures
    ]
    yield from table_lines(["runs", "reason", "place"], reasons)
    if report.record.header.content != "none":
        yield ""
        yield (
            "The conversations are kept beside the record. To read them, and to run the failed tests again: download "
            "its folder, then `flag-harness report open FOLDER`"
        )


def _request_effect_lines(report: RunReport) -> Iterator[str]:
    if not report.request_effects:
        return
    yield ""
    yield "### What each flag changes in requests"
    yield ""
    rows = [
        [escape_markdown(one.setting), escape_markdown(one.change), f"{one.changed_pairs:,} of {one.pairs:,}"]
        for one in report.request_effects
    ]
    yield from table_lines(["flag", "change", "pairs of runs"], rows)


def _metric_effect_lines(report: RunReport) -> Iterator[str]:
    rows = [
        [
            escape_markdown(effect.figure.name),
            escape_markdown(effect.name),
            escape_markdown(str(effect)),
            "yes" if effect.is_simulated else "",
        ]
        for effect in report.effects
        if len(effect.settings) == 1 and not effect.is_unchanged
    ]
    if not rows:
        return
    yield ""
    yield "### What each flag changes"
    yield ""
    yield from table_lines(
        ["figure", "flag", "change (95 % interval)", "simulated"], sorted(rows, key=lambda row: row[0])
    )
    if any(row[3] for row in rows):
        yield ""
        yield f"{SIMULATED_NOTE[0].upper()}{SIMULATED_NOTE[1:]}."


def _prompt_cache_lines(report: RunReport) -> Iterator[str]:
    places = group_broken_prefixes(report.rows)
    tests = [test for test in cache_use_by_test(report.rows) if test.use.breaks or test.use.costs_more]
    if not tests:
        return
    yield ""
    yield "### Prompt cache"
    yield ""
    if places:
        rows = [
            [
                code_cell(place.block),
                f"{place.byte:,}",
                code_cell(place.text_change) if place.text_change else "",
                f"{place.tokens:,}",
                escape_markdown(place.price),
                _names_cell(place.tests, 1),
            ]
            for place in places
        ]
        yield from table_lines(["changed block", "byte", "change", "tokens not read", "price", "tests"], rows)
        yield ""
    wasteful = [test for test in tests if test.use.costs_more]
    for one in wasteful[:MAX_CACHED_TESTS]:
        yield f"- {_inline_code(one.row.case)}: its cache marks cost more than they save: {escape_markdown(one.price)}"
    if len(wasteful) > MAX_CACHED_TESTS:
        yield f"- and {len(wasteful) - MAX_CACHED_TESTS:,} further tests"
    yield ""
    turns = [
        [
            code_cell(test.row.case),
            str(turn.request + 1),
            *(f"{count:,}" for count in (turn.read, turn.written, turn.missed, turn.uncached)),
            escape_markdown(describe_cache_reads_and_writes(turn)),
            escape_markdown(turn.why),
        ]
        for test in tests[:MAX_CACHED_TESTS]
        for turn in test.use.turns
    ]
    yield from table_lines(["cache map", "request", "read", "written", "missed", "not cached", "blocks", "why"], turns)


def table_lines(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield a Markdown table. Rows beyond `MAX_ROWS` are counted below it."""
    yield f"| {' | '.join(headings)} |"
    yield f"|{' --- |' * len(headings)}"
    for row in rows[:MAX_ROWS]:
        yield f"| {' | '.join(row)} |"
    if len(rows) > MAX_ROWS:
        yield ""
        yield f"and {len(rows) - MAX_ROWS:,} more"


def _join_first_names(names: Sequence[str], most: int = 3) -> str:
    more = len(names) - most
    return ", ".join(map(_inline_code, names[:most])) + (f" and {more} more" if more > 0 else "")


def _names_cell(names: Sequence[str], most: int = 3) -> str:
    """Return the first names as code for a table cell."""
    return _join_first_names(names, most).replace("|", "\\|")


def code_cell(text: str) -> str:
    """Return a text as code for a table cell. Its vertical bars are escaped."""
    return _inline_code(text).replace("|", "\\|")


def _inline_code(text: str) -> str:
    """Return a text as inline code, so that Markdown does not format it."""
    line = " ".join(text.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{space}{line}{space}{fence}"


def escape_markdown(text: str) -> str:
    """Return a text on one line that Markdown does not format."""
    return _MARKDOWN_CHARACTERS.sub(r"\\\1", " ".join(text.split()))
