"""The command `flag-harness gate`, which copies files to PROD only with evidence and an approval."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from flag_harness.cli.files import print_error
from flag_harness.cli.terminal import add_subcommand_group
from flag_harness.config import find_root
from flag_harness.errors import ConfigError, GateError, GateRefusalError
from flag_harness.gate import GateSettings, git, read_gate_settings
from flag_harness.gate.approval import write_approval_file
from flag_harness.gate.output import (
    history_lines,
    history_to_json,
    production_change_lines,
    production_change_to_json,
    rule_result_lines,
    rule_result_markdown,
    rule_results_to_json,
    status_lines,
)
from flag_harness.gate.prod.folder import ProductionFolder, open_production_folder
from flag_harness.gate.prod.promotion import promote
from flag_harness.gate.prod.rollback import roll_back
from flag_harness.gate.prod.stage import stage_files
from flag_harness.gate.prod.status import read_status
from flag_harness.gate.rules.approval_rules import find_authors
from flag_harness.gate.rules.candidate import ReleaseCandidate, all_rules_pass
from flag_harness.gate.rules.judging import judge_candidate, read_candidate
from flag_harness.wording import count_with_noun

_EXAMPLES = """\
examples:
  flag-harness gate stage                                   # PROD to TEST
  pytest --harness-record=run.jsonl                         # the tests run the files in TEST
  flag-harness gate check run.jsonl
  flag-harness gate approve run.jsonl --reason "Faster, and nothing broke"
  flag-harness gate promote --dry-run
  flag-harness gate promote                                 # TEST to PROD
  flag-harness gate rollback
"""
_EXAMPLES_BY_COMMAND = {
    "stage": ["stage", "stage --overwrite                    # discard what TEST changed"],
    "check": ["check run.jsonl", 'check run.jsonl sweep.jsonl --source DIR --markdown >> "$GITHUB_STEP_SUMMARY"'],
    "approve": ['approve run.jsonl --reason "Faster, and nothing broke" --name Ann'],
    "promote": ["promote --dry-run", "promote --evidence artifacts/run.jsonl   # if the record has moved"],
    "rollback": [
        'rollback --reason "Customers do not like it"',
        "rollback --to 3                          # as entry 3 of `log` left PROD",
        "rollback --overwrite --to 3              # also what somebody changed in PROD by hand",
    ],
    "log": ["log"],
    "status": ["status --json"],
}
_SETTINGS_HELP = """
The settings are [tool.flag-harness.gate] in pyproject.toml, or gate.toml. TEST_ENV and PROD_ENV name the folders.

Exit code: 0, 1 if the gate refuses, 2 for wrong usage or a file that cannot be read."""


def add_gate_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command `gate` to the parser."""
    description = "Copy files to PROD only if the evidence passes the policy, and a person has approved exactly that."
    commands = add_subcommand_group(_add_parser(subparsers, "gate", description))
    one = _add_command(commands, "stage", "copy the declared files of PROD to TEST", _run_stage)
    one.add_argument("--overwrite", action="store_true", help="discard the changes in TEST")
    one = _add_command(commands, "check", "judge each rule of the policy on the evidence", _run_check)
    one.add_argument("--markdown", action="store_true", help="print Markdown, for the summary of a CI job")
    _add_evidence_arguments(one)
    one = _add_command(commands, "approve", "approve these files on this evidence, in a file for git", _run_approve)
    _add_evidence_arguments(one)
    one.add_argument("--reason", required=True, metavar="TEXT", help="why these files may go to PROD")
    one.add_argument("--name", metavar="NAME", help="who approves (default: the user that git is configured for)")
    one = _add_command(commands, "promote", "copy the approved files of TEST to PROD", _run_promote)
    one.add_argument("test", type=Path, nargs="?", metavar="TEST", help="the folder to copy from")
    one.add_argument("prod", type=Path, nargs="?", metavar="PROD", help="the folder to copy to")
    one.add_argument(
        "--evidence", type=Path, nargs="+", default=[], metavar="RECORD", help="the records, if they have moved since"
    )
    one.add_argument("--dry-run", action="store_true", help="check everything and show the change, but change nothing")
    one = _add_command(commands, "rollback", "restore PROD as it was before the last change", _run_rollback)
    one.add_argument("--to", type=int, metavar="N", help="restore PROD as entry N of `log` left it")
    one.add_argument("--reason", default="", metavar="TEXT", help="why")
    one.add_argument("--name", metavar="NAME", help="who rolls back (default: the user that git is configured for)")
    one.add_argument(
        "--overwrite", action="store_true", help="replace files that somebody changed in PROD; the history keeps them"
    )
    one.add_argument("--dry-run", action="store_true", help="show the change, but change nothing")
    _add_command(commands, "log", "list the changes of PROD", _run_log)
    _add_command(commands, "status", "show what is in PROD and in TEST", _run_status)


