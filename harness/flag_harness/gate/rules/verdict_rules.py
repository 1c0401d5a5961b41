"""The rules about verdicts on flags and about sweeps of faults."""

import json
from collections.abc import Iterable
from pathlib import Path

from flag_harness.errors import GateError
from flag_harness.gate.evidence import SWEEP_PREFIX
from flag_harness.gate.rules.candidate import Candidate, RuleResult, count, join_names
from flag_harness.record import RunRow

ALL_FLAGS = "all"


def judge_verdicts(candidate: Candidate) -> RuleResult | None:
    """Judge whether each flag that the policy names has the verdict PASS, and no other verdict, in the evidence."""
    wanted = candidate.gate.policy.verdicts
    if not wanted:
        return None
    names = [flag.name for flag in candidate.gate.flags] if ALL_FLAGS in wanted else list(wanted)
    verdicts = [one for each in candidate.evidence for one in each.record.header.verdicts if one.flag in names]
    if bad := [f"{one.flag}: {one.verdict}" for one in verdicts if one.verdict != "pass"]:
        return RuleResult("verdicts", "fail", join_names(bad))
    if missing := [name for name in names if name not in {one.flag for one in verdicts}]:
        return RuleResult("verdicts", "not shown", f"the evidence has no verdict on {join_names(missing)}")
    simulated = [one.flag for one in verdicts if one.is_simulated]
    if simulated and candidate.gate.policy.upstream == "live":
        return RuleResult("verdicts", "fail", f"from SIMULATED answers only: {join_names(simulated)}")
    told = f"; SIMULATED answers for {join_names(simulated)}" if simulated else ""
    return RuleResult("verdicts", "pass", f"PASS for {join_names(names)}{told}")


def judge_sweep(candidate: Candidate) -> RuleResult | None:
    """Judge whether the agent still survives each fault that it survived before."""
    if not candidate.gate.policy.sweep:
        return None
    before, path = _read_baseline(candidate.gate.root / candidate.gate.policy.sweep), candidate.gate.policy.sweep
    rows = [row for one in candidate.evidence for row in one.record.rows if row.case.startswith(SWEEP_PREFIX)]
    if not rows:
        hint = "run `pytest --harness-sweep=faults --harness-record=sweep.jsonl`, and name sweep.jsonl too"
        return RuleResult("sweep", "not shown", f"the evidence has no sweep; {hint}")
    failed = {_pair(row) for row in rows if row.outcome != "passed"}
    if lost := sorted(before & failed):
        return RuleResult("sweep", "fail", f"survived before ({path}), and no longer: {join_names(lost)}")
    if missing := sorted(before - set(map(_pair, rows))):
        return RuleResult("sweep", "not shown", f"the sweep did not try {join_names(missing)}")
    return RuleResult("sweep", "pass", f"all {count(len(before), 'pair')} of {path} are survived")


def sweep_baseline(rows: Iterable[RunRow]) -> list[str]:
    """Return the pairs of fault and combination that a sweep's rows survived, as the baseline file lists them."""
    swept = [row for row in rows if row.case.startswith(SWEEP_PREFIX)]
    failed = {_pair(row) for row in swept if row.outcome != "passed"}
    return sorted({_pair(row) for row in swept} - failed)


def _pair(row: RunRow) -> str:
    return f"{row.case.removeprefix(SWEEP_PREFIX)} under {row.combination}"


def _read_baseline(path: Path) -> set[str]:
    try:
        pairs = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise GateError(
            f"{path}: cannot be read: {error}; write it with `flag-harness gate sweep-baseline RECORD`"
        ) from None
    if not isinstance(pairs, list) or not all(isinstance(pair, str) for pair in pairs) or not pairs:
        raise GateError(f'{path}: must be a list of texts such as "overloaded:on=1 under streaming"')
    return set(pairs)
