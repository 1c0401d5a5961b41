"""The metrics of a run: what each flag changes in time, tokens, cost and errors, and how many runs passed."""

from collections.abc import Iterator
from typing import Any

from flag_harness.analysis.effects.figures import CONFIDENCE_LEVEL, MetricEffect, metric_effects
from flag_harness.flag import value_text
from flag_harness.record import RunRecord
from flag_harness.report.table import align_columns_to_the_left

FIGURES_BY_METRIC = {
    "performance": ("total time", "requests"),
    "experience": ("first token", "longest gap"),
    "tokens and cost": ("input tokens", "output tokens", "cached tokens", "cost"),
    "errors": ("errors",),
}
"""The figures (measured numbers) that are shown under the title of each metric.

"compatibility" counts passed runs instead.
"""


def metric_lines(record: RunRecord) -> Iterator[str]:
    """Yield the report of the four metrics, line by line."""
    effects = effects_in_record(record)
    alone = [effect for effect in effects if len(effect.changed_values) == 1]
    together = [effect for effect in effects if len(effect.changed_values) == 2 and effect.is_significant]
    if not alone:
        yield "No two runs of a test that passed differ in one flag alone, so no flag's figures can be told."
    else:
        intervals = f"the intervals ({CONFIDENCE_LEVEL:.0%}) take pairs as independent"
        yield f"Runs of one test that differ in one flag; {intervals}."
        if any(effect.is_simulated for effect in alone):
            yield "Simulated: tokens are the simulator's estimate and times its settings, not the API's."
    for title, names in FIGURES_BY_METRIC.items():
        rows = [
            (effect.figure.name, effect.setting_text, str(effect)) for effect in alone if effect.figure.name in names
        ]
        if rows:
            yield ""
            yield title
            yield from align_columns_to_the_left(sorted(rows, key=lambda row: names.index(row[0])))
    if together:
        yield ""
        yield "two flags together, beyond the sum of each one's effect"
        yield from align_columns_to_the_left(
            [(effect.figure.name, effect.setting_text, str(effect)) for effect in together]
        )
    yield ""
    yield "compatibility"
    passes = [(name, f"{passed} of {total} runs passed") for name, passed, total in count_passes_by_combination(record)]
    yield from align_columns_to_the_left(passes or [("no run passed or failed",)])


def effects_in_record(record: RunRecord, max_flags: int = 2) -> tuple[MetricEffect, ...]:
    """Return what each flag, and each pair of flags, changes in the figures of a record's runs.

    With `max_flags` 1, pairs of flags are left out. Flags are in the order in which they are declared.
    """
    labels, names = labels_of_flag_values(record), list(record.header.flags)
    effects = metric_effects(record.rows, default_values(record), labels, flag_groups(record), max_flags)
    return tuple(
        sorted(
            effects, key=lambda one: (len(one.changed_values), [names.index(name) for name, _ in one.changed_values])
        )
    )


def default_values(record: RunRecord) -> dict[str, Any]:
    """Return the default value of each flag that the record's header lists."""
    return {name: flag.get("default", False) for name, flag in record.header.flags.items()}


def flag_groups(record: RunRecord) -> dict[str, tuple[str, ...]]:
    """Return, for each flag that is in a group (of which exactly one flag is on), the names of all flags in
    the group.
    """
    return {name: tuple(flag["group"]) for name, flag in record.header.flags.items() if flag.get("group")}


def labels_of_flag_values(record: RunRecord) -> dict[tuple[str, str], str]:
    """Return the short text that combination ids use for each flag value, by (name of the flag, value as text)."""
    return {
        (name, value_text(value)): label
        for name, flag in record.header.flags.items()
        for value, label in zip(flag.get("values", ()), flag.get("labels", ()), strict=False)
    }


def count_passes_by_combination(record: RunRecord) -> list[tuple[str, int, int]]:
    """Return `(id, passed, total)` for each combination: how many runs passed, and how many passed or failed."""
    counts: dict[str, tuple[int, int]] = {}
    for row in record.rows:
        if row.outcome in ("passed", "xpassed", "failed"):
            passed, total = counts.get(row.combination, (0, 0))
            counts[row.combination] = passed + (row.outcome != "failed"), total + 1
    return [(name, *count) for name, count in sorted(counts.items())]


def effect_to_json(effect: MetricEffect) -> dict[str, Any]:
    """Return an effect as a dictionary that can be encoded as JSON."""
    return {
        "flags": dict(effect.changed_values),
        "figure": effect.figure.name,
        "compared_by": "ratio" if effect.figure.is_ratio else "difference",
        "mean": effect.mean,
        "low": effect.lower_bound,
        "high": effect.upper_bound,
        "pairs": effect.pair_count,
        "can_be_told": effect.is_significant,
        "least": effect.smallest_effect,
        "most": effect.largest_effect,
        "has_chance": effect.varies_by_chance,
        "is_simulated": effect.is_simulated,
    }
