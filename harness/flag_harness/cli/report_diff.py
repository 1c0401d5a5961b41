"""The command `flag-harness report diff`, which compares the records of two runs."""

import argparse
from pathlib import Path

from flag_harness.cli.terminal import print_json
from flag_harness.config import read_project_config
from flag_harness.record import RunRecord, load_record, merge_records
from flag_harness.record.failed_test_cassettes import find_records
from flag_harness.report.diff.run_diff import compare_runs
from flag_harness.report.diff.views import diff_lines, diff_markdown, diff_to_json


def add_diff_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `report diff` to its parser."""
    parser.add_argument("base", type=Path, metavar="BASE", help="the record to compare with, or a folder of shards")
    parser.add_argument("head", type=Path, metavar="HEAD", help="the record of the run in question, or such a folder")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    form.add_argument("--markdown", action="store_true", help="print Markdown, for the summary of a CI job")
    parser.set_defaults(run=_run_diff)


def _run_diff(arguments: argparse.Namespace) -> int:
    settings = read_project_config()[1].diff
    diff = compare_runs(_load_run(arguments.base), _load_run(arguments.head), settings)
    if arguments.json:
        print_json(diff_to_json(diff))
    else:
        print("\n".join(diff_markdown(diff) if arguments.markdown else diff_lines(diff)))
    return 0 if diff.is_acceptable else 1


def _load_run(path: Path) -> RunRecord:
    return merge_records([load_record(file) for file in find_records(path)])
