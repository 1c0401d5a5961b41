"""The run record, a file of JSON lines: a header, and the result of each test under each combination of flags."""

from flag_harness.record.cache import CacheBreak, CacheTurn, CacheUse
from flag_harness.record.file import (
    LAST_RUN_FILE,
    PYTEST_CACHE_FOLDER,
    RunRecord,
    append_row_to_file,
    decode_record,
    encode_record,
    find_record_problem,
    load_checked_record,
    load_record,
    make_record,
    read_record_bytes,
    start_record_file,
)
from flag_harness.record.flags import flag_declaration, flag_from_declaration
from flag_harness.record.header import FORMAT_VERSION, GateFiles, RunHeader
from flag_harness.record.merge import merge_records
from flag_harness.record.row import (
    LogCount,
    Outcome,
    Phase,
    RequestRecord,
    RunRow,
    body_hash,
    row_from_builtins,
)
from flag_harness.record.sweep import SweepCause, SweepRecord
from flag_harness.record.verdict import VerdictRecord

__all__ = [
    "FORMAT_VERSION",
    "LAST_RUN_FILE",
    "PYTEST_CACHE_FOLDER",
    "CacheBreak",
    "CacheTurn",
    "CacheUse",
    "GateFiles",
    "LogCount",
    "Outcome",
    "Phase",
    "RequestRecord",
    "RunHeader",
    "RunRecord",
    "RunRow",
    "SweepCause",
    "SweepRecord",
    "VerdictRecord",
    "append_row_to_file",
    "body_hash",
    "decode_record",
    "encode_record",
    "find_record_problem",
    "flag_declaration",
    "flag_from_declaration",
    "load_checked_record",
    "load_record",
    "make_record",
    "merge_records",
    "read_record_bytes",
    "row_from_builtins",
    "start_record_file",
]
