"""The rules about files: the records are complete, and the runs tested exactly the files that may go to PROD."""

import hashlib
from pathlib import Path

from flag_harness.errors import GateError
from flag_harness.gate import git
from flag_harness.gate.declared.imports import find_undeclared_imports
from flag_harness.gate.declared.manifest import changed_paths, file_digests
from flag_harness.gate.declared.patterns import matches_any_file_pattern
from flag_harness.gate.evidence import EvidenceRecord
from flag_harness.gate.rules.candidate import ReleaseCandidate, RuleResult
from flag_harness.gate.settings import GATE_FILE
from flag_harness.wording import count_with_noun, join_names


def judge_records(candidate: ReleaseCandidate) -> RuleResult:
    """Judge whether each run record is complete and has not been edited."""
    for one in candidate.evidence:
        if problem := one.file_problem or one.record.problem:
            return RuleResult("evidence", "fail", f"{one.path}: {problem}; run the tests again")
        if (status := one.record.header.exit_status) not in (0, 1):
            reason = f"pytest was stopped before its end (exit status {status})"
            return RuleResult("evidence", "fail", f"{one.path}: {reason}; run it again")
    rows = sum(len(one.record.rows) for one in candidate.evidence)
    return RuleResult(
        "evidence",
        "pass",
        f"{count_with_noun(len(candidate.evidence), 'whole record')}, {count_with_noun(rows, 'row')}",
    )


def judge_patterns(candidate: ReleaseCandidate) -> RuleResult:
    """Judge whether each pattern of the declared files matches a file."""
    unused = [
        pattern
        for pattern in candidate.gate.file_patterns
        if not any(matches_any_file_pattern(path, [pattern]) for path in candidate.file_states)
    ]
    if unused:
        return RuleResult(
            "declared files",
            "fail",
            f"no file in {candidate.test_folder} matches {join_names(unused)}; correct `files`",
        )
    return RuleResult("declared files", "pass", count_with_noun(len(candidate.file_states), "file"))


def judge_file_digests(candidate: ReleaseCandidate) -> RuleResult:
    """Judge whether the runs in evidence used exactly the files that may go to PROD."""
    digests = file_digests(candidate.file_states)
    for one in candidate.evidence:
        tested = one.record.header.gate_files
        if tested is None:
            hint = "run pytest in the folder whose settings declare the gate"
            return RuleResult("tested files", "not shown", f"{one.path} holds no hashes of declared files; {hint}")
        if tested.changed_paths:
            reason = "changed during the run, or in `__pycache__` with the code of another source: "
            return RuleResult("tested files", "fail", f"{one.path}: {reason}{join_names(tested.changed_paths)}")
        if other := changed_paths(digests, tested.digest_by_path):
            return RuleResult(
                "tested files", "fail", f"{one.path} was made with other contents of {join_names(other)}; test again"
            )
    return RuleResult(
        "tested files", "pass", f"the hashes of {count_with_noun(len(digests), 'file')} match the evidence"
    )


def judge_test_files(candidate: ReleaseCandidate) -> RuleResult:
    """Judge whether the files that are not copied to PROD are unchanged since the runs in evidence.

    These files are the tests, the modules that they import, the settings, and the scenarios and recordings that gave
    answers.
    """
    gate, known = candidate.gate, dict[str, str]()
    for one in candidate.evidence:
        changed = [
            path
            for path, digest in _files_outside_gate_folders(candidate, one)
            if known.setdefault(path, _digest_or_empty(gate.root_folder / path)) != digest
        ]
        if changed:
            reason = f"{one.path} was made with other contents of {join_names(sorted({*changed}))}; run the tests again"
            return RuleResult("test files", "fail", reason)
    played = [
        row.case
        for one in candidate.evidence
        for row in one.record.rows
        if row.recorded_from and not row.digest_by_input
    ]
    if played:
        reason = f"the hashes of the recordings of {join_names(dict.fromkeys(played))} are not in the evidence"
        return RuleResult("test files", "not shown", f"{reason}, as in records of older releases; run the tests again")
    reason = f"{count_with_noun(len(known), 'file')} as in the runs: tests, settings, scenarios and recordings"
    return RuleResult("test files", "pass", reason)


