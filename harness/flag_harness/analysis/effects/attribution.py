"""What each flag changes, learnt from pairs of runs of one test that differ in that flag alone."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flag_harness.analysis.effects.paired_runs import ObservedRun, PairedRuns, RunEffect
from flag_harness.matrix.space import FlagSpace


@dataclass(frozen=True, slots=True)
class Effect:
    """What a flag changes in the requests of the tests.

    Attributes:
        flag: the name of the flag.
        value: the value it was set to; it had its default before.
        setting: the flag and, unless it is a boolean one, that value: `streaming`, `model=haiku`.
        path: the path in the request body, `header NAME`, `endpoint`, or `requests` for added or removed requests.
        before, after: the values at the path, `<absent>` or `text`; `various` if they differ between pairs.
        changed_pairs, pairs: in how many of how many pairs of runs the path changed.
        condition: what must also hold, such as `streaming and not concise`; empty if nothing else must.
        tests: the tests in which it was seen.
        paths: the paths that `path` stands for: several for `*.cache_control`.
    """

    flag: str
    value: object
    setting: str
    path: str
    before: str
    after: str
    changed_pairs: int
    pairs: int
    condition: str = ""
    tests: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def __str__(self) -> str:
        change = f"{self.path}: {self.before} → {self.after}"
        when = f" when {self.condition}" if self.condition else ""
        return f"{change}{when} ({self.changed_pairs} of {self.pairs} pairs)"


@dataclass(frozen=True, slots=True)
class Attribution:
    """The effects of all flags, the flags that changed nothing, and the paths whose values differ by themselves.

    `inert` maps a flag to the number of pairs that show it changes nothing. `unpaired` are flags of which no two runs
    differ in that flag alone: nothing is known of them.
    """

    effects: tuple[Effect, ...]
    inert: Mapping[str, int] = field(default_factory=dict)
    unpaired: tuple[str, ...] = ()
    volatile: tuple[str, ...] = ()

    def effects_of(self, flag: str) -> tuple[Effect, ...]:
        """Return the effects of one flag."""
        return tuple(effect for effect in self.effects if effect.flag == flag)

    def flag_that_changes(self, path: str) -> str | None:
        """Return the flag that changes a path of a request body, the most certain one first; None if no flag does."""
        wanted = generalize_path(path)
        fitting = [effect for effect in self.effects if is_same_path(effect.path, wanted)]
        best = max(fitting, key=lambda effect: effect.changed_pairs / effect.pairs, default=None)
        return best.flag if best else None


def attribute_effects(space: FlagSpace, tests: Mapping[str, Sequence[ObservedRun]]) -> Attribution:
    """Return what each flag changes over all tests.

    Pairs that differ in one flag alone are compared, request by request. A value that differs between repetitions of
    the same row, or that looks like an id, date or random number and never recurs, is volatile and no effect.
    """
    found: dict[tuple[int, int, str, str], list[RunEffect]] = {}
    pairs: Counter[int] = Counter()
    changed: Counter[int] = Counter()
    volatile: set[str] = set()
    for name, runs in tests.items():
        comparison = PairedRuns(space, name, runs)
        volatile |= comparison.volatile
        pairs += comparison.pair_counts
        for effect in comparison.effects():
            changed[effect.flag] += effect.changed_pairs
            found.setdefault((effect.flag, effect.value, effect.path, effect.condition), []).append(effect)
    effects = tuple(_merge_effects(space, group) for group in found.values())
    names = [flag.name for flag in space.flags]
    return Attribution(
        effects=tuple(
            sorted(
                effects, key=lambda effect: (names.index(effect.flag), effect.setting, effect.path, effect.condition)
            )
        ),
        inert={names[flag]: count for flag, count in sorted(pairs.items()) if count and not changed[flag]},
        unpaired=tuple(name for index, name in enumerate(names) if not pairs[index]),
        volatile=tuple(sorted(volatile)),
    )


def generalize_path(path: str) -> str:
    """Return a path with `[*]` in place of each index.

    >>> generalize_path("messages[0].content[12].text")
    'messages[*].content[*].text'
    """
    return re.sub(r"\[\d+\]", "[*]", path)


def is_same_path(general: str, path: str) -> bool:
    """Return whether a path is that of an effect, or lies below it; `*.key` stands for `key` anywhere."""
    if general.startswith("*."):
        return general[2:] in re.split(r"[.\[\]*]+", path)
    return path == general or path.startswith((f"{general}.", f"{general}["))


def _merge_effects(space: FlagSpace, group: Sequence[RunEffect]) -> Effect:
    first = group[0]
    flag = space.flags[first.flag]
    is_boolean = all(isinstance(value, bool) for value in flag.values)
    return Effect(
        flag=flag.name,
        value=flag.values[first.value],
        setting=f"{flag.name}={flag.labels[first.value]}" if not is_boolean else flag.name,
        path=first.path,
        before=first.before if len({one.before for one in group}) == 1 else "various",
        after=first.after if len({one.after for one in group}) == 1 else "various",
        changed_pairs=sum(one.changed_pairs for one in group),
        pairs=sum(one.pairs for one in group),
        condition=first.condition,
        tests=tuple(sorted({one.test for one in group})),
        paths=tuple(sorted({path for one in group for path in one.paths})),
    )
