"""What a reader wants to know of each flag first: what it breaks, what it changes, and what it costs or saves."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flag_harness.analysis.effects.figures import MetricEffect
from flag_harness.report.failures.causes import FailureCause
from flag_harness.report.flags.request_effects import RequestEffect

SUMMARY_FIGURES = ("cost", "input tokens", "output tokens", "first token", "total time", "requests", "errors")
"""The figures of a summary, in their order."""
MOST_CHANGES = 4
"""The most changes in requests that a summary names. The others are counted."""


@dataclass(frozen=True, slots=True)
class FlagSummary:
    """The main findings on a flag.

    Attributes:
        setting: the flag, with its value if it is not boolean: `model=haiku`.
        breaks: what explains failures that need the flag.
        prevents: what explains failures that need the flag to be off.
        changes: what the flag changes in requests; empty if that is nothing, or unknown.
        is_inert: whether the flag changed no request of the run.
        effects: what the flag changes in figures, as far as these runs can tell, in the order of `SUMMARY_FIGURES`.
        untold: the figures for which these runs do not tell whether the flag changes them.
        unchanged: the figures that the flag does not change.
    """

    setting: str
    breaks: tuple[FailureCause, ...]
    prevents: tuple[FailureCause, ...]
    changes: tuple[str, ...]
    is_inert: bool
    effects: tuple[MetricEffect, ...]
    untold: tuple[str, ...]
    unchanged: tuple[str, ...]


def flag_summaries(
    flags: Iterable[str],
    causes: Sequence[FailureCause],
    changes: Sequence[RequestEffect],
    effects: Sequence[MetricEffect],
) -> tuple[FlagSummary, ...]:
    """Return a summary for each flag of which anything is known; those that break tests come first."""
    alone = [effect for effect in effects if len(effect.settings) == 1 and effect.figure.name in SUMMARY_FIGURES]
    settings = dict.fromkeys([*(one.setting for one in changes), *(effect.name for effect in alone), *flags])
    known = {name.partition("=")[0] for name in settings if "=" in name}
    found = [_make_summary(one, causes, changes, alone) for one in settings if one not in known]
    return tuple(sorted((one for one in found if _has_findings(one)), key=lambda one: not one.breaks))


def _make_summary(
    setting: str, causes: Sequence[FailureCause], changes: Sequence[RequestEffect], effects: Sequence[MetricEffect]
) -> FlagSummary:
    own = sorted(
        (effect for effect in effects if effect.name == setting),
        key=lambda effect: SUMMARY_FIGURES.index(effect.figure.name),
    )
    requests = [one for one in changes if one.setting in (setting, setting.partition("=")[0])]
    shown = [one.change for one in requests if not one.is_inert]
    rest = len(shown) - MOST_CHANGES
    return FlagSummary(
        setting,
        tuple(cause for cause in causes if _mentions_setting(cause.text, setting)),
        tuple(cause for cause in causes if _mentions_setting(cause.text, f"not {setting}")),
        (*shown[:MOST_CHANGES], *([f"and {rest} more changes"] if rest > 0 else [])),
        bool(requests) and not shown,
        tuple(effect for effect in own if effect.is_significant and not effect.is_unchanged),
        tuple(effect.figure.name for effect in own if not effect.is_significant and not effect.is_unchanged),
        tuple(effect.figure.name for effect in own if effect.is_unchanged),
    )


def _mentions_setting(text: str, setting: str) -> bool:
    return re.search(rf"(?<!not )(?<![\w=-]){re.escape(setting)}(?![\w=-])", text) is not None


def _has_findings(summary: FlagSummary) -> bool:
    """Return whether a summary contains any finding about its flag."""
    causes = summary.breaks or summary.prevents
    figures = summary.effects or summary.untold or summary.unchanged
    return bool(causes or summary.changes or summary.is_inert or figures)
