"""The warnings and errors that the code under test logged in a whole run, and the betas that the API refused."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flag_harness.record import RunRecord
from flag_harness.report.table import group_rows_by_log_message
from flag_harness.wording import count_with_noun

_MAX_LISTED_TESTS = 10


@dataclass(frozen=True, slots=True)
class LogGroup:
    """A message, and how often each run logged it, by the run's node id.

    The run that logged it most often comes first.
    """

    level: str
    logger: str
    message: str
    count_by_node_id: Mapping[str, int]

    @property
    def total_count(self) -> int:
        """The number of times that all runs together logged the message."""
        return sum(self.count_by_node_id.values())


def group_log_messages(record: RunRecord) -> tuple[LogGroup, ...]:
    """Return the messages that a run's tests logged: errors before warnings, and frequent ones before rare ones."""
    groups = []
    for key, counts in group_rows_by_log_message(record.rows).items():
        tests: dict[str, int] = {}
        for row, count in counts:
            tests[row.case] = tests.get(row.case, 0) + count
        groups.append(LogGroup(*key, dict(sorted(tests.items(), key=lambda test: (-test[1], test[0])))))
    return tuple(sorted(groups, key=lambda group: (group.level == "WARNING", -group.total_count, group.message)))


def logged_message_lines(record: RunRecord) -> Iterator[str]:
    """Yield lines for a terminal that say which warnings and errors a run's tests logged."""
    groups, betas = group_log_messages(record), _betas_dropped_by_test(record)
    logged = {case for group in groups for case in group.count_by_node_id}
    total = sum(group.total_count for group in groups)
    if not groups:
        yield f"No warning and no error was logged in {count_with_noun(len(record.rows), 'run')}."
    else:
        messages, runs = count_with_noun(len(groups), "message"), count_with_noun(len(record.rows), "run")
        yield f"{messages}, logged {count_with_noun(total, 'time')} in {len(logged)} of {runs}"
    for group in groups:
        yield ""
        yield f"{group.level} {group.logger}: {group.message}"
        for case, count in list(group.count_by_node_id.items())[:_MAX_LISTED_TESTS]:
            yield f"  {count:>6,}  {case}"
        if (more := len(group.count_by_node_id) - _MAX_LISTED_TESTS) > 0:
            yield f"  and {count_with_noun(more, 'more run')}; --json has all"
    for beta, cases in betas.items():
        yield ""
        yield f"beta {beta}: refused by the API and then dropped, in {count_with_noun(len(cases), 'run')}"
        yield from (f"          {case}" for case in cases[:_MAX_LISTED_TESTS])


def logs_to_json(record: RunRecord) -> Mapping[str, Any]:
    """Return the logged warnings and errors of a run as dictionaries, lists, strings and numbers for JSON."""
    return {
        "runs": len(record.rows),
        "logs": [
            {
                "level": group.level,
                "logger": group.logger,
                "message": group.message,
                "count": group.total_count,
                "tests": group.count_by_node_id,
            }
            for group in group_log_messages(record)
        ],
        "dropped_betas": _betas_dropped_by_test(record),
    }


def _betas_dropped_by_test(record: RunRecord) -> dict[str, list[str]]:
    betas: dict[str, list[str]] = {}
    for row in record.rows:
        for beta in row.dropped_betas:
            betas.setdefault(beta, []).append(row.case)
    return betas
