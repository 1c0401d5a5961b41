"""What the `gate` commands print: lines of text, Markdown, and plain values for JSON."""

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from flag_harness.gate.declared.manifest import changed_paths, manifest_digest, read_declared_file
from flag_harness.gate.prod.folder import ProductionChange, ProductionFolder
from flag_harness.gate.prod.history import HistoryEntry
from flag_harness.gate.prod.journalled_change import describe_change
from flag_harness.gate.prod.status import GateStatus
from flag_harness.gate.rules.candidate import ReleaseCandidate, RuleResult, all_rules_pass
from flag_harness.wording import count_with_noun, join_names, printable_text

_ICON_BY_STATUS = {"pass": "✅", "fail": "❌", "not shown": "❔"}


def rule_result_lines(results: Sequence[RuleResult]) -> list[str]:
    """Return the results of the gate's rules as a table in lines of text, followed by a conclusion."""
    width = max(len(result.rule) for result in results)
    lines = [f"{result.status:<9}  {result.rule:<{width}}  {printable_text(result.reason)}" for result in results]
    return [*lines, "", _conclusion_text(results)]


def rule_result_markdown(results: Sequence[RuleResult]) -> list[str]:
    """Return the results of the gate's rules as lines of Markdown."""
    cells = ((f"{_ICON_BY_STATUS[one.status]} {one.status}", one.rule, one.reason) for one in results)
    rows = [f"| {' | '.join(map(_escape_markdown, row))} |" for row in cells]
    title = f"## {'✅' if all_rules_pass(results) else '❌'} Gate: {_conclusion_text(results)}"
    return [title, "", "| result | rule | reason |", "| --- | --- | --- |", *rows]


def rule_results_to_json(candidate: ReleaseCandidate, results: Sequence[RuleResult]) -> dict[str, object]:
    """Return the results of the gate's rules, with the candidate that was judged, as plain values for JSON."""
    return {
        "passed": all_rules_pass(results),
        "source": str(candidate.test_folder),
        "files": manifest_digest(candidate.file_states),
        "policy": candidate.gate.policy_digest,
        "evidence": {str(one.path): one.digest for one in candidate.evidence},
        "rules": [{"rule": one.rule, "status": one.status, "reason": one.reason} for one in results],
    }


def production_change_lines(change: ProductionChange, prod: ProductionFolder, source: Path | None) -> list[str]:
    """Return lines that describe a change of PROD: a diff if it was a dry run, or else the names of the changed files.

    `source` is the folder with the new files, or None if their content is taken from PROD's history.
    """
    entry, paths = change.entry, change.changed_paths
    what = describe_change(entry)
    if not change.is_made:
        diff = [line for path in paths for line in _diff_lines(change, prod, source, path)]
        return [
            *diff,
            f"{what} would change {count_with_noun(len(paths), 'file')} of {prod.folder}; nothing was changed",
        ]
    if not paths and entry.kind == "promotion":
        return [f"{what}: {prod.folder} had these files already, by somebody else's hand; now they are approved"]
    names = join_names(paths) or "no file differed"
    return [f"{what}: {count_with_noun(len(paths), 'file')} of {prod.folder} changed: {names}"]


def production_change_to_json(change: ProductionChange) -> dict[str, object]:
    """Return a change of PROD as plain values for JSON."""
    return {
        "entry": change.entry.number,
        "kind": change.entry.kind,
        "is_made": change.is_made,
        "changed": change.changed_paths,
        "files": manifest_digest(change.entry.file_states),
    }


def history_lines(entries: Sequence[HistoryEntry]) -> list[str]:
    """Return one line for each change in PROD's history, newest first."""
    if not entries:
        return ["nothing has been promoted yet"]
    lines = []
    for entry, before in zip(reversed(entries), [*reversed(entries[:-1]), None], strict=True):
        number = len(changed_paths(before.file_states, entry.file_states)) if before else len(entry.file_states)
        kind = entry.kind if entry.restored_number is None else f"{entry.kind} to {entry.restored_number}"
        words = ": ".join(filter(None, (entry.person, entry.reason)))
        files = count_with_noun(number, "file")
        line = f"{entry.number:>4}  {_time_text(entry)}  {kind:<14}  {files:<9}  {words}"
        lines.append(printable_text(line.rstrip()))
    return lines


