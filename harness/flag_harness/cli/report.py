"""The command `flag-harness report`, which merges and evaluates the records of test runs."""

import argparse
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from flag_harness.analysis.verdict.evidence import EvidenceTable, FlagChange
from flag_harness.analysis.verdict.judgment import judge_flags
from flag_harness.analysis.verdict.lines import verdict_lines, verdict_record
from flag_harness.analysis.verdict.rate_blame import harmful_combination_lines
from flag_harness.analysis.verdict.recorded import (
    all_flag_changes,
    flag_changes_with_both_values,
    pool_rows,
    pooling_summary_lines,
)
from flag_harness.cli.report_diff import add_diff_arguments
from flag_harness.cli.report_open import add_open_arguments
from flag_harness.cli.terminal import add_subcommand_group
from flag_harness.config import find_root
from flag_harness.errors import RecordError
from flag_harness.files import write_atomically
from flag_harness.matrix.baseline import read_baseline
from flag_harness.record import (
    LAST_RUN_FILE,
    PYTEST_CACHE_FOLDER,
    RunRecord,
    encode_record,
    load_checked_record,
    load_record,
    merge_records,
)
from flag_harness.record.conversation import load_conversations, save_conversations
from flag_harness.record.failed_test_cassettes import copy_failed_test_cassettes
from flag_harness.report.commands.location import ReportLocation, locate_project
from flag_harness.report.failures.causes import flags_in_header
from flag_harness.report.logs import logged_message_lines, logs_to_json
from flag_harness.report.metrics import count_passes_by_combination, effect_to_json, effects_in_record, metric_lines
from flag_harness.report.output import REPORT_SUFFIXES, check_report_path, write_report
from flag_harness.wording import join_names

_EXAMPLES = """\
examples:
  pytest --harness-record=shard-1.jsonl
  flag-harness report merge shard-*.jsonl -o run.jsonl
  flag-harness report build run.jsonl -o report.html
  flag-harness report metrics run.jsonl
  flag-harness report logs run.jsonl
  flag-harness report verdict run.jsonl --flags=streaming
  flag-harness report diff main.jsonl branch.jsonl
  flag-harness report open artifact/
"""
_LAST_RUN_PATH = Path(".pytest_cache/d") / PYTEST_CACHE_FOLDER / LAST_RUN_FILE
"""The file with the record of pytest's last run, relative to its root directory."""


