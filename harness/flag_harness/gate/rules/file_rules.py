"""The rules about files: the evidence is complete, and it was made with the files that may go to PROD."""

import hashlib
from pathlib import Path

from flag_harness.errors import GateError
from flag_harness.gate.declared.imports import find_undeclared_imports
from flag_harness.gate.declared.manifest import file_digests, paths_that_differ
from flag_harness.gate.declared.patterns import matches_file
from flag_harness.gate.rules.candidate import ReleaseCandidate, RuleResult
from flag_harness.wording import count_with_noun, join_names


def judge_records(candidate: ReleaseCandidate) -> RuleResult:
    """Judge whether each record is complete and unedited."""
    for one in candidate.evidence:
        if problem := one.problem or one.record.problem:
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
    """Judge whether each declared pattern matches a file."""
    unused = [
        pattern
        for pattern in candidate.gate.files
        if not any(matches_file(path, [pattern]) for path in candidate.files)
    ]
    if unused:
        return RuleResult(
            "declared files", "fail", f"no file in {candidate.source} matches {join_names(unused)}; correct `files`"
        )
    return RuleResult("declared files", "pass", count_with_noun(len(candidate.files), "file"))


def judge_file_digests(candidate: ReleaseCandidate) -> RuleResult:
    """Judge whether the runs had exactly the files that may go to PROD."""
    digests = file_digests(candidate.files)
    for one in candidate.evidence:
        tested = one.record.header.tested
        if tested is None:
            hint = "run pytest in the folder whose settings declare the gate"
            return RuleResult("tested files", "not shown", f"{one.path} holds no hashes of declared files; {hint}")
        if tested.changed:
            reason = "changed during the run, or in `__pycache__` with the code of another source: "
            return RuleResult("tested files", "fail", f"{one.path}: {reason}{join_names(tested.changed)}")
        if other := paths_that_differ(digests, tested.digests):
            return RuleResult(
                "tested files", "fail", f"{one.path} was made with other contents of {join_names(other)}; test again"
            )
    return RuleResult(
        "tested files", "pass", f"the hashes of {count_with_noun(len(digests), 'file')} match the evidence"
    )


def judge_test_files(candidate: ReleaseCandidate) -> RuleResult:
    """Judge whether the files that are not promoted are unchanged since the runs in evidence.

    These are the tests, the modules that they import, and the settings.
    """
    gate = candidate.gate
    folders = [one.resolve() for one in (candidate.source, gate.test, gate.prod) if one is not None]
    known: dict[str, str] = {}
    for one in candidate.evidence:
        changed = [
            path
            for path, digest in one.record.header.files.items()
            if not any((gate.root / path).resolve().is_relative_to(folder) for folder in folders)
            and known.setdefault(path, _digest_or_empty(gate.root / path)) != digest
        ]
        if changed:
            reason = f"{one.path} was made with other contents of {join_names(sorted(changed))}; run the tests again"
            return RuleResult("test files", "fail", reason)
    return RuleResult("test files", "pass", f"{count_with_noun(len(known), 'file')} as in the runs: tests and settings")


def _digest_or_empty(path: Path) -> str:
    """Return the SHA-256 of a file, or an empty string if it is missing."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def judge_imports(candidate: ReleaseCandidate) -> RuleResult:
    """Judge whether everything that declared files import from their folder is declared too."""
    try:
        found = find_undeclared_imports(candidate.source, candidate.files)
    except GateError as error:
        return RuleResult("imports", "fail", str(error))
    if found:
        names = join_names(f"{path} (imported by {importer})" for path, importer in sorted(found.items()))
        return RuleResult(
            "imports", "fail", f"PROD would lack files that are not declared: {names}; add them to `files`"
        )
    return RuleResult("imports", "pass", "everything that declared files import from their folder is declared")


def judge_imported_files(candidate: ReleaseCandidate) -> RuleResult | None:
    """Judge whether the runs imported the declared files, and from TEST."""
    patterns = candidate.gate.policy.imported
    wanted = {path for path in candidate.files if matches_file(path, patterns)}
    if not wanted:
        return None
    tested = [one.record.header.tested for one in candidate.evidence]
    missing = wanted - {path for one in tested if one for path in one.imported}
    if not missing:
        return RuleResult("imported files", "pass", f"the runs imported {count_with_noun(len(wanted), 'file')}")
    elsewhere = sorted(
        run_path
        for one in candidate.evidence
        for run_path in one.record.header.files
        for path in missing
        if f"/{run_path}".endswith(f"/{path}") and not path.endswith("__init__.py")
    )
    if elsewhere:
        return RuleResult("imported files", "fail", f"the runs imported {join_names(elsewhere)}, not the file of TEST")
    reason = f"no run imported {join_names(sorted(missing))}; test it, or leave it out of `policy.imported`"
    return RuleResult("imported files", "not shown", reason)
