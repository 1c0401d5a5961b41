"""Approvals: files in git, each of which approves exact files on the basis of exact run records and one policy."""

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from flag_harness.durations import is_in_future, time_since
from flag_harness.errors import GateError, GateRefusalError
from flag_harness.files import read_regular_file, write_atomically
from flag_harness.gate.declared.manifest import FileState, changed_paths, manifest_digest
from flag_harness.gate.rules.candidate import ReleaseCandidate
from flag_harness.gate.settings import GateSettings
from flag_harness.wording import join_names

FORMAT_VERSION = 1
_MAX_APPROVAL_BYTES = 16 << 20


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """An approval, as its file holds it.

    Attributes:
        format_version: the version of the format.
        approver: who approves.
        reason: that person's reason.
        time: the time of the approval, in ISO 8601.
        files_digest: the digest of `approved_files`.
        policy_digest: the digest of the policy.
        digest_by_record_path: the SHA-256 of each run record, by its path relative to the project.
        approved_files: the state of each approved file, so that people can see what they approve.
    """

    format_version: int = msgspec.field(default=FORMAT_VERSION, name="flag_harness_approval")
    approver: str = msgspec.field(name="name")
    reason: str
    time: str
    files_digest: str = msgspec.field(name="files")
    policy_digest: str = msgspec.field(name="policy")
    digest_by_record_path: dict[str, str] = msgspec.field(name="evidence")
    approved_files: dict[str, FileState] = msgspec.field(name="manifest")


@dataclass(frozen=True, slots=True)
class ApprovalFile:
    """An approval and the path of its file."""

    path: Path
    approval: Approval


def write_approval_file(candidate: ReleaseCandidate, name: str, reason: str) -> ApprovalFile:
    """Write an approval of the candidate (files and the evidence for them), and return it.

    Raise `GateError` if the file cannot be written.
    """
    gate, files = candidate.gate, manifest_digest(candidate.file_states)
    time = datetime.now(UTC)
    approval = Approval(
        approver=name,
        reason=reason,
        time=time.isoformat(timespec="microseconds"),
        files_digest=files,
        policy_digest=gate.policy_digest,
        digest_by_record_path={
            _path_relative_to_project(one.path, gate.root_folder): one.digest for one in candidate.evidence
        },
        approved_files=candidate.file_states,
    )
    path = gate.approvals_folder / f"{time:%Y%m%d-%H%M%S-%f}-{files[:8]}.json"
    data = msgspec.json.format(msgspec.json.encode(approval), indent=2) + b"\n"
    try:
        write_atomically(path, data)
    except OSError as error:
        raise GateError(f"{path}: cannot be written: {error.strerror}; set `approvals` to a folder in git") from None
    return ApprovalFile(path, approval)


def load_approvals(folder: Path) -> list[ApprovalFile]:
    """Load all approvals in a folder, newest first. Raise `GateError` if one cannot be read."""
    files = [ApprovalFile(path, _load_approval(path)) for path in sorted(folder.glob("*.json"))]
    return sorted(files, key=lambda file: file.approval.time, reverse=True)


def approvals_of_files(
    gate: GateSettings, files: Mapping[str, FileState], evidence: Sequence[Path] = ()
) -> list[ApprovalFile]:
    """Return the approvals of exactly these files, newest first.

    If there is none, raise `GateRefusalError`. Its message says which files the nearest approval covers, and which
    command to type; `evidence` are the run records for that command.
    """
    folder = gate.approvals_folder
    every, digest = load_approvals(folder), manifest_digest(files)
    if found := [one for one in every if one.approval.files_digest == digest]:
        return found
    if not every:
        command = approve_command([*map(str, evidence)] or [_newest_record_name(gate.root_folder)])
        raise GateRefusalError(f"{folder}: there is no approval; to make one: {command}")
    nearest = min(every, key=lambda one: len(changed_paths(one.approval.approved_files, files)))
    names = join_names(changed_paths(nearest.approval.approved_files, files))
    records = (
        [*map(str, evidence)]
        or sorted(nearest.approval.digest_by_record_path)
        or [_newest_record_name(gate.root_folder)]
    )
    raise GateRefusalError(
        f"nobody has approved these files; the nearest approval, {nearest.path}, differs in {names}. If they have not "
        f"been tested: pytest --harness-record={records[0]}; then: {approve_command(records)}"
    )


def approve_command(records: Sequence[str]) -> str:
    """Return the command that approves files on the basis of these run records."""
    return f'flag-harness gate approve {" ".join(map(shlex.quote, records))} --reason "why"'


def _newest_record_name(root: Path) -> str:
    """Return the name of the newest `.jsonl` file in `root`, which may be a run record, or `run.jsonl` if there is
    none.
    """
    found = sorted(root.glob("*.jsonl"), key=lambda path: path.stat().st_mtime)
    return found[-1].name if found else "run.jsonl"


def approval_problem(file: ApprovalFile, candidate: ReleaseCandidate) -> str:
    """Return why an approval is not valid for the candidate, or an empty string if it is.

    The approval may have been edited, or made under another policy or on other evidence.
    """
    approval, command = file.approval, approve_command([str(one.path) for one in candidate.evidence])
    age = time_since(approval.time, candidate.checked_at)
    if age is None or is_in_future(age):
        return f"{file.path} was made at {approval.time}, which is in the future; set the clock"
    if approval.files_digest != manifest_digest(approval.approved_files):
        return f"{file.path} was edited: its list of files does not match its digest"
    if approval.policy_digest != candidate.gate.policy_digest:
        return f"{file.path} was made under another policy; approve again under the current one: {command}"
    if sorted(approval.digest_by_record_path.values()) != sorted(one.digest for one in candidate.evidence):
        return f"{file.path} was made on other evidence, or the evidence was edited since; approve again: {command}"
    return ""


def evidence_paths(gate: GateSettings, file: ApprovalFile) -> list[Path]:
    """Return the paths of the run records that an approval is based on."""
    return [gate.root_folder / path for path in file.approval.digest_by_record_path]


def _load_approval(path: Path) -> Approval:
    if path.is_symlink():
        raise GateError(f"{path}: is a symbolic link; put the approval itself there, so that git knows its content")
    try:
        data = read_regular_file(path, _MAX_APPROVAL_BYTES)
        approval = msgspec.json.decode(data, type=Approval)
        json.loads(data, object_pairs_hook=_refuse_repeated_keys)
    except OSError as error:
        raise GateError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # msgspec's and json's errors are ValueErrors
        raise GateError(f"{path}: is not an approval: {error}; remove it, or restore it from git") from None
    if approval.format_version > FORMAT_VERSION:
        raise GateError(f"{path}: format {approval.format_version}; install the release that wrote it")
    return approval


def _refuse_repeated_keys(pairs: list[tuple[str, object]]) -> None:
    """Raise `ValueError` if a JSON object has a key twice.

    A reader of the file could see another value than the gate does.
    """
    counts = Counter(key for key, _ in pairs)
    if repeated := [key for key, count in counts.items() if count > 1]:
        raise ValueError(f"it has the key {repeated[0]!r} twice")


def _path_relative_to_project(path: Path, root: Path) -> str:
    absolute = path.absolute()
    return (absolute.relative_to(root.absolute()) if absolute.is_relative_to(root.absolute()) else absolute).as_posix()
