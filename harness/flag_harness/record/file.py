"""Files of run records. Each consists of JSON lines: first a header, then one row for each test and combination."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from flag_harness.errors import RecordError
from flag_harness.files import read_regular_file, write_atomically
from flag_harness.record.flags import flag_from_declaration
from flag_harness.record.header import FORMAT_VERSION, GateFiles, RunHeader
from flag_harness.record.row import RunRow

PYTEST_CACHE_FOLDER, LAST_RUN_FILE = "flag-harness", "last-run.jsonl"
"""The folder in pytest's cache and the file in this folder that hold the record of the last run."""
_MAX_BYTES = 1 << 30
_SHARD_OPTION = "--harness-shard"
_DIGEST_KEY = "digest"
"""The key in the first line of a record file that holds the digest of the file. `RunHeader` has no such field."""
_encoder = msgspec.json.Encoder(order="deterministic")
_header_decoder = msgspec.json.Decoder(RunHeader)
_row_decoder = msgspec.json.Decoder(RunRow)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The record of one run: a header, and one row for each test, combination and repetition, sorted by these three.

    `problem` says what is wrong with the record, such as an incomplete last line because the run was killed, or is
    empty.
    `source` is the file that it was loaded from, or empty.
    """

    header: RunHeader
    rows: tuple[RunRow, ...]
    problem: str = ""
    source: str = field(default="", compare=False)


def make_record(header: RunHeader, rows: Iterable[RunRow]) -> RunRecord:
    """Return the record of a run from its header and rows. The rows may be in any order; they are sorted."""
    return RunRecord(header, tuple(sorted(rows, key=lambda row: row.key)))


def encode_record(header: RunHeader, rows: Iterable[RunRow]) -> bytes:
    """Encode a record as JSON lines. The rows are sorted, so equal runs give equal bytes.

    The first line has a digest of the file, from which `find_record_problem` can tell whether the file was changed
    later.
    """
    lines = [_encoder.encode(row) for row in sorted(rows, key=lambda row: row.key)]
    head: dict[str, Any] = msgspec.to_builtins(header)
    first = _encoder.encode({**head, _DIGEST_KEY: _content_digest(head, lines)})
    return b"".join(line + b"\n" for line in (first, *lines))


def find_record_problem(data: bytes) -> str:
    """Return why the bytes of a record file are not what the run wrote, or an empty string if they are.

    This reveals accidents and careless edits only, because the file's digest needs no secret key: an attacker can
    compute it anew. To reveal more, keep a hash of the file elsewhere.
    """
    first, *lines = data.split(b"\n")
    if not lines or lines.pop() != b"":
        return "its last line is incomplete, so it was cut or the run was killed"
    try:
        head = msgspec.json.decode(first)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return "its first line is not JSON"
    digest = head.pop(_DIGEST_KEY, None) if isinstance(head, dict) else None
    if digest is None:
        return "it has no digest, so the run did not come to its end, or an older release wrote it"
    return (
        ""
        if digest == _content_digest(head, lines)
        else "it was changed after it was written: its digest does not match"
    )


def _content_digest(header: Mapping[str, Any], lines: Iterable[bytes]) -> str:
    """Return the digest of a record, computed from its header and the encoded lines of its rows."""
    return hashlib.sha256(b"\n".join((_encoder.encode(header), *lines))).hexdigest()


def start_record_file(path: Path, header: RunHeader, rows: Iterable[RunRow] = ()) -> None:
    """Start a record file by writing the header, without a digest, and the rows that exist so far.

    An existing file is replaced. Raise `OSError` if the file cannot be written.
    """
    write_atomically(path, b"".join(_encoder.encode(line) + b"\n" for line in (header, *rows)))


def append_row_to_file(path: Path, row: RunRow) -> None:
    """Append a row to a record file at once, so that the results of finished tests are kept if the run is
    killed later.
    """
    with path.open("ab") as file:
        file.write(_encoder.encode(row) + b"\n")


def load_record(path: Path) -> RunRecord:
    """Load a run record from a file. Raise `RecordError` if the file cannot be read or decoded; see `decode_record`."""
    return decode_record(path, read_record_bytes(path))


def load_checked_record(path: Path) -> RunRecord:
    """Load a run record as `load_record` does. Its `problem` also says if the file is not what the run wrote."""
    data = read_record_bytes(path)
    record, problem = decode_record(path, data), find_record_problem(data)
    return replace(record, problem=record.problem or (f"{path}: {problem}" if problem else ""))


def read_record_bytes(path: Path) -> bytes:
    """Return the bytes of a record's file. Raise `RecordError` if it cannot be read."""
    try:
        return read_regular_file(path, _MAX_BYTES)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise RecordError(f"{path}: cannot be read: {why}; to write a record: pytest --harness-record=FILE") from None


