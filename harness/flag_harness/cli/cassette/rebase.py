"""The command `flag-harness cassette rebase`, which rewrites recorded requests and keeps the answers."""

import argparse
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flag_harness.cassette import Cassette
from flag_harness.cassette.cassette import MAX_CASSETTE_BYTES
from flag_harness.cassette.file.lock import lock_parent_folders
from flag_harness.cassette.rebase import (
    API_REFUSAL_TEXT,
    RequestChange,
    RequestRewrite,
    indices_of_rewritten_requests,
    rebase_cassette,
    require_legal_requests,
)
from flag_harness.cassette.redact.scan import refuse_api_keys
from flag_harness.cli.terminal import print_json
from flag_harness.config import find_root
from flag_harness.errors import CassetteError
from flag_harness.files import read_regular_file, write_atomically
from flag_harness.source_files import source_paths
from flag_harness.wording import count_with_noun, join_names

MISSES_FILE = Path(".pytest_cache/v/flag-harness/misses")
"""The file with the missed requests of pytest's last run, unless `cache_dir` is set."""
REVIEWED_DIGEST_FILE = "rebase-reviewed"
"""The file, beside `MISSES_FILE`, with the hash of the requests that the last dry run showed."""
MAX_LISTED_LINES_PER_SECTION = 10

_EXAMPLES = """examples:
  pytest                                     # one word of a prompt was changed: 312 tests miss
  flag-harness cassette rebase --dry-run          # what would be rewritten
  flag-harness cassette rebase                    # exactly that, and nothing else
  flag-harness cassette rebase --yes recordings/refunds   # without a dry run, for scripts

What is rewritten: the parts of each missed request that differ from the nearest recorded one, and the same parts of
other requests in the cassette that the run did not reach, if they are equal there. The answers are kept, and nobody has
asked the API whether it would still give them. So the metadata is stamped "rebased", and every run says so until the
cassette is recorded anew.

What is refused, without writing anything: requests that the API would refuse, as far as the simulator knows; changes of
the model, max_tokens, stop_sequences, stream, tools, tool choice, thinking, output format, context_management,
container, betas, method or path; cassettes that have changed since the run; and cassettes that would hold a key. Leave
out the path of such a cassette, or record it anew.

Exit code: 0 rewritten, or nothing to do; 1 refused, not reviewed, or some misses need a recording; 2 wrong usage."""


@dataclass(frozen=True, slots=True)
class RebasePlan:
    """One cassette before and after a rebase, with descriptions of the changes."""

    cassette_path: Path
    cassette_name: str
    old_cassette: Cassette
    new_cassette: Cassette
    change_lines: tuple[str, ...]


