"""What each flag costs or saves, for the end of a run in the terminal."""

from collections.abc import Iterable, Iterator

from flag_harness.flag import Flag
from flag_harness.record import RunHeader, RunRecord, RunRow, flag_declaration
from flag_harness.report.flags.figures import flag_figures, left_out_texts, pairs_by_setting
from flag_harness.report.flags.support import group_rows_by_test
from flag_harness.report.metrics import effects_in_record


def flag_cost_lines(rows: Iterable[RunRow], flags: Iterable[Flag]) -> Iterator[str]:
    """Yield a line for each flag with which and without which a test ran, and which pairs of runs are not compared."""
    record = RunRecord(RunHeader(flags={flag.name: flag_declaration(flag) for flag in flags}), tuple(rows))
    effects = effects_in_record(record, most=1)
    tests = len(group_rows_by_test(record.rows))
    figures = {
        setting: flag_figures(pairs, {one.figure.name: one for one in effects if one.name == setting}, tests)
        for setting, pairs in pairs_by_setting(record).items()
    }
    simulated = {one.name for one in effects if one.is_simulated}
    width = max(map(len, figures), default=0)
    for setting, own in figures.items():
        yield f"{setting:<{width}}  {own.text}{', simulated' if setting in simulated else ''}"
    yield from left_out_texts(figures)