def decode_record(path: Path, data: bytes) -> RunRecord:
    """Decode the bytes of a record file. `path` is the file name that messages show.

    If a test has two rows because its teardown failed after its call, the last row is kept. An incomplete last line is
    skipped and named in `problem`. Raise `RecordError` if the bytes are not a record or have a later format, or if
    another line is not a row.
    """
    first, *lines = data.split(b"\n")
    header = _decode_header(path, first)
    torn, lines = lines[-1] if lines else first, lines[:-1]
    rows = {row.key: row for row in (_decode_row(path, *one) for one in enumerate(lines, start=2) if one[1])}
    problem = f"{path}:{len(lines) + 2}: the last line is incomplete, so the run was killed here" if torn else ""
    return RunRecord(header, tuple(rows[position] for position in sorted(rows)), problem, str(path))


def merge_records(records: Sequence[RunRecord]) -> RunRecord:
    """Merge the records of shards (parts of one test run) into the record of a single run.

    If several shards ran a test, its rows are numbered as repetitions. Raise `RecordError` if there is no record, if
    two are the same, or if the shards ran different code (another commit, package version or flags).
    """
    _refuse_records_of_different_runs(records)
    first = records[0].header
    files = {path: digest for record in records for path, digest in record.header.files.items()}
    header = msgspec.structs.replace(
        first,
        started_at=min(record.header.started_at for record in records),
        seconds=max(record.header.seconds for record in records),
        is_dirty=any(record.header.is_dirty for record in records),
        files=dict(sorted(files.items())),
        shards=sum(record.header.shards for record in records),
        shard=first.shard if len(records) == 1 else "",
        options=tuple(option for option in first.options if len(records) == 1 or not option.startswith(_SHARD_OPTION)),
        left_out_by=next((record.header.left_out_by for record in records if record.header.left_out_by), ""),
        ignored=tuple(sorted(set.intersection(*(set(record.header.ignored) for record in records)))),
        selected=_merge_selections([record.header.selected for record in records]),
        deselected=tuple(sorted(set.intersection(*(set(record.header.deselected) for record in records)))),
        exit_status=_merge_exit_statuses([-1 if record.problem else record.header.exit_status for record in records]),
        tested=_merge_tested_files([record.header.tested for record in records]),
        verdicts=tuple(verdict for record in records for verdict in record.header.verdicts),
    )
    rows = _number_repetitions(row for record in records for row in record.rows)
    missing = _missing_shards_text([record.header.shard for record in records])
    problems = [*(record.problem for record in records), missing]
    return RunRecord(header, rows, "\n".join(filter(None, problems)))