def judge_committed_files(candidate: ReleaseCandidate) -> RuleResult | None:
    """Judge whether the files that are not copied to PROD are committed unchanged, so that reviewers have seen them.

    Return None if the policy does not demand it.
    """
    if not candidate.gate.policy.requires_commits:
        return None
    root = candidate.gate.root_folder
    paths = {path for one in candidate.evidence for path, _ in _files_outside_gate_folders(candidate, one)}
    paths |= {GATE_FILE} if (root / GATE_FILE).is_file() else set()
    if loose := git.uncommitted_paths(root, paths):
        reason = f"the last commit does not have {join_names(loose)} as the runs had it; commit it"
        return RuleResult("committed files", "not shown", reason)
    reason = f"{count_with_noun(len(paths), 'file')} committed: tests, settings, scenarios and recordings"
    return RuleResult("committed files", "pass", reason)


def _files_outside_gate_folders(candidate: ReleaseCandidate, evidence_record: EvidenceRecord) -> set[tuple[str, str]]:
    """Return `(path, SHA-256)` for each file outside of TEST and PROD that a run imported or that gave a test its
    answers.
    """
    gate = candidate.gate
    folders = [
        folder.resolve() for folder in (candidate.test_folder, gate.test_folder, gate.prod_folder) if folder is not None
    ]
    files = {item for row in evidence_record.record.rows for item in row.digest_by_input.items()} | {
        *evidence_record.record.header.digest_by_file.items()
    }
    return {
        (path, digest)
        for path, digest in files
        if not any(map((gate.root_folder / path).resolve().is_relative_to, folders))
    }


def _digest_or_empty(path: Path) -> str:
    """Return the SHA-256 of a file, or an empty string if it is missing."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def judge_imports(candidate: ReleaseCandidate) -> RuleResult:
    """Judge whether everything that declared files import from their own folder is declared too."""
    try:
        found = find_undeclared_imports(candidate.test_folder, candidate.file_states)
    except GateError as error:
        return RuleResult("imports", "fail", str(error))
    if found:
        names = join_names(f"{path} (imported by {importer})" for path, importer in sorted(found.items()))
        return RuleResult(
            "imports", "fail", f"PROD would lack files that are not declared: {names}; add them to `files`"
        )
    return RuleResult("imports", "pass", "everything that declared files import from their folder is declared")


def judge_imported_files(candidate: ReleaseCandidate) -> RuleResult | None:
    """Judge whether the runs imported the declared Python files that the policy names, and imported them from TEST.

    Return None if the policy names none.
    """
    patterns = candidate.gate.policy.imported_patterns
    wanted = {path for path in candidate.file_states if matches_any_file_pattern(path, patterns)}
    if not wanted:
        return None
    tested = [one.record.header.gate_files for one in candidate.evidence]
    missing = wanted - {path for one in tested if one for path in one.imported_paths}
    if not missing:
        return RuleResult("imported files", "pass", f"the runs imported {count_with_noun(len(wanted), 'file')}")
    if killed := [str(one.path) for one in candidate.evidence if one.record.header.exit_status == -1]:
        reason = f"{join_names(killed)}: the run has not ended, so it does not say what it imported; run it again"
        return RuleResult("imported files", "not shown", reason)
    elsewhere = sorted(
        run_path
        for one in candidate.evidence
        for run_path in one.record.header.digest_by_file
        for path in missing
        if f"/{run_path}".endswith(f"/{path}") and not path.endswith("__init__.py")
    )
    if elsewhere:
        return RuleResult("imported files", "fail", f"the runs imported {join_names(elsewhere)}, not the file of TEST")
    reason = f"no run imported {join_names(sorted(missing))}; test it, or leave it out of `policy.imported`"
    return RuleResult("imported files", "not shown", reason)


def judge_opened_files(candidate: ReleaseCandidate) -> RuleResult | None:
    """Judge whether the runs opened the declared files that are not Python, such as prompts, from TEST and not from
    PROD.

    Return None if there are no such files. Files that no run opened are named but do not fail the rule, because another
    process, such as a server under test, may have opened them.
    """
    wanted = {path for path in candidate.file_states if not path.endswith(".py")}
    tested = [one.record.header.gate_files for one in candidate.evidence]
    if not wanted or any(one is None or one.opened_paths is None for one in tested):
        return None
    opened = {path for one in tested if one for path in one.opened_paths or ()} & wanted
    in_prod = {path for one in tested if one for path in one.paths_opened_in_prod} & wanted
    if elsewhere := sorted(in_prod - opened):
        names = join_names(f"{candidate.gate.prod_folder}/{path}" for path in elsewhere)
        reason = f"the runs read {names}, not the file of TEST; let the code read that"
        return RuleResult("opened files", "fail", reason)
    missing = join_names(sorted(wanted - opened))
    note = f"; no run opened {missing}, unless in another process" if missing else ""
    return RuleResult("opened files", "pass", f"the runs opened {count_with_noun(len(opened), 'file')}{note}")
