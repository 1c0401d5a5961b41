"""Requests that no cassette has an answer to and that the API would refuse, and the flags with which they are sent."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from flag_harness.analysis.blame import explain_failures_by_test
from flag_harness.analysis.matrix_runs import FailingTest, outcomes_by_test
from flag_harness.flag import Flag
from flag_harness.matrix import flag_space
from flag_harness.record import RunRow
from flag_harness.report.failures.conditions import condition_text


@dataclass(frozen=True, slots=True)
class ApiRefusal:
    """A message with which the API would refuse requests of a run, as far as the simulator knows.

    Attributes:
        message: the message of the API.
        node_ids: the node ids of the runs that sent such a request.
        condition: the flags with which tests send it, such as `when cached is on`; empty if that is not known.
    """

    message: str
    node_ids: tuple[str, ...]
    condition: str


def find_api_refusals(
    rows: Iterable[RunRow], tests: Mapping[str, FailingTest], flags: Sequence[Flag]
) -> tuple[ApiRefusal, ...]:
    """Return the messages with which the API would refuse requests of these rows. The most frequent comes first.

    `tests` has the tests that failed under some combinations, by name. They show which flags lead to the refused
    requests.
    """
    cases: dict[str, dict[str, None]] = {}
    for row in rows:
        for message in row.api_refusals:
            cases.setdefault(message, {})[row.case] = None
    found = [
        ApiRefusal(message, tuple(own), _flags_that_explain_refusal(own, tests, flags))
        for message, own in cases.items()
    ]
    return tuple(sorted(found, key=lambda one: (-len(one.node_ids), one.message)))


def _flags_that_explain_refusal(cases: Iterable[str], tests: Mapping[str, FailingTest], flags: Sequence[Flag]) -> str:
    """Return the condition on flags under which tests send a refused request, such as `when cached is on`.

    Return an empty string if it is not known. `cases` are the runs that sent the request.
    """
    refused = frozenset(cases)
    own = {name: test for name, test in tests.items() if any(run["nodeid"] in refused for run in test.runs)}
    judged = {
        name: replace(test, runs=tuple({**run, "has_passed": run["nodeid"] not in refused} for run in test.runs))
        for name, test in own.items()
    }
    explanations = [
        one.explanation for one in explain_failures_by_test(flag_space(tuple(flags)), outcomes_by_test(judged, flags))
    ]
    if len(explanations) != 1 or explanations[0].always_fails:
        return ""
    perhaps = "" if all(test.has_run_every_combination for test in judged.values()) else "perhaps "
    conditions = [condition_text(one.literals) for one in explanations[0].conjunctions]
    return f"{perhaps}when {', or when '.join(conditions)}"