def add_rebase_command(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `cassette rebase` to the parser."""
    parser = commands.add_parser(
        "rebase",
        help="keep answers, and rewrite the requests that the last run missed",
        description="Keep recorded answers and rewrite the requests that the last pytest run missed.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", type=Path, nargs="*", metavar="PATH", help="cassettes, or directories (default: all)")
    parser.add_argument("--dry-run", action="store_true", help="show what would be rewritten; change no cassette")
    parser.add_argument("--yes", action="store_true", help="rewrite even if no dry run has shown these changes")
    parser.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help=f"default: {MISSES_FILE} of the project"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    parser.set_defaults(run=_run_rebase)


def _run_rebase(arguments: argparse.Namespace) -> int:
    source = arguments.source or find_root() / MISSES_FILE
    root, rows = _read_misses(source)
    wanted = [row for row in rows if _is_in_selected_paths(root / row["cassette"], arguments.paths)]
    blocked = {row["cassette"] for row in wanted if not row["changes"] or row.get("api_refusal")}
    left = [row for row in wanted if row["cassette"] in blocked]
    changed = [row for row in wanted if row["cassette"] not in blocked]
    reviewed = source.with_name(REVIEWED_DIGEST_FILE)
    with lock_parent_folders(path for row in changed if (path := root / row["cassette"]).exists()):
        plans, refusals = _plan_rebases(root, changed)
        digest = _digest_of_new_requests(plans)
        does = not refusals and not arguments.dry_run and (arguments.yes or _read_reviewed_digest(reviewed) == digest)
        if does:
            _write_cassettes(plans)
            _remove_misses_of_cassettes(source, root, rows, {plan.cassette_name for plan in plans})
    if arguments.dry_run and plans and not refusals:
        write_atomically(reviewed, digest.encode())
    if arguments.json:
        print_json(_json_report(plans, refusals, left, is_written=does))
    else:
        print("\n".join(_run_age_lines(source, root, wanted, datetime.now(UTC))))
        print("\n".join(_report_lines(plans, refusals, left, arguments, is_written=does)))
    return 1 if refusals or left or not (does or arguments.dry_run or not plans) else 0


def _read_misses(source: Path) -> tuple[Path, list[dict[str, Any]]]:
    if source.exists() and not source.is_file():
        raise CassetteError(f"{source}: is not a regular file; run pytest, or name the file of its misses with --from")
    try:
        document = json.loads(read_regular_file(source, MAX_CASSETTE_BYTES))
        return Path(document["root"]), list(document["misses"])
    except OSError:
        raise CassetteError(
            f"{source}: there are no misses of a pytest run; run pytest first (not with -p no:cacheprovider), or name "
            "the file with --from"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CassetteError(f"{source}: this is not a file of missed requests; run pytest again") from None


def _remove_misses_of_cassettes(source: Path, root: Path, rows: Sequence[dict[str, Any]], cassettes: set[str]) -> None:
    """Remove the misses (requests without a recording) of rewritten cassettes from the file `source`. Keep the time of
    its run.
    """
    document = {"root": str(root), "misses": [row for row in rows if row["cassette"] not in cassettes]}
    end = source.stat().st_mtime
    write_atomically(source, json.dumps(document).encode())
    os.utime(source, (end, end))


def _run_age_lines(source: Path, root: Path, misses: Sequence[dict[str, Any]], now: datetime) -> Iterator[str]:
    """Yield lines that say when the run with the misses ended, and which Python files of the project have changed
    since.

    Misses of tests that did not run then are from an earlier run.
    """
    end = source.stat().st_mtime
    minutes = max(0, int(now.timestamp() - end) // 60)
    tests = {row["test"] for row in misses if "run_ended" in row}
    earlier = (
        f", and for {count_with_noun(len(tests), 'test')} that did not run in it, from runs before" if tests else ""
    )
    yield f"From the pytest run that ended {count_with_noun(minutes, 'minute')} ago{earlier}:"
    end = min([end, *(row["run_ended"] for row in misses if "run_ended" in row)])
    if newer := [one.as_posix() for one in source_paths(root, (".py",)) if (root / one).stat().st_mtime > end]:
        yield f"Files have changed since, so run pytest again first: {join_names(newer)}"


def _is_in_selected_paths(path: Path, paths: Sequence[Path]) -> bool:
    return not paths or any(one.resolve() in (path.resolve(), *path.resolve().parents) for one in paths)


def _plan_rebases(root: Path, misses: Sequence[dict[str, Any]]) -> tuple[list[RebasePlan], list[str]]:
    """Return a plan for each cassette that can be rebased (rewritten with the new requests), and a message for each
    that cannot.
    """
    by_cassette: dict[str, list[dict[str, Any]]] = {}
    for row in misses:
        by_cassette.setdefault(row["cassette"], []).append(row)
    plans, refusals = [], []
    for name, members in sorted(by_cassette.items()):
        try:
            plans.append(_plan_rebase(root / name, name, members))
        except CassetteError as error:
            refusals.append(str(error).replace(str(root / name), name, 1))
    return [plan for plan in plans if plan.change_lines], refusals


def _plan_rebase(path: Path, name: str, misses: Sequence[dict[str, Any]]) -> RebasePlan:
    # imported here: the other commands do not need it
    from flag_harness.simulator.refusal import refusal_message

    old = Cassette.load(path)
    rewrites = [
        RequestRewrite(row["index"], tuple(map(RequestChange.from_json_object, row["changes"]))) for row in misses
    ]
    new = rebase_cassette(old, rewrites, {place for row in misses for place in row["played"]})
    refuse_api_keys(path, new.metadata, new.interactions)
    require_legal_requests(old, new, refusal_message)
    return RebasePlan(
        path, name, old, new, tuple(dict.fromkeys(difference for row in misses for difference in row["differences"]))
    )


def _write_cassettes(plans: Sequence[RebasePlan]) -> None:
    """Write all cassettes. If one cannot be written, raise `CassetteError` naming those already written."""
    for number, plan in enumerate(plans):
        try:
            plan.new_cassette.save(plan.cassette_path)
        except OSError as error:
            done = _shorten_list_of_lines([one.cassette_name for one in plans[:number]])
            lines = (
                f"{plan.cassette_name}: cannot be written: {error.strerror}",
                f"{count_with_noun(number, 'cassette')} of {len(plans)} had been rewritten by then:" if number else "",
                *done,
                "The others are unchanged: fix the cause, run the tests again, and rebase what they miss.",
            )
            raise CassetteError("\n".join(filter(None, lines))) from None


def _digest_of_new_requests(plans: Sequence[RebasePlan]) -> str:
    """Return a hash of all requests as they will be after the rebase, to check that a dry run has shown them."""
    digest = hashlib.blake2b(digest_size=16)
    for plan in plans:
        digest.update(repr((str(plan.cassette_path), [one.request for one in plan.new_cassette.interactions])).encode())
    return digest.hexdigest()


def _read_reviewed_digest(reviewed: Path) -> str:
    return reviewed.read_text() if reviewed.is_file() else ""


def _report_lines(
    plans: Sequence[RebasePlan],
    refusals: Sequence[str],
    remaining_misses: Sequence[dict[str, Any]],
    arguments: argparse.Namespace,
    *,
    is_written: bool,
) -> Iterator[str]:
    if refusals:
        yield "Nothing is written, because an answer would no longer belong to its request:"
        yield from _shorten_list_of_lines(refusals)
    by_changes: dict[tuple[str, ...], list[RebasePlan]] = {}
    for plan in plans:
        by_changes.setdefault(plan.change_lines, []).append(plan)
    for changes, members in by_changes.items():
        yield f"{count_with_noun(len(members), 'cassette')}: {'; '.join(changes)}"
        yield from _shorten_list_of_lines([plan.cassette_name for plan in members])
    refused = [row for row in remaining_misses if row.get("api_refusal")]
    if refused:
        count = count_with_noun(len(refused), "miss", "misses")
        yield f"{count} that {API_REFUSAL_TEXT}; change what the code sends:"
        yield from _shorten_list_of_lines([f"{row['test']}: {row['api_refusal']}" for row in refused])
    if recordable := [row for row in remaining_misses if not row.get("api_refusal")]:
        yield f"{count_with_noun(len(recordable), 'miss', 'misses')} cannot be rebased, only recorded:"
        yield from _shorten_list_of_lines([f"{row['test']}: {'; '.join(row['differences'])}" for row in recordable])
    yield _conclusion_text(plans, refusals, arguments, is_written=is_written)


def _conclusion_text(
    plans: Sequence[RebasePlan], refusals: Sequence[str], arguments: argparse.Namespace, *, is_written: bool
) -> str:
    requests = count_with_noun(
        sum(len(indices_of_rewritten_requests(plan.old_cassette, plan.new_cassette)) for plan in plans), "request"
    )
    if refusals:
        if any(API_REFUSAL_TEXT in refusal for refusal in refusals):
            return "Name the PATHs of the others."
        return "Record them anew, or name the PATHs of the others."
    if not plans:
        return "There is nothing to rebase."
    if is_written:
        return f"{requests} rewritten. The answers are as they were: rebased, not verified."
    result = f"{requests} would be rewritten, the answers kept and the files stamped: rebased, not verified."
    if arguments.dry_run:
        again = " ".join(map(str, arguments.paths))
        return f"{result}\nTo do it: flag-harness cassette rebase{' ' if again else ''}{again}"
    return f"{result}\nNothing is written yet: review this with --dry-run, or say --yes."


def _shorten_list_of_lines(lines: Sequence[str]) -> Iterator[str]:
    yield from (f"  {line}" for line in lines[:MAX_LISTED_LINES_PER_SECTION])
    if (more := len(lines) - MAX_LISTED_LINES_PER_SECTION) > 0:
        yield f"  ... and {more} more"


def _json_report(
    plans: Sequence[RebasePlan],
    refusals: Sequence[str],
    remaining_misses: Sequence[dict[str, Any]],
    *,
    is_written: bool,
) -> dict[str, Any]:
    return {
        "written": is_written,
        "cassettes": [
            {
                "path": plan.cassette_name,
                "changes": plan.change_lines,
                "interactions": indices_of_rewritten_requests(plan.old_cassette, plan.new_cassette),
            }
            for plan in plans
        ],
        "refusals": list(refusals),
        "to_record": [
            {"test": row["test"], "differences": row["differences"]}
            for row in remaining_misses
            if not row.get("api_refusal")
        ],
        "api_refusals": [
            {"test": row["test"], "message": row["api_refusal"]} for row in remaining_misses if row.get("api_refusal")
        ],
    }
