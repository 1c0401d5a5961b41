"""Lines about what each flag costs or saves, which the terminal shows at the end of a run."""

from collections.abc import Iterable, Iterator

from flag_harness.flag import Flag
from flag_harness.record import RunHeader, RunRecord, RunRow, flag_declaration
from flag_harness.report.flags.figures import MEANS_NOTE, flag_figures, pairs_by_setting
from flag_harness.report.flags.left_out_pairs import left_out_texts
from flag_harness.report.metrics import effects_in_record


def flag_cost_lines(rows: Iterable[RunRow], flags: Iterable[Flag]) -> Iterator[str]:
    """Yield lines about what flags cost or save: one for each flag that a test ran both with and without.

    A first line says what the figures mean, and last lines say which pairs of runs are not compared.
    """
    record = RunRecord(RunHeader(flags={flag.name: flag_declaration(flag) for flag in flags}), tuple(rows))
    effects = effects_in_record(record, max_flags=1)
    figures = {
        setting: flag_figures(pairs, {one.figure.name: one for one in effects if one.setting_text == setting})
        for setting, pairs in pairs_by_setting(record).items()
    }
    simulated = {one.setting_text for one in effects if one.is_simulated}
    width = max(map(len, figures), default=0)
    if any(own.compared_pair_count for own in figures.values()):
        yield MEANS_NOTE
    for setting, own in figures.items():
        yield f"{setting:<{width}}  {own.summary_text}{', simulated' if setting in simulated else ''}"
    yield from left_out_texts({setting: own.left_out_pairs for setting, own in figures.items()})
