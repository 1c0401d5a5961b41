"""The rules about an approval: what it covers, who gave it, and whether its commit is signed."""

from pathlib import Path

from flag_harness.gate import git
from flag_harness.gate.approval import ApprovalFile, approval_problem
from flag_harness.gate.declared.manifest import paths_that_differ, read_manifest
from flag_harness.gate.rules.candidate import ReleaseCandidate, RuleResult
from flag_harness.wording import join_names


def judge_approval(file: ApprovalFile, candidate: ReleaseCandidate) -> RuleResult:
    """Judge whether an approval covers the candidate."""
    if problem := approval_problem(file, candidate):
        return RuleResult("approval", "fail", problem)
    approval = file.approval
    return RuleResult("approval", "pass", f"{approval.name}, {approval.time}: {approval.reason}")


def judge_approver(file: ApprovalFile, candidate: ReleaseCandidate, prod: Path) -> RuleResult | None:
    """Judge whether the approval was committed by somebody who did not write the change."""
    if not candidate.gate.policy.other_person:
        return None
    if not git.is_committed(file.path.parent, file.path.name):
        return RuleResult("other person", "not shown", f"{file.path} is not committed; commit it")
    changed = paths_that_differ(read_manifest(prod, candidate.gate.files), candidate.files)
    if loose := [path for path in changed if not git.is_committed(candidate.source, path)]:
        return RuleResult("other person", "not shown", f"git does not know who wrote {join_names(loose)}; commit it")
    approver = git.author_of_last_commit(file.path.parent, file.path.name)
    authors = {one for path in changed for one in git.people_who_wrote_change(candidate.source, path, prod / path)}
    if same := sorted(authors & git.people_of_last_commit(file.path.parent, file.path.name)):
        return RuleResult("other person", "fail", f"{same[0]} wrote the change, so somebody else must approve it")
    return RuleResult("other person", "pass", f"{approver} approves, {join_names(sorted(authors)) or 'nobody'} wrote")


def judge_signature(file: ApprovalFile, candidate: ReleaseCandidate) -> RuleResult | None:
    """Judge whether the commit of the approval has a signature that git verifies."""
    if not candidate.gate.policy.signed:
        return None
    if not git.is_committed(file.path.parent, file.path.name):
        return RuleResult("signature", "not shown", f"{file.path} is not committed; commit it with `git commit -S`")
    commit = git.last_commit(file.path.parent, file.path.name)
    if not git.has_valid_signature(file.path.parent, commit):
        reason = f"git verify-commit does not accept {commit[:12]}, the commit of {file.path}"
        return RuleResult("signature", "fail", reason)
    return RuleResult("signature", "pass", f"git verify-commit accepts {commit[:12]}")


def judge_approval_rules(file: ApprovalFile, candidate: ReleaseCandidate, prod: Path) -> tuple[RuleResult, ...]:
    """Return the results of the rules about an approval."""
    results = (judge_approval(file, candidate), judge_approver(file, candidate, prod), judge_signature(file, candidate))
    return tuple(result for result in results if result is not None)