def _add_parser(
    subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, description: str
) -> argparse.ArgumentParser:
    return subparsers.add_parser(
        name,
        help=description[0].lower() + description[1:].rstrip("."),
        description=description,
        epilog=_examples_of_command(name) + _SETTINGS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _examples_of_command(name: str) -> str:
    """Return the examples in the help of one command, or those of all steps if the command has none of its own."""
    lines = [f"  flag-harness gate {one}" for one in _EXAMPLES_BY_COMMAND.get(name, ())]
    return "\n".join(["examples:", *lines, ""]) if lines else _EXAMPLES


def _add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    parser = _add_parser(commands, name, f"{summary[0].upper()}{summary[1:]}.")
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    parser.set_defaults(run=lambda arguments: _run_and_print_refusal(run, arguments))
    return parser


def _add_evidence_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("evidence", type=Path, nargs="+", metavar="EVIDENCE", help="records of `--harness-record`")
    parser.add_argument("--source", type=Path, metavar="DIR", help="the folder with the files (default: TEST)")


def _run_and_print_refusal(run: Callable[[argparse.Namespace], int], arguments: argparse.Namespace) -> int:
    """Run a command and return its exit code; print the refusal if the gate refuses."""
    try:
        return run(arguments)
    except GateRefusalError as error:
        if arguments.json:
            print(json.dumps({"refused": str(error)}))
        else:
            print_error(error)
        return 1


def _run_stage(arguments: argparse.Namespace) -> int:
    gate = _load_gate()
    prod, test = _require_prod(gate), _require_test_folder(gate)
    paths = stage_files(prod, test, overwrite=arguments.overwrite)
    line = f"{test}: {count_with_noun(len(paths), 'file')} changed to match {prod.folder}"
    _print_result(arguments, {"test": str(test), "changed": paths}, [line])
    return 0


def _run_check(arguments: argparse.Namespace) -> int:
    gate = _load_gate()
    candidate = read_candidate(gate, arguments.source or _require_test_folder(gate), arguments.evidence)
    results = judge_candidate(candidate)
    lines = rule_result_markdown(results) if arguments.markdown else rule_result_lines(results)
    _print_result(arguments, rule_results_to_json(candidate, results), lines)
    return 0 if all_rules_pass(results) else 1


def _run_approve(arguments: argparse.Namespace) -> int:
    gate = _load_gate()
    name = _require_user_name(gate, arguments.name)
    if not arguments.reason.strip():
        raise GateError('--reason is empty; say why these files may go to PROD: --reason "..."')
    candidate = read_candidate(gate, arguments.source or _require_test_folder(gate), arguments.evidence)
    results = judge_candidate(candidate)
    if not all_rules_pass(results):
        raise GateRefusalError("\n".join(["not approved:", *rule_result_lines(results)]))
    _refuse_own_approval(gate, candidate)
    file = write_approval_file(candidate, name, arguments.reason)
    values = {**rule_results_to_json(candidate, results), "approval": str(file.path)}
    _print_result(
        arguments,
        values,
        [f"{file.path}: {name} approves {count_with_noun(len(candidate.file_states), 'file')}; commit this file"],
    )
    return 0


def _refuse_own_approval(gate: GateSettings, candidate: ReleaseCandidate) -> None:
    """Raise `GateRefusalError` if git's user wrote the change, and the policy demands approval by somebody else."""
    if not gate.policy.requires_other_person or gate.prod_folder is None or not gate.prod_folder.is_dir():
        return
    prod, email = _require_prod(gate), git.email_in_git_config(gate.root_folder)
    if email in find_authors(candidate, prod, prod.history.read_entries()):
        raise GateRefusalError(
            f"not approved: git is configured for {email}, who wrote the change, and the policy demands another "
            "person; let somebody else run this command and commit the approval"
        )


def _run_promote(arguments: argparse.Namespace) -> int:
    gate = _load_gate()
    test = _require_test_folder(gate, arguments.test)
    prod = _require_prod(gate, arguments.prod, [test])
    who, dry_run = _require_user_name(gate, "", "somebody"), arguments.dry_run
    change = promote(prod, test, arguments.evidence, who, _make_message_printer(arguments), dry_run=dry_run)
    if change is None:
        _print_result(arguments, {"changed": []}, [f"{prod.folder} has these files already; nothing is promoted"])
        return 0
    _print_result(arguments, production_change_to_json(change), production_change_lines(change, prod, test))
    return 0


def _run_rollback(arguments: argparse.Namespace) -> int:
    gate = _load_gate()
    prod, who = _require_prod(gate), _require_user_name(gate, arguments.name)
    change = roll_back(
        prod,
        arguments.to,
        who,
        arguments.reason,
        _make_message_printer(arguments),
        dry_run=arguments.dry_run,
        overwrite=arguments.overwrite,
    )
    if change is None:
        line = "nothing more is rolled back; to go back by one more change: flag-harness gate rollback"
        _print_result(arguments, {"changed": []}, [line])
        return 0
    _print_result(arguments, production_change_to_json(change), production_change_lines(change, prod, None))
    return 0


def _run_log(arguments: argparse.Namespace) -> int:
    entries = _require_prod(_load_gate()).history.read_entries()
    _print_result(arguments, {"entries": history_to_json(entries)}, history_lines(entries))
    return 0


def _run_status(arguments: argparse.Namespace) -> int:
    gate = _load_gate()
    status = read_status(_require_prod(gate), gate.test_folder)
    _print_result(arguments, status.to_json(), status_lines(status))
    return 0 if status.is_prod_unmodified else 1


def _load_gate() -> GateSettings:
    root = find_root()
    if (gate := read_gate_settings(root)) is None:
        raise ConfigError(
            f"neither {root / 'pyproject.toml'} nor {root / 'gate.toml'} declares a gate; start with: "
            '[tool.flag-harness.gate] files = ["*.py"] test = "test" prod = "prod" policy = { tests = ["*"] }'
        )
    return gate


def _require_test_folder(gate: GateSettings, folder: Path | None = None) -> Path:
    if (found := folder or gate.test_folder) is None:
        raise ConfigError("the folder TEST is not known; set TEST_ENV, or `test` in the gate's settings")
    return found


def _require_prod(gate: GateSettings, folder: Path | None = None, others: Sequence[Path] = ()) -> ProductionFolder:
    if (found := folder or gate.prod_folder) is None:
        raise ConfigError("the folder PROD is not known; set PROD_ENV, or `prod` in the gate's settings")
    return open_production_folder(gate, found, others or ([gate.test_folder] if gate.test_folder else []))


def _require_user_name(gate: GateSettings, name: str | None, default: str = "") -> str:
    if not (who := name or git.user_in_git_config(gate.root_folder) or default):
        raise GateError("git has no user.name and user.email; name yourself with --name")
    return who


def _make_message_printer(arguments: argparse.Namespace) -> Callable[[str], None]:
    """Return a function that prints a message at once; on stderr if the output is JSON."""
    return lambda message: print(message, file=sys.stderr if arguments.json else sys.stdout, flush=True)


def _print_result(arguments: argparse.Namespace, values: dict[str, object], lines: Sequence[str]) -> None:
    print(json.dumps(values) if arguments.json else "\n".join(lines))
