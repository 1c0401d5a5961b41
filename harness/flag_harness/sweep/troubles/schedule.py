"""Schedules: several troubles in one run of a test, drawn from a seed, and shrunk if the test fails."""

from collections.abc import Callable, Sequence
from itertools import combinations
from random import Random

from flag_harness.sweep.troubles.trouble import Trouble

SCHEDULE = "schedule"
"""The prefix of the buckets of schedules. The number after it is the seed."""
_MOST_TROUBLES = 3


def draw_schedule(troubles: Sequence[Trouble], seed: object) -> Trouble | None:
    """Return two or three of the troubles as one, or None if there are fewer than two. The same seed draws the same
    troubles.

    A random half of the kinds takes part. At most one trouble is a surprise.
    """
    random = Random(str(seed))
    kinds = sorted({one.kind for one in troubles})
    chosen = set(random.sample(kinds, max(2, len(kinds) // 2))) if len(kinds) > 2 else set(kinds)
    able = [one for one in troubles if one.kind in chosen]
    drawn: list[Trouble] = []
    for one in random.sample(able, len(able)):
        if one.is_fault or all(other.is_fault for other in drawn):
            drawn.append(one)
        if len(drawn) == random.randint(2, _MOST_TROUBLES):
            break
    return join_troubles(drawn) if len(drawn) > 1 else None


def join_troubles(troubles: Sequence[Trouble]) -> Trouble:
    """Return several troubles as one."""
    if len(troubles) == 1:
        return troubles[0]
    return Trouble(SCHEDULE, troubles[0].cause, troubles[0].calls, tuple(troubles[1:]))


def shrink_schedule(schedule: Trouble, fails: Callable[[Trouble], bool]) -> Trouble:
    """Return the smallest part of a schedule under which the test still fails, or the schedule itself."""
    parts = schedule.parts
    for size in range(1, len(parts)):
        for chosen in combinations(parts, size):
            if fails(part := join_troubles(chosen)):
                return part
    return schedule