def add_report_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `report` to the parser."""
    parser = _add_parser(
        commands,
        "report",
        "work with records of runs",
        "Work with records of runs, which `pytest --harness-record=FILE` writes.",
    )
    subparsers = add_subcommand_group(parser)
    merge = _add_parser(
        subparsers,
        "merge",
        "write the record that one run of all shards would have written",
        "Write the record that one run of all shards would have written.",
    )
    merge.add_argument("records", type=Path, nargs="+", metavar="RECORD", help="the records of the shards")
    merge.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the record to write")
    merge.set_defaults(run=_run_merge)
    _add_build_command(subparsers)
    _add_metrics_command(subparsers)
    _add_logs_command(subparsers)
    _add_verdict_command(subparsers)
    add_diff_arguments(
        _add_parser(
            subparsers,
            "diff",
            "compare two runs, and fail if the second one is worse than allowed",
            "Compare the outcomes, requests, tokens, latency, cost and errors of two runs, on the tests that both ran. "
            "The exit code is 1 if the second run is worse than [tool.flag-harness.diff] in pyproject.toml allows.",
        )
    )
    add_open_arguments(
        _add_parser(
            subparsers,
            "open",
            "show what failed in a run, and how to run it again",
            "Show the conversations of the tests that failed in a run, and the command that runs them again.",
        )
    )


def _add_parser(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, summary: str, description: str
) -> argparse.ArgumentParser:
    """Add the parser of a subcommand. Its help ends with the examples of `report`."""
    return subparsers.add_parser(
        name,
        help=summary,
        description=description,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_build_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    build = _add_parser(
        subparsers,
        "build",
        "write a report of a run for people to read",
        "Write a report of a run: HTML for a browser, Markdown for the summary of a CI job, or JSON.",
    )
    build.add_argument(
        "records",
        type=Path,
        nargs="*",
        metavar="RECORD",
        help=f"the record of a run, or those of its shards; by default the last run, {_LAST_RUN_PATH}",
    )
    build.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="FILE",
        help=f"the report to write; its suffix names the format: {', '.join(REPORT_SUFFIXES)}",
    )
    build.set_defaults(run=_run_build)


def _add_metrics_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    metrics = _add_parser(
        subparsers,
        "metrics",
        "say what each flag changes in latency, tokens, cost and errors",
        "Say what each flag changes in latency, tokens, cost and errors, and which tests pass under it.",
    )
    _add_record_arguments(metrics)
    metrics.set_defaults(run=_run_metrics)


def _add_logs_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    logs = _add_parser(
        subparsers,
        "logs",
        "list the warnings and errors that the code under test logged",
        "List the warnings and errors that the code under test logged, by message, with the tests that logged them, "
        "and the betas that the API refused.",
    )
    _add_record_arguments(logs)
    logs.set_defaults(run=_run_logs)


def _add_verdict_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    verdict = _add_parser(
        subparsers,
        "verdict",
        "say which flags are safe to turn on, by the repetitions in records of finished runs",
        "Judge flags by the runs with and without them, as pytest --harness-verdict does, from records of finished "
        "runs. Arms are paired within a record. The exit code is 1 unless every verdict is PASS.",
    )
    verdict.add_argument("records", type=Path, nargs="+", metavar="RECORD", help="records of runs of the same code")
    verdict.add_argument("--flags", default="", metavar="NAMES", help="the flags to judge; by default all that vary")
    verdict.add_argument(
        "--baseline", type=Path, metavar="FILE", help="the state of production; by default all flags at their defaults"
    )
    verdict.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    verdict.set_defaults(run=_run_verdict)


def _add_record_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the argument for the path of the record that a command reads, and `--json`."""
    parser.add_argument(
        "record",
        type=Path,
        nargs="?",
        metavar="RECORD",
        help=f"the record of a run; by default the last one, {_LAST_RUN_PATH}",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")


def _run_build(arguments: argparse.Namespace) -> int:
    check_report_path(arguments.output)
    paths: Sequence[Path] = arguments.records
    record = merge_records([load_record(path) for path in paths]) if paths else _load_run(None)
    root = locate_project(record, paths or [find_root() / _LAST_RUN_PATH])
    location = ReportLocation(root, str(paths[0]) if len(paths) == 1 else "")
    write_report(arguments.output, record, datetime.now(UTC), load_conversations(*paths), location)
    _print_record_problem(record)
    print(f"{arguments.output}: a report of {_row_count_text(record)}")
    return 1 if record.problem else 0


def _load_run(path: Path | None) -> RunRecord:
    """Load a record, or that of the last run if `path` is None. Raise `RecordError` if it cannot be read."""
    if path is not None:
        return load_record(path)
    last = find_root() / _LAST_RUN_PATH
    if not last.exists():
        raise RecordError(f"{last}: there is no last run; run pytest first, or name a record")
    return load_record(last)


def _run_metrics(arguments: argparse.Namespace) -> int:
    record = _load_run(arguments.record)
    if arguments.json:
        passes = {
            name: {"passed": passed, "runs": total} for name, passed, total in count_passes_by_combination(record)
        }
        print(
            json.dumps({"effects": [effect_to_json(effect) for effect in effects_in_record(record)], "passes": passes})
        )
    else:
        print("\n".join(metric_lines(record)))
    _print_record_problem(record)
    return 1 if record.problem else 0


def _run_verdict(arguments: argparse.Namespace) -> int:
    records = [load_record(path) for path in arguments.records]
    merged = merge_records(records)
    pooled = pool_rows(records)
    known = all_flag_changes(flags_in_header(merged.header), _read_production_values(arguments, merged))
    changes = _select_changes(arguments, flag_changes_with_both_values(pooled.rows, known))
    table = EvidenceTable(pooled.rows)
    verdicts = judge_flags([*map(table.evidence_of_change, changes)])
    pairs = [(one, verdict, table.rows_of_change(one)) for one, verdict in zip(changes, verdicts, strict=True)]
    if arguments.json:
        found = [msgspec.to_builtins(verdict_record(*pair)) for pair in pairs]
        print(json.dumps({"verdicts": found, "copies": pooled.left_out_copy_count, "problem": merged.problem}))
    else:
        for _, verdict, rows in pairs:
            print("\n".join(verdict_lines(verdict, rows)))
        print(*harmful_combination_lines(pooled.rows, known), *pooling_summary_lines(pooled, len(records)), sep="\n")
        _print_record_problem(merged)
    return 0 if verdicts and all(verdict.decision == "PASS" for verdict in verdicts) else 1


def _read_production_values(arguments: argparse.Namespace, record: RunRecord) -> Mapping[str, object]:
    """Return the flag values in the file of `--baseline`, or an empty mapping without that option."""
    return read_baseline(arguments.baseline, flags_in_header(record.header)).value_by_flag if arguments.baseline else {}


def _select_changes(arguments: argparse.Namespace, changes: Sequence[FlagChange]) -> Sequence[FlagChange]:
    """Return the changes of the flags in `--flags`, or of all. Raise `RecordError` if no test varied one of them."""
    files, flags = join_names([str(path) for path in arguments.records]), arguments.flags
    names = [name.strip() for name in flags.split(",") if name.strip()]
    known = sorted({one.flag for one in changes})
    if not known:
        advice = "give one the mark flag_matrix, then run pytest --harness-record=FILE"
        raise RecordError(f"{files}: no test ran with and without a flag; {advice}")
    for name in names:
        if name not in known:
            others = ", ".join(known)
            raise RecordError(f"--flags={flags}: no test in {files} ran with and without {name!r}, but with {others}")
    return [one for one in changes if not names or one.flag in names]


def _run_logs(arguments: argparse.Namespace) -> int:
    record = _load_run(arguments.record)
    print(json.dumps(logs_to_json(record)) if arguments.json else "\n".join(logged_message_lines(record)))
    if not arguments.json:
        _print_record_problem(record)
    return 1 if record.problem else 0


def _run_merge(arguments: argparse.Namespace) -> int:
    paths: Sequence[Path] = arguments.records
    merged = merge_records([load_checked_record(path) for path in paths])
    conversations = load_conversations(*paths)
    try:
        write_atomically(arguments.output, encode_record(merged.header, merged.rows))
        save_conversations(arguments.output, conversations.values())
    except OSError as error:
        raise RecordError(f"{arguments.output}: cannot be written: {error.strerror or error}") from None
    for path in paths:
        copy_failed_test_cassettes(path, arguments.output)
    _print_record_problem(merged)
    print(f"{arguments.output}: {_row_count_text(merged)} of {len(paths)} records")
    return 1 if merged.problem else 0


def _print_record_problem(record: RunRecord) -> None:
    if record.problem:
        print(record.problem)


def _row_count_text(record: RunRecord) -> str:
    count = len(record.rows)
    return f"{count} row{'s' if count != 1 else ''}"
