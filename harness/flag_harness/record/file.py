"""Files of run records. Each consists of JSON lines: first a header, then one row for each test and combination."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from flag_harness.errors import RecordError
from flag_harness.files import read_regular_file, reason_unreadable, write_atomically
from flag_harness.record.flags import flag_from_declaration
from flag_harness.record.header import FORMAT_VERSION, RunHeader
from flag_harness.record.row import RunRow

PYTEST_CACHE_FOLDER, LAST_RUN_FILE = "flag-harness", "last-run.jsonl"
"""The folder in pytest's cache and the file in this folder that hold the record of the last run."""
_MAX_RECORD_BYTES = 1 << 30
_DIGEST_KEY = "digest"
"""The key in the first line of a record file that holds the digest of the file. `RunHeader` has no such field."""
_encoder = msgspec.json.Encoder(order="deterministic")
_header_decoder = msgspec.json.Decoder(RunHeader)
_row_decoder = msgspec.json.Decoder(RunRow)


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The record of one run: a header, and one row for each test, combination and repetition, sorted by these three.

    `problem` says what is wrong with the record, such as an incomplete last line because the run was killed; it is
    empty if nothing is wrong. `source` is the path of the file from which the record was loaded, or empty.
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
    """Return why the bytes of a record file are not what the run wrote, or an empty string if they are unchanged.

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
    """Load a run record as `load_record` does. Its `problem` also says if the file was changed after the run."""
    data = read_record_bytes(path)
    record, problem = decode_record(path, data), find_record_problem(data)
    return replace(record, problem=record.problem or (f"{path}: {problem}" if problem else ""))


def read_record_bytes(path: Path) -> bytes:
    """Return the bytes of a record's file. Raise `RecordError` if it cannot be read."""
    try:
        return read_regular_file(path, _MAX_RECORD_BYTES)
    except (OSError, ValueError) as error:
        why = reason_unreadable(error)
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


def _decode_row(path: Path, line_number: int, line: bytes) -> RunRow:
    try:
        return _row_decoder.decode(line)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}:{line_number}: not a row of a run record: {error}") from None