def history_to_json(entries: Sequence[HistoryEntry]) -> list[dict[str, object]]:
    """Return the changes in PROD's history as plain values for JSON, oldest first."""
    return [
        {
            "entry": entry.number,
            "kind": entry.kind,
            "time": entry.time,
            "name": entry.person,
            "reason": entry.reason,
            "restored": entry.restored_number,
            "approval": entry.approval_file,
            "evidence": entry.digest_by_record_path,
            "files": manifest_digest(entry.file_states),
        }
        for entry in entries
    ]


def status_lines(status: GateStatus) -> list[str]:
    """Return what is in PROD and TEST, and what to do next, as lines of text."""
    last = status.last_entry
    lines = [
        f"{_folder_text('PROD', status.prod_folder)}: "
        + (f"{last.kind} {last.number}, {_time_text(last)}" if last else "nothing has been promoted yet")
    ]
    if status.interruption_text:
        lines.append(f"  {status.interruption_text}")
    if status.modified_prod_files:
        since = "then" if last else "it was staged"
        lines.append(f"  changed since {since} by somebody else: {join_names(status.modified_prod_files)}")
    if status.test_folder is None:
        return [*lines, "TEST: there is no such folder; `flag-harness gate stage` creates it"]
    if not status.differing_files:
        return [*lines, f"{_folder_text('TEST', status.test_folder)}: same as PROD"]
    lines.append(
        f"{_folder_text('TEST', status.test_folder)}: differs from PROD in {join_names(status.differing_files)}"
    )
    approvals, void = join_names(status.valid_approvals), status.reason_by_void_approval
    lines.append(f"  approvals of these files: {approvals}" if approvals else "  nobody has approved these files")
    return [*lines, *(f"  does not count: {path}: {printable_text(reason)}" for path, reason in void.items())]


def _folder_text(role: str, folder: Path) -> str:
    """Return the role (`TEST` or `PROD`) and the name of a folder, or only one of them if they are the same."""
    return role if str(folder) == role else f"{role} {folder}"


def _time_text(entry: HistoryEntry) -> str:
    """Return the time of a history entry without fractions of seconds."""
    return re.sub(r"\.\d+", "", entry.time)


def _conclusion_text(results: Sequence[RuleResult]) -> str:
    bad = sum(result.status != "pass" for result in results)
    if not bad:
        return f"all {count_with_noun(len(results), 'rule')} pass"
    return f"{bad} of {count_with_noun(len(results), 'rule')} {'does' if bad == 1 else 'do'} not pass"


def _diff_lines(change: ProductionChange, prod: ProductionFolder, source: Path | None, path: str) -> Iterator[str]:
    old_state, new_state = change.files_before.get(path), change.entry.file_states.get(path)
    old = read_declared_file(prod.folder, path) if old_state else b""
    new = (
        b""
        if new_state is None
        else read_declared_file(source, path)
        if source
        else prod.history.read_content(new_state.digest)
    )
    if old_state and new_state and old_state.is_executable != new_state.is_executable:
        yield f"{path}: becomes {'executable' if new_state.is_executable else 'not executable'}"
    try:
        before, after = (data.decode("utf-8").splitlines() for data in (old, new))
    except UnicodeDecodeError:
        yield f"{path}: {len(old):,} bytes that are not text become {len(new):,}"
        return
    names = (f"PROD/{path}" if old_state else "/dev/null", f"TEST/{path}" if new_state else "/dev/null")
    yield from map(printable_text, difflib.unified_diff(before, after, *names, lineterm=""))


def _escape_markdown(text: str) -> str:
    return "".join(f"\\{one}" if one in "\\`*_[]<>|~#@&!" else one for one in printable_text(text))
