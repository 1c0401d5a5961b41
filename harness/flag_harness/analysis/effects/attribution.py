"""Find out what each flag changes in requests, from pairs of runs of one test that differ only in that flag."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from flag_harness.analysis.effects.paired_runs import (
    EffectInOneTest,
    ObservedRun,
    PairedRuns,
    flags_on_by_default_in_group,
)
from flag_harness.analysis.effects.request_changes import (
    ABSENT,
    LONG_VALUE_TEXT,
    VARIOUS_VALUES,
    WHOLE_REQUESTS_PATH,
)
from flag_harness.matrix.space import FlagSpace


@dataclass(frozen=True, slots=True)
class FlagEffect:
    """A change that a flag makes to the requests of tests.

    Attributes:
        flag: the name of the flag.
        value: the value of the flag that is compared with its default.
        setting: the flag with that value, or only the flag if it is boolean: `model=haiku`, `streaming`.
        path: the path in the request body, `header NAME`, `endpoint`, or `requests` for added or removed requests.
        old_value, new_value: the values at the path; for long texts, the words that only one of the two has; `text` for
            another long value, `<absent>` if there is no value, and `various` if the values differ between pairs.
        changed_pair_count: the number of pairs of runs in which the path changed.
        pair_count: the number of pairs of runs that were compared.
        condition: the other flag values that the effect needs, such as `streaming and not concise`, or empty.
        tests: the tests in which the effect was seen.
        paths: all paths that `path` stands for, which are several if it is like `*.cache_control`.
    """

    flag: str
    value: object
    setting: str
    path: str
    old_value: str
    new_value: str
    changed_pair_count: int
    pair_count: int
    condition: str = ""
    tests: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def __str__(self) -> str:
        change = _describe_change(self.path, self.old_value, self.new_value)
        when = f" when {self.condition}" if self.condition else ""
        return f"{change}{when} ({self.changed_pair_count} of {self.pair_count} pairs)"


@dataclass(frozen=True, slots=True)
class FlagEffectAttribution:
    """What is known about the effects of all flags.

    Attributes:
        effects: the effects of all flags.
        pairs_by_inert_flag: the flags that changed nothing, each with the number of pairs of runs that show this.
        unpaired_flags: the flags for which no two runs differ only in that flag, so nothing is known about them.
        volatile_paths: the paths whose values vary without any flag.
        excluded_pair_count_by_reason: the number of pairs of runs that were not compared, by the reason, such as
            `failed`.
    """

    effects: tuple[FlagEffect, ...]
    pairs_by_inert_flag: Mapping[str, int] = field(default_factory=dict)
    unpaired_flags: tuple[str, ...] = ()
    volatile_paths: tuple[str, ...] = ()
    excluded_pair_count_by_reason: Mapping[str, int] = field(default_factory=dict)

    def effects_of_flag(self, flag: str) -> tuple[FlagEffect, ...]:
        """Return the effects of the flag with this name."""
        return tuple(effect for effect in self.effects if effect.flag == flag)

    def flag_that_changes_path(self, path: str) -> str | None:
        """Return the flag that changes this path of a request body, or None if no flag does.

        If several flags do, return the one that changes the path in the largest share of pairs of runs. If a content or
        the system prompt is a string, `path` must name the text as if it were in a list with one block.
        """
        wanted = replace_indices_by_star(path)
        fitting = [
            effect
            for effect in self.effects
            if is_same_or_inner_path(effect.path, wanted) or effect.path == f"{wanted}[*].text"
        ]
        best = max(fitting, key=lambda effect: effect.changed_pair_count / effect.pair_count, default=None)
        return best.flag if best else None


def attribute_effects(space: FlagSpace, tests: Mapping[str, Sequence[ObservedRun]]) -> FlagEffectAttribution:
    """Find out what each flag changes in requests, from the runs of all tests (by name).

    Pairs of runs that differ only in one flag are compared, request by request. A change is ignored as volatile if the
    value also differs between repetitions of the same run, or if it looks like an id, date or random number and never
    has the same value again. Runs with a problem are not compared; the result counts the pairs that are lost by this.
    """
    found: dict[tuple[int, int, str, str], list[EffectInOneTest]] = {}
    pairs: Counter[int] = Counter()
    changed: Counter[int] = Counter()
    volatile: set[str] = set()
    left_out: Counter[str] = Counter()
    for name, runs in tests.items():
        comparison = PairedRuns(space, name, runs)
        volatile |= comparison.volatile_paths
        pairs += comparison.pair_counts
        left_out += comparison.left_out
        for effect in comparison.find_flag_effects():
            changed[effect.flag_index] += effect.changed_pair_count
            found.setdefault((effect.flag_index, effect.value_index, effect.path, effect.condition), []).append(effect)
    effects = tuple(_merge_effects(space, group) for group in found.values())
    names = [flag.name for flag in space.flags]
    return FlagEffectAttribution(
        effects=tuple(
            sorted(
                effects, key=lambda effect: (names.index(effect.flag), effect.setting, effect.path, effect.condition)
            )
        ),
        pairs_by_inert_flag={
            names[flag]: count for flag, count in sorted(pairs.items()) if count and not changed[flag]
        },
        unpaired_flags=tuple(
            name
            for index, name in enumerate(names)
            if not pairs[index] and index not in flags_on_by_default_in_group(space)
        ),
        volatile_paths=tuple(sorted(volatile)),
        excluded_pair_count_by_reason=dict(sorted(left_out.items())),
    )


def _describe_change(path: str, before: str, after: str) -> str:
    """Return a change of a value in words, such as `tools is added` or `stream: nothing → True`."""
    unknown = {LONG_VALUE_TEXT, VARIOUS_VALUES}
    if before == ABSENT and after in unknown:
        return f"{path} is added"
    if after == ABSENT and before in unknown:
        return f"{path} is left out"
    if {before, after} <= unknown:
        return f"{path} is changed"
    words = {ABSENT: "nothing", LONG_VALUE_TEXT: "a long value", VARIOUS_VALUES: "various values"}
    return f"{path}: {words.get(before, before)} → {words.get(after, after)}"


def add_effects_seen_in_failed_runs(
    attribution: FlagEffectAttribution, attribution_of_all_runs: FlagEffectAttribution
) -> FlagEffectAttribution:
    """Return the attribution of passed runs, extended by what flags change only in failed runs.

    Only flags that change nothing in passed runs are extended. `attribution_of_all_runs` is the attribution of all
    runs. A different number of requests is not taken over, because a failed run may have stopped early.
    """
    found = [
        effect
        for effect in attribution_of_all_runs.effects
        if effect.flag in attribution.pairs_by_inert_flag and effect.path != WHOLE_REQUESTS_PATH
    ]
    seen = {effect.flag for effect in found}
    return replace(
        attribution,
        effects=(*attribution.effects, *found),
        pairs_by_inert_flag={
            flag: pairs for flag, pairs in attribution.pairs_by_inert_flag.items() if flag not in seen
        },
    )


def replace_indices_by_star(path: str) -> str:
    """Return a path with `[*]` in place of each list index.

    >>> replace_indices_by_star("messages[0].content[12].text")
    'messages[*].content[*].text'
    """
    return re.sub(r"\[\d+\]", "[*]", path)


def is_same_or_inner_path(general: str, path: str) -> bool:
    """Return whether `path` equals the path of an effect (`general`), or lies below it.

    `general` may be `*.key`, which means the key at any path.
    """
    if general.startswith("*."):
        return general[2:] in re.split(r"[.\[\]*]+", path)
    return path == general or path.startswith((f"{general}.", f"{general}["))


def _merge_effects(space: FlagSpace, group: Sequence[EffectInOneTest]) -> FlagEffect:
    """Return one effect for the equal effects that a flag has in several tests."""
    first = group[0]
    flag = space.flags[first.flag_index]
    is_boolean = all(isinstance(value, bool) for value in flag.values)
    return FlagEffect(
        flag=flag.name,
        value=flag.values[first.value_index],
        setting=f"{flag.name}={flag.labels[first.value_index]}" if not is_boolean else flag.name,
        path=first.path,
        old_value=first.old_value if len({one.old_value for one in group}) == 1 else VARIOUS_VALUES,
        new_value=first.new_value if len({one.new_value for one in group}) == 1 else VARIOUS_VALUES,
        changed_pair_count=sum(one.changed_pair_count for one in group),
        pair_count=sum(one.pair_count for one in group),
        condition=first.condition,
        tests=tuple(sorted({one.test for one in group})),
        paths=tuple(sorted({path for one in group for path in one.paths})),
    )
