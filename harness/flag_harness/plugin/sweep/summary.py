"""Write the results of a sweep over tests: the outcomes by kind of trouble, and the failures by cause."""

import re
import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from flag_harness.sweep.judge import TroubleResult
from flag_harness.sweep.troubles import SIGNALS, SURPRISES, TOOL_TROUBLES
from flag_harness.sweep.troubles.interrupts import INTERRUPT_KIND
from flag_harness.wording import count_with_noun

BASELINE_NAME = "baseline"
"""The name of the items that run their test without a trouble."""
MAX_LISTED_CAUSES = 25
MAX_REASON_LENGTH = 200
_OUTCOMES_IN_TABLE = ("recovered", "reported", "accepted", "not shown", "known", "failed")
_VARYING_PARTS_PATTERN = re.compile(r"0x[0-9a-f]+|\b(?:toolu|msg|req)_\w+|\d+(?:[.,]\d+)*")
"""Matches what differs between two messages of failures with the same cause: addresses, ids and numbers."""


def outcome_lines(results: Sequence[TroubleResult]) -> Iterator[str]:
    """Yield the lines of a table that counts the outcomes of the troubles, with a row for each kind of trouble."""
    tried = [one for one in results if one.kind != BASELINE_NAME and one.outcome != "does not apply"]
    if not tried:
        yield "no trouble applied"
        return
    width = max(len(one.kind) for one in tried)
    yield f"{'trouble':<{width}}  " + "  ".join(_OUTCOMES_IN_TABLE)
    for kind in (*dict.fromkeys(one.kind for one in tried), "all"):
        counts = Counter[str](one.outcome for one in tried if kind in (one.kind, "all"))
        cells = (f"{counts[outcome] or '-':>{len(outcome)}}" for outcome in _OUTCOMES_IN_TABLE)
        yield f"{kind:<{width}}  " + "  ".join(cells)
    tests = len({one.nodeid for one in results})
    yield f"{count_with_noun(len(tried), 'trouble')} in {count_with_noun(tests, 'test')}"


def cause_lines(failed: Sequence[TroubleResult], *, with_commands: bool = False) -> Iterator[str]:
    """Yield lines about each cause of failures, the most frequent first: how many troubles, what happened, and an
    example.

    With `with_commands`, each example comes with the command that repeats it.
    """
    ordered = group_failures_by_cause(failed)
    for group in ordered[:MAX_LISTED_CAUSES]:
        first = group[0].findings[0]
        place = f" ({first.location})" if first.location else ""
        count = count_with_noun(len(group), "trouble") if len(group) > 1 else group[0].trouble or BASELINE_NAME
        yield f"{count}: {first.oracle}: {first.reason[:MAX_REASON_LENGTH]}{place}"
        if with_commands:
            yield f"    {_command_to_repeat(group[0])}"
    if len(ordered) > MAX_LISTED_CAUSES:
        yield f"and {len(ordered) - MAX_LISTED_CAUSES} more causes"


def group_failures_by_cause(failed: Sequence[TroubleResult]) -> list[list[TroubleResult]]:
    """Return the failures grouped by cause, the most frequent cause first."""
    groups: dict[tuple[str, str, str], list[TroubleResult]] = defaultdict(list)
    for one in failed:
        groups[_cause_key(one)].append(one)
    return sorted(groups.values(), key=lambda group: -len(group))


def _cause_key(result: TroubleResult) -> tuple[str, str, str]:
    """Return a key that is equal for failures of the same cause: the check that failed, the reason and the location."""
    first = result.findings[0]
    reason = first.reason.partition(":")[0] if first.location else _VARYING_PARTS_PATTERN.sub("#", first.reason)
    return first.oracle, reason, first.location


def _command_to_repeat(result: TroubleResult) -> str:
    """Return the command that runs a test under one trouble again."""
    command = f"pytest {shlex.quote(result.nodeid)} --harness-sweep"
    if not result.trouble:
        return f"{command} -k {BASELINE_NAME}"
    if " + " in result.trouble:
        return _pytest_mark_to_repeat(result)
    name = result.trouble.partition(":")[0]
    noun = "surprise" if name in SURPRISES else "tool-trouble" if name in TOOL_TROUBLES else "fault"
    option = f"--harness-{noun}={result.trouble}"
    if result.kind == INTERRUPT_KIND:
        option = f"--harness-interrupt={result.trouble.removeprefix(f'{INTERRUPT_KIND}:at=').replace(',on=', ':on=')}"
    if result.kind in SIGNALS:
        option = f"--harness-interrupt={result.trouble.replace(':at=', '/').replace(',on=', ':on=')}"
    return f"{command} {shlex.quote(option)}"


def _pytest_mark_to_repeat(result: TroubleResult) -> str:
    """Return the node id of a test with a mark that repeats the faults of a result.

    If not every trouble is a fault, return the names of the troubles instead of a mark.
    """
    troubles = result.trouble.split(" + ")
    if any(one.partition(":")[0] in (*SURPRISES, *TOOL_TROUBLES) for one in troubles):
        return f"{result.nodeid}: {result.trouble}"
    return f"{result.nodeid}: @pytest.mark.faults({', '.join(map(repr, troubles))})"
