"""The rules about an approval: which files it covers, who gave it, and whether its commit is signed."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from flag_harness.durations import time_since
from flag_harness.gate import git
from flag_harness.gate.approval import ApprovalFile, approval_problem, approve_command
from flag_harness.gate.declared.manifest import changed_paths, manifest_digest
from flag_harness.gate.prod.folder import ProductionFolder
from flag_harness.gate.prod.history import HistoryEntry
from flag_harness.gate.rules.candidate import ReleaseCandidate, RuleResult
from flag_harness.wording import join_names


def judge_approval(file: ApprovalFile, candidate: ReleaseCandidate, entries: Sequence[HistoryEntry]) -> RuleResult:
    """Judge whether an approval is valid for the candidate, and no later rollback has removed its files from PROD.

    `entries` are the history of PROD.
    """
    if problem := approval_problem(file, candidate):
        return RuleResult("approval", "fail", problem)
    approval = file.approval
    if (rollback := _find_later_rollback(file, entries)) is not None:
        command = approve_command(sorted(approval.digest_by_record_path))
        reason = f"{file.path} is older than rollback {rollback.number}, which withdrew these files"
        return RuleResult("approval", "fail", f"{reason}; if they may go to PROD again: {command}")
    return RuleResult("approval", "pass", f"{approval.approver}, {approval.time}: {approval.reason}")


def judge_approver(
    file: ApprovalFile, candidate: ReleaseCandidate, prod: ProductionFolder, entries: Sequence[HistoryEntry]
) -> RuleResult | None:
    """Judge whether somebody who did not write the change committed the approval.

    Return None if the policy does not demand it. `entries` are the history of PROD.
    """
    if not candidate.gate.policy.requires_other_person:
        return None
    if not git.is_file_committed(file.path.parent, file.path.name):
        return RuleResult("other person", "not shown", f"{file.path} is not committed; commit it")
    before = prod.read_files_before_edits(entries)
    changed = changed_paths(before, candidate.file_states)
    if loose := [path for path in changed if not git.is_file_committed(candidate.test_folder, path)]:
        return RuleResult("other person", "not shown", f"git does not know who wrote {join_names(loose)}; commit it")
    approver = git.author_of_last_commit(file.path.parent, file.path.name)
    authors = find_authors(candidate, prod, entries)
    if same := sorted(authors & git.emails_of_last_commit(file.path.parent, file.path.name)):
        return RuleResult("other person", "fail", f"{same[0]} wrote the change, so somebody else must approve it")
    return RuleResult("other person", "pass", f"{approver} approves, {join_names(sorted(authors)) or 'nobody'} wrote")


def find_authors(candidate: ReleaseCandidate, prod: ProductionFolder, entries: Sequence[HistoryEntry]) -> set[str]:
    """Return the emails of everybody whose commits made the candidate's files differ from those in PROD.

    If somebody edited a file in PROD directly, the file is compared with its last promoted version.
    """
    before, authors = prod.read_files_before_edits(entries), set[str]()
    now = prod.read_declared_files()
    for path in changed_paths(before, candidate.file_states):
        state = before.get(path)
        is_unedited = state is None or state == now.get(path)
        old = prod.folder / path if is_unedited else prod.history.content_path(state.digest if state else "")
        authors |= git.emails_of_change_authors(
            candidate.test_folder, path, old, is_executable=state is not None and state.is_executable
        )
    return authors


def _find_later_rollback(file: ApprovalFile, entries: Sequence[HistoryEntry]) -> HistoryEntry | None:
    """Return the last rollback that removed the approved files from PROD after their approval, or None."""
    for rollback in reversed(entries):
        if rollback.restored_number is None:
            continue
        age = time_since(file.approval.time, datetime.fromisoformat(rollback.time))
        is_older = age is not None and age >= timedelta(0)
        for entry in entries[rollback.restored_number + 1 : rollback.number]:
            is_same = manifest_digest(entry.file_states) == file.approval.files_digest
            if (
                is_same
                and entry.file_states != rollback.file_states
                and (is_older or entry.approval_file == file.path.name)
            ):
                return rollback
    return None


def judge_signature(file: ApprovalFile, candidate: ReleaseCandidate) -> RuleResult | None:
    """Judge whether the commit of the approval has a valid signature. Return None if the policy does not demand it."""
    if not candidate.gate.policy.requires_signature:
        return None
    if not git.is_file_committed(file.path.parent, file.path.name):
        return RuleResult("signature", "not shown", f"{file.path} is not committed; commit it with `git commit -S`")
    commit = git.last_commit(file.path.parent, file.path.name)
    if not git.has_valid_signature(file.path.parent, commit):
        reason = f"git verify-commit does not accept {commit[:12]}, the commit of {file.path}"
        return RuleResult("signature", "fail", reason)
    return RuleResult("signature", "pass", f"git verify-commit accepts {commit[:12]}")


def judge_approval_rules(
    file: ApprovalFile, candidate: ReleaseCandidate, prod: ProductionFolder, entries: Sequence[HistoryEntry]
) -> tuple[RuleResult, ...]:
    """Return the results of all rules about an approval that the policy contains. `entries` are the history of PROD."""
    results = (
        judge_approval(file, candidate, entries),
        judge_approver(file, candidate, prod, entries),
        judge_signature(file, candidate),
    )
    return tuple(result for result in results if result is not None)
