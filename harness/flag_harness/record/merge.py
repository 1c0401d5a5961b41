"""Merge the records of shards, the parts of one test run that ran on different machines."""

import re
from collections.abc import Iterable, Sequence

import msgspec

from flag_harness.errors import RecordError
from flag_harness.record.file import RunRecord
from flag_harness.record.header import GateFiles
from flag_harness.record.row import RunRow

_SHARD_OPTION = "--harness-shard"


def merge_records(records: Sequence[RunRecord]) -> RunRecord:
    """Merge the records of shards (parts of one test run) into the record of a single run.

    If several shards ran a test, its rows are numbered as repetitions. Raise `RecordError` if there is no record, if
    two are the same, or if the shards ran different code (another commit, package version or flags).
    """
    _refuse_records_of_different_runs(records)
    first = records[0].header
    files = {path: digest for record in records for path, digest in record.header.digest_by_file.items()}
    header = msgspec.structs.replace(
        first,
        started_at=min(record.header.started_at for record in records),
        seconds=max(record.header.seconds for record in records),
        is_dirty=any(record.header.is_dirty for record in records),
        digest_by_file=dict(sorted(files.items())),
        shard_count=sum(record.header.shard_count for record in records),
        shard=first.shard if len(records) == 1 else "",
        options=tuple(option for option in first.options if len(records) == 1 or not option.startswith(_SHARD_OPTION)),
        left_out_by=next((record.header.left_out_by for record in records if record.header.left_out_by), ""),
        ignored_paths=tuple(sorted(set.intersection(*(set(record.header.ignored_paths) for record in records)))),
        selected_tests=_merge_selected_tests([record.header.selected_tests for record in records]),
        deselected=tuple(sorted(set.intersection(*(set(record.header.deselected) for record in records)))),
        exit_status=_merge_exit_statuses([-1 if record.problem else record.header.exit_status for record in records]),
        gate_files=_merge_tested_files([record.header.gate_files for record in records]),
        verdicts=tuple(verdict for record in records for verdict in record.header.verdicts),
    )
    rows = _number_repetitions(row for record in records for row in record.rows)
    missing = _missing_shards_message([record.header.shard for record in records])
    problems = [*(record.problem for record in records), missing]
    return RunRecord(header, rows, "\n".join(filter(None, problems)))


def _refuse_records_of_different_runs(records: Sequence[RunRecord]) -> None:
    """Raise `RecordError` if there is no record, if two are the same, or if they are not shards of one run."""
    if not records:
        raise RecordError("there are no records to merge; name at least one file")
    for number, record in enumerate(records, start=1):
        if record.rows and record in records[: number - 1]:
            names = f"{_record_name(records, records.index(record))} and {_record_name(records, number - 1)}"
            raise RecordError(f"{names} are the same run; name the record of each shard once")
    for index, record in enumerate(records[1:], start=1):
        for name in ("commit", "package", "sdk", "flags"):
            ours, theirs = getattr(records[0].header, name), getattr(record.header, name)
            if ours != theirs:
                names = f"{_record_name(records, 0)} and {_record_name(records, index)}"
                raise RecordError(
                    f"{names} are not shards of one run: {name} is {ours!r:.200} and {theirs!r:.200}; "
                    "name the records of one run"
                )


def _record_name(records: Sequence[RunRecord], index: int) -> str:
    """Return a name for the record at `index`: the file from which it was loaded or, if there is none, its number."""
    return records[index].source or f"record {index + 1}"


def _missing_shards_message(shards: Sequence[str]) -> str:
    """Return a message that says which shards of a run are missing, or an empty string if none is missing.

    `shards` are texts such as `1/3`. A single one is not checked.
    """
    parts = [tuple(map(int, shard.split("/"))) for shard in shards if re.fullmatch(r"\d+/\d+", shard)]
    counts = {count for _, count in parts}
    if len(shards) == 1 or not counts:
        return ""
    if len(counts) > 1:
        return f"the shards belong to different runs: {', '.join(shards)}"
    count = counts.pop()
    missing = sorted({*range(1, count + 1)} - {index for index, _ in parts})
    return f"shard {', '.join(map(str, missing))} of {count} is missing, so tests are missing, too" if missing else ""


def _merge_selected_tests(selections: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return all paths and node ids that the shards' command lines named, or an empty tuple if one of them named
    none.
    """
    return tuple(dict.fromkeys(one for selected in selections for one in selected)) if all(selections) else ()


def _merge_exit_statuses(statuses: Sequence[int]) -> int:
    """Return the worst exit status of the shards: -1 if a shard did not come to its end, else the highest status."""
    return -1 if -1 in statuses else max(statuses)


def _merge_tested_files(shards: Sequence[GateFiles | None]) -> GateFiles | None:
    """Merge what the shards recorded about the gate's declared files. Return None if a shard has recorded nothing."""
    known = [shard for shard in shards if shard is not None]
    if not known or len(known) < len(shards):
        return None
    changed = {path for shard in known for path in shard.changed_paths}
    changed.update(
        path
        for shard in known
        for path in {*shard.digest_by_path, *known[0].digest_by_path}
        if known[0].digest_by_path.get(path) != shard.digest_by_path.get(path)
    )
    imported = {path for shard in known for path in shard.imported_paths}
    policies = {shard.policy_digest for shard in known}
    policy = policies.pop() if len(policies) == 1 else ""
    is_opened_known = all(shard.opened_paths is not None for shard in known)
    return GateFiles(
        known[0].digest_by_path,
        tuple(sorted(imported)),
        tuple(sorted(changed)),
        policy,
        tuple(sorted({path for shard in known for path in shard.opened_paths or ()})) if is_opened_known else None,
        tuple(sorted({path for shard in known for path in shard.paths_opened_in_prod})),
    )


def _number_repetitions(rows: Iterable[RunRow]) -> tuple[RunRow, ...]:
    """Give rows of the same test and combination different repetition numbers, and return all rows sorted."""
    seen: dict[tuple[str, str], set[int]] = {}
    numbered = []
    for row in rows:
        taken = seen.setdefault((row.case, row.combination), set())
        number = row.repetition if row.repetition not in taken else max(taken) + 1
        taken.add(number)
        numbered.append(row if number == row.repetition else msgspec.structs.replace(row, repetition=number))
    return tuple(sorted(numbered, key=lambda row: row.key))