def _refuse_records_of_different_runs(records: Sequence[RunRecord]) -> None:
    """Raise `RecordError` if there is no record, if two are the same, or if they are not shards of one run."""
    _refuse_records_of_several_runs(records)
    first = records[0].header
    files = {path: digest for record in records for path, digest in record.header.files.items()}
    header = msgspec.structs.replace(
        first,
        started_at=min(record.header.started_at for record in records),
        seconds=max(record.header.seconds for record in records),
        is_dirty=any(record.header.is_dirty for record in records),
        files=dict(sorted(files.items())),
        shards=sum(record.header.shards for record in records),
        shard=first.shard if len(records) == 1 else "",
        options=tuple(option for option in first.options if len(records) == 1 or not option.startswith(_SHARD_OPTION)),
        left_out_by=next((record.header.left_out_by for record in records if record.header.left_out_by), ""),
        ignored=tuple(sorted(set.intersection(*(set(record.header.ignored) for record in records)))),
        selected=_merge_selections([record.header.selected for record in records]),
        deselected=tuple(sorted(set.intersection(*(set(record.header.deselected) for record in records)))),
        exit_status=_merge_exit_statuses([-1 if record.problem else record.header.exit_status for record in records]),
        tested=_merge_tested_files([record.header.tested for record in records]),
        verdicts=tuple(verdict for record in records for verdict in record.header.verdicts),
    )
    rows = _number_repetitions(row for record in records for row in record.rows)
    missing = _missing_shards_text([record.header.shard for record in records])
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


def _refuse_records_of_several_runs(records: Sequence[RunRecord]) -> None:
    """Raise `RecordError` unless the records belong to different shards of one run."""


def _record_name(records: Sequence[RunRecord], index: int) -> str:
    """Return a name for the record at `index`: the file from which it was loaded or, if there is none, its number."""
    return records[index].source or f"record {index + 1}"


def _missing_shards_text(shards: Sequence[str]) -> str:
    """Return a message that says which shards of a run are missing, or an empty string if none is missing.

    `shards` are texts such as `1/3`. If there is only one, it is not checked.
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


def _merge_selections(selections: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return all paths and node ids that the shards' command lines named, or an empty tuple if some shard ran all
    tests.
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
    changed = {path for shard in known for path in shard.changed}
    changed.update(
        path
        for shard in known
        for path in {*shard.digests, *known[0].digests}
        if known[0].digests.get(path) != shard.digests.get(path)
    )
    imported = {path for shard in known for path in shard.imported}
    policies = {shard.policy for shard in known}
    policy = policies.pop() if len(policies) == 1 else ""
    is_opened_known = all(shard.opened is not None for shard in known)
    return GateFiles(
        known[0].digests,
        tuple(sorted(imported)),
        tuple(sorted(changed)),
        policy,
        tuple(sorted({path for shard in known for path in shard.opened or ()})) if is_opened_known else None,
        tuple(sorted({path for shard in known for path in shard.opened_in_prod})),
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


def _decode_header(path: Path, line: bytes) -> RunHeader:
    try:
        version = msgspec.json.decode(line).get("flag_harness_record")
    except (ValueError, AttributeError, RecursionError):
        version = None
    if not isinstance(version, int):
        raise RecordError(f"{path}:1: not the header of a run record; write one with `pytest --harness-record=FILE`")
    if version > FORMAT_VERSION:
        raise RecordError(
            f"{path}:1: format {version}, and this flag-harness reads up to {FORMAT_VERSION}; "
            "install the release that wrote it"
        )
    try:
        header = _header_decoder.decode(line)
    except msgspec.DecodeError as error:
        raise RecordError(f"{path}:1: {error}") from None
    for name, declaration in header.flags.items():
        try:
            flag_from_declaration(name, declaration)
        except ValueError as error:
            advice = "write the record anew with --harness-record=FILE"
            raise RecordError(f"{path}:1: declares the flag {name!r} wrongly: {error}; {advice}") from None
    declared = [name for name in header.flag_order if name in header.flags]  # the file has them in alphabetical order
    return msgspec.structs.replace(header, flags={name: header.flags[name] for name in (*declared, *header.flags)})


def _decode_row(path: Path, number: int, line: bytes) -> RunRow:
    try:
        return _row_decoder.decode(line)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}:{number}: not a row of a run record: {error}") from None
