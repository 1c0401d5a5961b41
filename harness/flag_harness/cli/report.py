"""`flag-harness report`: works with the records of runs."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from flag_harness.errors import RecordError
from flag_harness.files import write_atomically
from flag_harness.record import encode_record, load_record, merge_records

_EXAMPLES = """\
examples:
  pytest --harness-record=shard-1.jsonl
  flag-harness report merge shard-*.jsonl -o run.jsonl
"""


def add_report_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `report`."""
    parser = commands.add_parser(
        "report",
        help="work with records of runs",
        description="Work with records of runs, which `pytest --harness-record=FILE` writes.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    merge = subparsers.add_parser(
        "merge",
        help="write the record that one run of all shards would have written",
        description="Write the record that one run of all shards would have written.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    merge.add_argument("records", type=Path, nargs="+", metavar="RECORD", help="the records of the shards")
    merge.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the record to write")
    merge.set_defaults(run=_merge)


def _merge(arguments: argparse.Namespace) -> int:
    paths: Sequence[Path] = arguments.records
    merged = merge_records([load_record(path) for path in paths])
    try:
        write_atomically(arguments.output, encode_record(merged.header, merged.rows))
    except OSError as error:
        raise RecordError(f"{arguments.output}: cannot be written: {error.strerror or error}") from None
    if merged.problem:
        print(merged.problem)
    count = len(merged.rows)
    print(f"{arguments.output}: {count} row{'s' if count != 1 else ''} of {len(paths)} records")
    return 1 if merged.problem else 0
