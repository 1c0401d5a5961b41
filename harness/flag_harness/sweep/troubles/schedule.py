"""Schedules: several random troubles in one run of a test. If the test fails, a smaller schedule that fails is searched
for.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations, islice, product
from random import Random
from typing import Any

from flag_harness.faults import FAULT_KINDS, Fault
from flag_harness.sweep.troubles.surprises import SurprisingAnswer
from flag_harness.sweep.troubles.tools import ToolTrouble
from flag_harness.sweep.troubles.trouble import Trouble

SCHEDULE_PREFIX = "schedule"
"""The prefix of the names of schedules (random series of troubles). The number after it is the seed."""
_MIN_TROUBLES_OF_SCHEDULE, _MAX_TROUBLES_OF_SCHEDULE = 6, 10
_MAX_TROUBLES_OF_ONE_REQUEST = 3
"""The most troubles for one request, since most agents give up after three failures of a request."""
_KINDS_THAT_END_TURN = frozenset({"bad_request", "unauthorized", "forbidden", "not_found", "too_large"})
"""Faults after which an agent cannot succeed by trying again."""
_MAX_TROUBLES_TO_TRY_ALL = 4
"""The largest number of troubles for which all smaller subsets are tried."""

_MAX_REQUESTS_TO_MOVE, _MAX_MOVES_TO_TRY = 3, 60
"""When a trouble is left out, by how many requests each other one is moved to the front at most, and how many such
schedules are tried.
"""


def join_random_troubles(troubles: Sequence[Trouble], seed: object) -> Trouble | None:
    """Return six to ten random troubles joined into one, or None if there are fewer than two kinds.

    The same seed draws the same troubles. Each is of another kind, and each kind is equally likely, however many of its
    points there are. At most three affect the same request, at most one the same tool call, and at most one ends the
    agent's turn, since no other trouble would come after it.
    """
    random = Random(str(seed))
    kinds = sorted({one.kind for one in troubles})
    number, drawn = random.randint(_MIN_TROUBLES_OF_SCHEDULE, _MAX_TROUBLES_OF_SCHEDULE), list[Trouble]()
    for kind in random.sample(kinds, len(kinds)):
        able = [one for one in troubles if one.kind == kind and _can_add_trouble(one, drawn)]
        if able and len(drawn) < number:
            drawn.append(random.choice(able))
    return join_troubles(drawn) if len(drawn) > 1 else None


def _can_add_trouble(trouble: Trouble, drawn_troubles: Sequence[Trouble]) -> bool:
    """Return whether a trouble can be in one schedule with the troubles in `drawn_troubles`."""
    if _ends_agent_turn(trouble):
        return not any(map(_ends_agent_turn, drawn_troubles))
    if isinstance(trouble.cause, ToolTrouble):
        return not any(
            isinstance(one.cause, ToolTrouble) and one.cause.call_number == trouble.cause.call_number
            for one in drawn_troubles
        )
    return (
        sum(_affected_request_number(one) == _affected_request_number(trouble) for one in drawn_troubles)
        < _MAX_TROUBLES_OF_ONE_REQUEST
    )


def _affected_request_number(trouble: Trouble) -> object:
    """Return the number of the request that a trouble affects, or None if it affects every request, or a tool."""
    cause = trouble.cause
    if isinstance(cause, ToolTrouble):
        return None
    return dict(cause.arguments).get("on") if isinstance(cause, Fault) else cause.prompt_number


def _ends_agent_turn(trouble: Trouble) -> bool:
    """Return whether the agent's turn cannot go on after a fault: it affects every request, or retrying is useless."""
    cause = trouble.cause
    return isinstance(cause, Fault) and (cause.name in _KINDS_THAT_END_TURN or "on" not in dict(cause.arguments))


def join_troubles(troubles: Sequence[Trouble]) -> Trouble:
    """Return one trouble that applies all of `troubles` in the same run."""
    if len(troubles) == 1:
        return troubles[0]
    return Trouble(SCHEDULE_PREFIX, troubles[0].cause, troubles[0].baseline_calls, tuple(troubles[1:]))


def shrink_schedule(schedule: Trouble, is_failing: Callable[[Trouble], bool]) -> Trouble:
    """Return the fewest troubles of a schedule, joined into one, under which the test still fails.

    First leave out one trouble after the other, then try smaller subsets of the rest, and at last move troubles to
    earlier requests. `is_failing` runs the test under a trouble.
    """
    kept = [*schedule.parts]
    for one in schedule.parts:
        rest = [other for other in kept if other is not one]
        if rest and is_failing(join_troubles(rest)):
            kept = rest
    sizes = range(1, min(len(kept), _MAX_TROUBLES_TO_TRY_ALL))
    smaller = (join_troubles(chosen) for size in sizes for chosen in combinations(kept, size))
    smallest = next(filter(is_failing, smaller), None) or join_troubles(kept)
    moved = _find_failing_move(smallest.parts, is_failing)
    return smallest if moved is None else shrink_schedule(moved, is_failing)


def _find_failing_move(troubles: Sequence[Trouble], is_failing: Callable[[Trouble], bool]) -> Trouble | None:
    """Return all but one of `troubles`, with some moved to earlier requests, if the test fails under them; else None.

    A trouble may be needed only because the agent sends more requests after it. Without that trouble, the others are
    due at requests that are never sent, so they must come earlier.
    """
    moves = (
        join_troubles(moved)
        for left_out in (troubles if len(troubles) > 2 else ())
        for moved in islice(
            product(*(_copies_at_earlier_requests(one) for one in troubles if one is not left_out)), 1, None
        )
    )
    return next(filter(is_failing, islice(moves, _MAX_MOVES_TO_TRY)), None)


def _copies_at_earlier_requests(trouble: Trouble) -> list[Trouble]:
    """Return copies of a trouble for its own request, for the request before, and so on down to the first.

    Return only the trouble itself if it does not belong to a single request.
    """
    number = _affected_request_number(trouble)
    if not isinstance(number, int):
        return [trouble]
    earlier = range(number - 1, max(number - _MAX_REQUESTS_TO_MOVE, 1) - 1, -1)
    return [trouble, *(replace(trouble, cause=_copy_cause_to_request(trouble.cause, on)) for on in earlier)]


def _copy_cause_to_request(cause: Fault | SurprisingAnswer | ToolTrouble, number: int) -> Fault | SurprisingAnswer:
    """Return a copy of a fault or surprising answer that affects request number `number` instead."""
    if isinstance(cause, Fault):
        arguments: dict[str, Any] = {**dict(cause.arguments), "on": number}
        return FAULT_KINDS[cause.name].make_fault(**arguments)
    assert isinstance(cause, SurprisingAnswer)
    return replace(cause, prompt_number=number)
