"""The rules about verdicts on flags, and about sweeps (runs of tests under many faults)."""

import posixpath
from collections.abc import Sequence

from flag_harness.gate.evidence import SWEEP_BASELINE_OPTION, command_line_option_of_run, is_sweep
from flag_harness.gate.rules.candidate import ReleaseCandidate, RuleResult
from flag_harness.gate.rules.verdict_evidence import RejudgedVerdict, rejudge_verdicts_of_record
from flag_harness.matrix import node_id_without_combination
from flag_harness.wording import count_with_noun, join_names

ALL_FLAGS_WORD = "all"
_OPTIONS_THAT_LIMIT_SWEEP = frozenset(
    {"-k", "-m", "--harness-fault", "--harness-flags", "--harness-interrupt", "--harness-surprise"}
    | {"--harness-sweep-budget"}
)
"""The command-line options with which a sweep tries only some of the faults."""


def judge_verdicts(candidate: ReleaseCandidate) -> RuleResult | None:
    """Judge whether each flag that the policy names has the verdict PASS, and no other verdict, in the evidence.

    The rows of the record must give the same verdict, and the verdict must be about each required test that varies the
    flag. Return None if the policy names no flags.
    """
    wanted = candidate.gate.policy.flags_with_verdicts
    if not wanted:
        return None
    names = [flag.name for flag in candidate.gate.flags] if ALL_FLAGS_WORD in wanted else list(wanted)
    hint = f"run `pytest --harness-verdict={','.join(names)} --harness-repeat=200 --harness-record=run.jsonl`"
    verdicts = [one for each in candidate.evidence for one in each.record.header.verdicts if one.flag in names]
    if bad := [f"{one.flag}: {one.verdict}" for one in verdicts if one.verdict != "pass"]:
        path = next(each.path for each in candidate.evidence if each.record.header.verdicts)
        return RuleResult("verdicts", "fail", f"{join_names(bad)}; to see why: flag-harness report verdict {path}")
    if missing := [name for name in names if name not in {one.flag for one in verdicts}]:
        return RuleResult("verdicts", "not shown", f"the evidence has no verdict on {join_names(missing)}; {hint}")
    judged = [
        one
        for each in candidate.evidence
        for one in rejudge_verdicts_of_record(each, candidate.gate.flags)
        if one.flag_change.flag in names
    ]
    if other := [one for one in judged if one.verdict.decision != "PASS"]:
        return RuleResult("verdicts", "fail", f"{_describe_contradicted_pass(other[0])}; {hint}")
    if reason := _missing_tests_text(candidate, judged):
        return RuleResult("verdicts", "not shown", f"{reason}; {hint}")
    simulated = list(dict.fromkeys(one.flag_change.flag for one in judged if one.is_simulated))
    if simulated and candidate.gate.policy.required_upstream == "live":
        return RuleResult("verdicts", "fail", f"from SIMULATED answers only: {join_names(simulated)}")
    note = f"; SIMULATED answers for {join_names(simulated)}" if simulated else ""
    return RuleResult("verdicts", "pass", f"PASS for {join_names(names)}{note}")


def _describe_contradicted_pass(one: RejudgedVerdict) -> str:
    """Return what the rows of a record show if they do not give the PASS that is in the record's header."""
    reasons = "".join(f"; {obstacle}" for obstacle in one.verdict.pass_obstacles)
    claim = f"{one.evidence_record.path} says PASS for {one.flag_change.label}"
    return f"{claim}, but its rows say {one.verdict.decision}{reasons}"


def _missing_tests_text(candidate: ReleaseCandidate, judged: Sequence[RejudgedVerdict]) -> str:
    """Return a text that names the required tests that vary a flag but are in no verdict on it, or an empty string."""
    for change in dict.fromkeys(one.flag_change for one in judged):
        known = frozenset[str]().union(*(one.node_ids for one in judged if one.flag_change == change))
        varied = {
            node_id_without_combination(row.case, row.combination)
            for row in candidate.required_rows
            if row.values.get(change.flag, change) == change.new_value
        }
        if missing := sorted(varied - known):
            return f"the verdict on {change.label} is not about {join_names(missing)}"
        if not varied:
            return f"no required test varies {change.label}, so its verdict is about other tests"
    return ""


def judge_sweep(candidate: ReleaseCandidate) -> RuleResult | None:
    """Judge whether a complete sweep (all faults) ran against the baseline file that the policy names.

    Whether the sweep passed is the subject of other rules. Return None if the policy names no baseline.
    """
    baseline = candidate.gate.policy.sweep_baseline
    if not baseline:
        return None
    hint = f"run `pytest --harness-sweep {SWEEP_BASELINE_OPTION}={baseline} --harness-record=sweep.jsonl`"
    sweeps = [one for one in candidate.evidence if is_sweep(one)]
    if not sweeps:
        return RuleResult("sweep", "not shown", f"the evidence has no sweep; {hint}, and name sweep.jsonl too")
    for one in sweeps:
        tested, named = one.record.header.gate_files, command_line_option_of_run(one, SWEEP_BASELINE_OPTION)
        if named is None or posixpath.normpath(named) != posixpath.normpath(baseline):
            return RuleResult("sweep", "not shown", f"{one.path} was not compared with {baseline}; {hint}")
        if narrow := [
            option for option in one.command_line_options if option.partition("=")[0] in _OPTIONS_THAT_LIMIT_SWEEP
        ]:
            return RuleResult("sweep", "not shown", f"{one.path} is only a part of the sweep: {join_names(narrow)}")
        if tested is None or tested.policy_digest != candidate.gate.policy_digest:
            return RuleResult("sweep", "fail", f"{one.path} was made with another {baseline} or policy; {hint}")
    return RuleResult("sweep", "pass", f"{count_with_noun(len(sweeps), 'sweep')} against {baseline}")
