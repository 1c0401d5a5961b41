"""The rules about runs: which tests passed, under which flags, who answered, how old the runs are, and what
they used.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from flag_harness.durations import duration_text, is_in_future, time_since
from flag_harness.gate.declared.flag_reads import find_undeclared_flags
from flag_harness.gate.declared.patterns import matches_test
from flag_harness.gate.evidence import is_sweep, missing_tests_reason
from flag_harness.gate.rules.candidate import ReleaseCandidate, RuleResult
from flag_harness.matrix import node_id_without_combination, select_combinations
from flag_harness.record import RunRow, flag_declaration
from flag_harness.wording import count_with_noun, join_names

_ACCEPTED_OUTCOMES = frozenset({"passed", "skipped", "xfailed"})
_RERUN_ADVICE = "run the tests again: pytest --harness-record=run.jsonl"
_ERROR_LEVELS = frozenset({"ERROR", "CRITICAL"})


def judge_tests(candidate: ReleaseCandidate) -> RuleResult:
    """Judge whether each test that the policy requires ran and passed."""
    patterns = candidate.gate.policy.test_patterns
    rows = _remove_rows(candidate.required_rows, candidate.failed_verdict_runs)
    trials = len(candidate.required_rows) - len(rows)
    if bad := [row for row in rows if row.outcome != "passed"]:
        return RuleResult(
            "required tests",
            "fail",
            f"not passed: {join_names(map(_describe_outcome, bad))}; mend it, and {_RERUN_ADVICE}",
        )
    missing = [pattern for pattern in patterns if not any(matches_test(row.case, pattern) for row in rows)]
    if missing:
        return RuleResult(
            "required tests",
            "not shown",
            f"the evidence has no test that matches {join_names(missing)}; {_RERUN_ADVICE}",
        )
    note = f"; {count_with_noun(trials, 'failed trial')}, which the verdicts judge" if trials else ""
    return RuleResult("required tests", "pass", f"{count_with_noun(len(rows), 'run')} passed{note}")


def judge_left_out_tests(candidate: ReleaseCandidate) -> RuleResult:
    """Judge whether at least one record ran each test that the policy requires.

    Options such as `-k` or `--lf` may have left out tests without a trace in the rows.
    """
    runs = [one for one in candidate.evidence if not is_sweep(one)]
    headers = [one.record.header for one in runs]
    for pattern in candidate.gate.policy.test_patterns:
        reasons = [missing_tests_reason(header, pattern.partition("*")[0]) for header in headers]
        if reasons and all(reasons):
            reason = f"tests that match {pattern} may be missing: {runs[0].path}: {reasons[0]}; run it without that"
            return RuleResult("whole run", "not shown", reason)
    deselected = {case for header in headers for case in header.deselected if candidate.is_required(case)}
    left_out = [
        case
        for case in sorted(deselected - {row.case for row in candidate.rows})
        if all(case in header.deselected or missing_tests_reason(header, case) for header in headers)
    ]
    if left_out:
        reason = f"deselected, as by -k, and in no other record: {join_names(left_out)}; name the record of a run of it"
        return RuleResult("whole run", "not shown", reason)
    return RuleResult("whole run", "pass", "no required test was left out")


def judge_outcomes(candidate: ReleaseCandidate) -> RuleResult:
    """Judge the tests that the policy does not require: the result is `pass` if none of them failed."""
    rows = _remove_rows(candidate.rows, candidate.failed_verdict_runs)
    if bad := [row for row in rows if row.outcome not in _ACCEPTED_OUTCOMES]:
        return RuleResult(
            "outcomes", "fail", f"in the evidence: {join_names(map(_describe_outcome, bad))}; {_RERUN_ADVICE}"
        )
    for one in candidate.evidence:
        if status := one.record.header.exit_status:
            verdicts = [f"{each.flag}: {each.verdict}" for each in one.record.header.verdicts if each.verdict != "pass"]
            if status == 1 and verdicts:
                why = f"pytest ended with exit status 1 because of the verdicts: {join_names(verdicts)}"
                hint = f"to see why: flag-harness report verdict {one.path}"
                return RuleResult("outcomes", "fail", f"{one.path}: {why}; {hint}")
            reason = (
                f"{one.path}: pytest ended with exit status {status}, for a reason that no row shows; {_RERUN_ADVICE}"
            )
            return RuleResult("outcomes", "fail", reason)
    return RuleResult("outcomes", "pass", "no test in the evidence failed")


def judge_declared_flags(candidate: ReleaseCandidate) -> RuleResult:
    """Judge whether the runs had the same declared flags as the project has now."""
    declared = {flag.name: flag_declaration(flag) for flag in candidate.gate.flags}
    for one in candidate.evidence:
        known = one.record.header.flags
        if other := [name for name, values in declared.items() if known.get(name) != values]:
            reason = f"{one.path}: the run had another declaration of {join_names(other)}; run the tests again"
            return RuleResult("flags", "fail", reason)
    loose = find_undeclared_flags(candidate.test_folder, candidate.file_states, candidate.gate.flags)
    names = join_names(f"{key} ({place})" for key, place in loose.items())
    note = f"; read, but NOT declared, so no run varied it: {names}" if loose else ""
    return RuleResult("flags", "pass", f"declared as they are now: {join_names(declared)}{note}")


def judge_combinations(candidate: ReleaseCandidate) -> RuleResult | None:
    """Judge whether each required test passed under each combination that the policy requires.

    Return None if the policy requires none.
    """
    wanted = _combinations_required_by_policy(candidate)
    if not wanted:
        return None
    passed: dict[str, set[str]] = {}
    for row in candidate.required_rows:
        ran = passed.setdefault(node_id_without_combination(row.case, row.combination), set())
        if row.outcome == "passed":
            ran.add(row.combination)
    missing = [f"{name} under {one}" for name, ran in sorted(passed.items()) for one in wanted if one not in ran]
    if missing or not passed:
        reason = f"no passed run of {join_names(missing)}" if missing else "no required test ran"
        reason = f"{reason}; {_RERUN_ADVICE}"
        return RuleResult("combinations", "not shown", reason)
    return RuleResult(
        "combinations",
        "pass",
        f"{count_with_noun(len(passed), 'test')} under {count_with_noun(len(wanted), 'combination')}",
    )


def judge_upstream(candidate: ReleaseCandidate) -> RuleResult:
    """Judge whether the policy accepts who answered: the live API or the simulator.

    Simulated answers are always named in the result.
    """
    rows, policy = [row for row in candidate.required_rows if row.requests], candidate.gate.policy
    if not rows:
        return RuleResult(
            "upstream", "not shown", "no required test sent a request; let `policy.tests` name one that does"
        )
    upstreams = Counter(row.answered_by or row.recorded_from or "nobody known" for row in rows)
    unknown = [row.case for row in rows if (row.answered_by or row.recorded_from) not in ("live", "simulator")]
    if unknown:
        return RuleResult(
            "upstream", "not shown", f"it is not known who answered {join_names(unknown)}; record them again"
        )
    simulated = upstreams["simulator"]
    text = f"{simulated} of {count_with_noun(len(rows), 'run')} had SIMULATED answers"
    if not simulated:
        return RuleResult("upstream", "pass", _describe_live_answers(rows))
    if policy.required_upstream == "live":
        hint = 'record them from the live API, or set `upstream = "simulator"` in the policy'
        return RuleResult("upstream", "fail", f"{text}; {hint}")
    return RuleResult("upstream", "pass", f"{text}, which the policy accepts: they show nothing about a real model")


def _describe_live_answers(rows: Sequence[RunRow]) -> str:
    """Return a text with the number of runs that the live API answered, and of runs that played recordings of the live
    API.
    """
    played = sum(row.answered_by is None for row in rows)
    words = [
        f"the live API answered {count_with_noun(len(rows) - played, 'run')}" if played < len(rows) else "",
        f"{count_with_noun(played, 'run')} played recordings of the live API" if played else "",
    ]
    return "; ".join(filter(None, words))


def judge_rebased_recordings(candidate: ReleaseCandidate) -> RuleResult | None:
    """Judge whether no played recording was rebased (its requests rewritten after the recording).

    Return None if the policy accepts rebased recordings.
    """
    if candidate.gate.policy.accepts_rebased:
        return None
    if rebased := [row.case for row in candidate.required_rows if row.is_rebased]:
        reason = f"the requests were rewritten after the recording: {join_names(rebased)}; record them again"
        return RuleResult("rebased recordings", "fail", reason)
    return RuleResult("rebased recordings", "pass", "no recording was rebased")


def judge_evidence_age(candidate: ReleaseCandidate) -> RuleResult | None:
    """Judge whether the runs in evidence are recent enough. Return None if the policy sets no limit."""
    limit = candidate.gate.policy.max_evidence_age
    if limit is None:
        return None
    times = {str(one.path): one.record.header.started_at for one in candidate.evidence}
    return _judge_times("age of evidence", times, limit, candidate.checked_at, "run the tests again")


def judge_recording_age(candidate: ReleaseCandidate) -> RuleResult | None:
    """Judge whether the recordings that tests played are recent enough. Return None if the policy sets no limit."""
    limit = candidate.gate.policy.max_recording_age
    if limit is None:
        return None
    times = {row.case: row.recorded_at for row in candidate.required_rows if row.recorded_from is not None}
    return _judge_times("age of recordings", times, limit, candidate.checked_at, "record them again")


def judge_budget(candidate: ReleaseCandidate) -> RuleResult | None:
    """Judge whether each run of a required test stayed within the policy's budget.

    Return None if the policy has none.
    """
    budget, rows = candidate.gate.policy.limit_by_budget_name, candidate.required_rows
    if not budget:
        return None
    if not rows:
        return RuleResult("budget", "not shown", f"no required test ran; {_RERUN_ADVICE}")
    used = [(row, name, _budget_amount_used(row, name), limit) for row in rows for name, limit in budget.items()]
    over = [f"{row.case}: {name} {amount:g} > {limit:g}" for row, name, amount, limit in used if (amount or 0) > limit]
    if over:
        return RuleResult("budget", "fail", f"{join_names(over)}; spend less, or raise `policy.budget`")
    if unknown := [f"{row.case}: {name}" for row, name, amount, _ in used if amount is None]:
        return RuleResult(
            "budget", "not shown", f"unknown: {join_names(unknown)}; leave that limit out, or {_RERUN_ADVICE}"
        )
    return RuleResult("budget", "pass", f"{count_with_noun(len(rows), 'run')} within {', '.join(budget)}")


def judge_log_errors(candidate: ReleaseCandidate) -> RuleResult | None:
    """Judge whether the tests logged no more errors than the policy allows. Return None if the policy sets no limit."""
    most = candidate.gate.policy.max_log_errors
    if most is None:
        return None
    logs = [log for row in candidate.rows for log in row.log_counts if log.level in _ERROR_LEVELS]
    total = sum(log.count for log in logs)
    if total > most:
        names = join_names(f"{log.logger}: {log.message}" for log in logs)
        return RuleResult(
            "log errors",
            "fail",
            f"{count_with_noun(total, 'error')} logged, at most {most} allowed: {names}; {_RERUN_ADVICE}",
        )
    return RuleResult("log errors", "pass", f"{count_with_noun(total, 'error')} logged")


def _combinations_required_by_policy(candidate: ReleaseCandidate) -> tuple[str, ...]:
    wanted = candidate.gate.policy.required_combinations
    if not isinstance(wanted, str):
        return wanted
    return tuple(one.id for one in select_combinations(candidate.gate.flags, wanted))


def _judge_times(
    rule: str, time_by_name: Mapping[str, str | None], limit: timedelta, now: datetime, advice: str
) -> RuleResult:
    """Judge whether all times are known, not older than `limit` and not in the future.

    `time_by_name` has the time of each thing by its name. `advice` says what to do about an old one.
    """
    ages = {name: time_since(text, now) for name, text in time_by_name.items()}
    if unknown := [name for name, age in ages.items() if age is None]:
        return RuleResult(rule, "not shown", f"unknown for {join_names(unknown)}; {advice}")
    known = {name: age for name, age in ages.items() if age is not None}
    if future := [name for name, age in known.items() if is_in_future(age)]:
        return RuleResult(rule, "fail", f"in the future: {join_names(future)}; set the clock, and {advice}")
    if old := [f"{name} ({duration_text(age)})" for name, age in known.items() if age > limit]:
        return RuleResult(rule, "fail", f"older than {duration_text(limit)}: {join_names(old)}; {advice}")
    return RuleResult(rule, "pass", f"none is older than {duration_text(limit)}")


def _budget_amount_used(row: RunRow, name: str) -> float | None:
    """Return how much of the budgeted quantity `name` (such as tokens) a run used, or None if that is unknown."""
    if name == "cost":
        return row.cost if row.requests else 0.0
    if name == "requests":
        return len(row.requests)
    amounts = {
        "input_tokens": row.usage.total_input,
        "output_tokens": row.usage.output_tokens,
        "seconds": row.seconds,
    }
    return amounts[name]


def _remove_rows(rows: Iterable[RunRow], left_out: Iterable[RunRow]) -> list[RunRow]:
    """Return `rows` without the row objects in `left_out`."""
    known = set(map(id, left_out))
    return [row for row in rows if id(row) not in known]


def _describe_outcome(row: RunRow) -> str:
    return f"{row.case} {row.outcome}"
