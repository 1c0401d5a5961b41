"""Judge a run of a test under a trouble, and encode the result for workers."""

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from flag_harness.sweep.judge.observation import TestObservation
from flag_harness.sweep.judge.oracles import OracleFinding, find_failures, has_recovered

TroubleOutcome: TypeAlias = Literal[
    "does not apply", "recovered", "reported", "accepted", "not shown", "known", "failed"
]
"""The outcome of a test under a trouble.

- does not apply: the trouble changed no answer.
- recovered: the agent got every answer in the end, and the test passed.
- reported: the agent failed, and raised an exception that says so.
- accepted: the agent went on with other answers than in the baseline, and no oracle found a failure.
- not shown: the recording or the scenario has no answer to what the agent did next.
- known: an oracle found what it found in an earlier sweep, as the file of `--harness-sweep-baseline` says.
- failed: an oracle found a failure.
"""


@dataclass(frozen=True, slots=True)
class TroubleResult:
    """The result of one test under one trouble, such as a fault.

    `request_count` and `seconds` are those of the first call of the test function.
    """

    nodeid: str
    kind: str
    trouble: str
    outcome: TroubleOutcome
    findings: tuple[OracleFinding, ...] = ()
    request_count: int = 0
    seconds: float = 0.0


KINDS_THAT_AGENTS_CANNOT_NOTICE = frozenset({"duplicated_event", "reordered_events", "dropped_event", "unknown_block"})
"""Faults that change an answer in a way that no client can notice. So the agent is not blamed for errors that follow
from the changed content.
"""
KINDS_THAT_CHANGE_TOOL_RESULTS = frozenset(
    {"tool_raises", "tool_returns_none", "tool_returns_empty", "tool_returns_megabytes", "tool_is_slow"}
)
"""Tool troubles after which the model gets another tool result than in the baseline.

The test's own assertions then do not count, and the scenario need not have an answer to the result.
"""
_ORACLES_OF_CONTENT = frozenset({"illegal request", "next prompt", "turn lost", "own assertion", "reported usage"})
_ORACLES_OF_TEST_ENDING = frozenset({"raw exception", "own assertion", "next prompt"})
"""Oracles (checks) that look only at how a call of the test ended. In a run without a trouble, that is simply a failed
test.
"""


def judge_run_under_trouble(
    nodeid: str, kind: str, trouble: str, observed: TestObservation, baseline: TestObservation
) -> TroubleResult:
    """Judge a run of a test under a trouble by comparing it with `baseline`, the test's run without a trouble."""
    ignored = _ORACLES_OF_CONTENT if kind in KINDS_THAT_AGENTS_CANNOT_NOTICE else frozenset()
    if not KINDS_THAT_CHANGE_TOOL_RESULTS.isdisjoint(
        (kind, *(part.partition(":")[0] for part in trouble.split(" + ")))
    ):
        ignored, observed = frozenset({"own assertion"}), replace(observed, has_missing_turn=False)
    outcome, findings = _outcome_and_findings(observed, baseline, ignored)
    seconds = observed.test_calls[0].seconds if observed.test_calls else 0.0
    return TroubleResult(nodeid, kind, trouble, outcome, findings, len(observed.exchanges), seconds)


def _outcome_and_findings(
    observed: TestObservation, baseline: TestObservation, ignored_oracles: frozenset[str]
) -> tuple[TroubleOutcome, tuple[OracleFinding, ...]]:
    """Return the outcome of a run, and what the oracles that are not `ignored_oracles` find."""
    if observed.setup_problem:
        return "failed", (OracleFinding("fixture", observed.setup_problem),)
    if not observed.fired_count:
        return "does not apply", ()
    if observed.first_call.ending == "refused":
        return "not shown", ()
    if findings := tuple(one for one in find_failures(observed, baseline) if one.oracle not in ignored_oracles):
        return "failed", findings
    if observed.first_call.ending == "reported":
        return "reported", ()
    if observed.has_missing_turn:
        return "not shown", ()
    return ("recovered" if has_recovered(observed, baseline) else "accepted"), ()


def judge_baseline(nodeid: str, observed: TestObservation) -> TroubleResult:
    """Judge a run of a test without a trouble: it must pass, and no oracle may find a failure."""
    call = observed.test_calls[0] if observed.test_calls else None
    found = find_failures(observed, observed) if call else ()
    findings = tuple(one for one in found if one.oracle not in _ORACLES_OF_TEST_ENDING)
    if not findings and call is None:
        findings = (OracleFinding("without any trouble", observed.setup_problem),)
    elif not findings and call and call.ending != "returned":
        findings = (OracleFinding("without any trouble", call.message, call.location),)
    seconds = call.seconds if call else 0.0
    outcome: TroubleOutcome = "failed" if findings else "recovered"
    return TroubleResult(nodeid, "baseline", "", outcome, findings, len(observed.exchanges), seconds)


def trouble_result_to_json(result: TroubleResult) -> list[Any]:
    """Return a result as plain JSON values, which a worker can send to its controller."""
    findings = [[one.oracle, one.reason, one.location] for one in result.findings]
    return [result.nodeid, result.kind, result.trouble, result.outcome, findings, result.request_count, result.seconds]


def trouble_result_from_json(value: list[Any]) -> TroubleResult:
    """Return the result that `trouble_result_to_json` encoded."""
    nodeid, kind, trouble, outcome, findings, requests, seconds = value
    return TroubleResult(
        nodeid, kind, trouble, outcome, tuple(OracleFinding(*one) for one in findings), requests, seconds
    )
