"""The command `flag-harness context`, which saves, restores and verifies sessions of an agent."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flag_harness.cli.terminal import print_json
from flag_harness.config import read_project_config
from flag_harness.errors import ContextError, FlagError
from flag_harness.files import read_regular_file
from flag_harness.flag import OFF_COMBINATION, SHIPPED_FLAGS, combination_id
from flag_harness.matrix import flag_and_value_by_id_part

_SAVE_EXAMPLES = """examples:
  flag-harness context save session.json --messages messages.json --model claude-haiku-4-5
  my-agent --dump | flag-harness context save session.json

The messages are a JSON array, or an object that has one under "messages", such as the body of a request."""
_RESTORE_EXAMPLES = """examples:
  flag-harness context restore session.json
  ENABLE_STREAMING=true flag-harness context restore session.json --json | jq .messages

The file is only read. What an interruption left incomplete is repaired in the output; the transition prompt says what
was repaired, and which flags have changed between the save and the present environment."""
_VERIFY_EXAMPLES = """example:
  flag-harness context verify session.json sessions/*.json

Exit code: 0 all are sound, 1 a restore would repair something, 2 one cannot be restored at all."""


def add_context_command(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the commands `context save`, `context restore` and `context verify` to the parser."""
    parser = subparsers.add_parser("context", help="save, restore and verify the sessions of an agent")
    commands = parser.add_subparsers(title="commands", required=True, metavar="save|restore|verify")
    save = _add_subcommand(commands, "save", "write messages as a context file", _SAVE_EXAMPLES, _run_save)
    save.add_argument("path", type=Path, help="the context file to write")
    save.add_argument("--messages", default="-", metavar="FILE", help="the JSON with the messages (default: -, stdin)")
    save.add_argument("--model", default="", help="the name of the model (default: that of the JSON, if any)")
    save.add_argument(
        "--combination",
        help="the id of the flags that were on (default: those of the environment)",
    )
    restore = _add_subcommand(
        commands, "restore", "print a session, repaired, as it would continue", _RESTORE_EXAMPLES, _run_restore
    )
    restore.add_argument("path", type=Path, help="the context file to read")
    verify = _add_subcommand(commands, "verify", "say what a restore would repair", _VERIFY_EXAMPLES, _run_verify)
    verify.add_argument("paths", type=Path, nargs="+", metavar="path", help="the context files to check")


def _add_subcommand(
    commands: Any, name: str, summary: str, epilog: str, run: Callable[..., int]
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, for scripts")
    parser.set_defaults(run=run)
    return parser


def _run_save(arguments: argparse.Namespace) -> int:
    from flag_harness.reference.context.context import ConversationContext
    from flag_harness.reference.context.repair import repair_context
    from flag_harness.reference.context.store import check_messages, save_context

    document = _read_json_file_or_stdin(arguments.messages)
    body = document if isinstance(document, dict) else {"messages": document}
    check_messages(body.get("messages"), arguments.messages)
    model = arguments.model or body.get("model", "")
    if not isinstance(model, str):
        raise ContextError(f"{arguments.messages}: model must be a string, not {model!r}; name it with --model")
    combination = _combination_id_from_option_or_environment(arguments.combination)
    context = ConversationContext(messages=tuple(body["messages"]), combination=combination, model=model)
    save_context(context, arguments.path)
    notes = repair_context(context)[1]
    report = {"path": str(arguments.path), "messages": len(context.messages), "combination": combination}
    lines = [f"{arguments.path}: {len(context.messages)} messages saved, flags: {combination}"]
    lines += [f"  a restore will repair: {note}" for note in notes]
    _print_report(arguments, {**report, "would_repair": notes}, lines)
    return 0


def _combination_id_from_option_or_environment(option: str | None) -> str:
    """Return the id of the combination in the option (`option`) or, if that is None, of the flags in the environment.

    Raise `FlagError` if the option names an unknown flag.
    """
    if option is None:
        from flag_harness.reference.settings import read_settings

        return read_settings(os.environ).combination
    declared = read_project_config()[1].flags
    taken = {flag.name for flag in declared}
    names = flag_and_value_by_id_part((*declared, *(flag for flag in SHIPPED_FLAGS if flag.name not in taken)))
    on = [] if option == OFF_COMBINATION else option.split("+")
    if unknown := [name for name in on if name not in names]:
        raise FlagError(
            f"--combination {option}: no flag is called {unknown[0]!r}; use {OFF_COMBINATION!r}, "
            f"or some of these joined by '+': {', '.join(names)}"
        )
    return combination_id(name for name in names if name in on)


def _run_restore(arguments: argparse.Namespace) -> int:
    from flag_harness.reference.context.conversation import list_content_blocks
    from flag_harness.reference.context.repair import make_transition_prompt, repair_context
    from flag_harness.reference.context.store import load_context
    from flag_harness.reference.settings import read_settings

    saved = load_context(arguments.path)
    combination = read_settings(os.environ).combination
    context, notes = repair_context(saved)
    prompt = make_transition_prompt(saved, combination, notes)
    report = {
        "path": str(arguments.path),
        "model": context.model,
        "saved_under": context.combination,
        "restored_under": combination,
        "repaired": notes,
        "transition_prompt": prompt,
        "messages": context.messages,
    }
    blocks = (
        (message["role"], block) for message in context.messages for block in list_content_blocks(message["content"])
    )
    lines = [f"{role}: {_block_text(block)}" for role, block in blocks]
    _print_report(arguments, report, [*lines, *(["", prompt] if prompt else [])])
    return 0


def _run_verify(arguments: argparse.Namespace) -> int:
    from flag_harness.reference.context.store import find_repairs_of_saved_context

    code, report, lines = 0, [], []
    for path in arguments.paths:
        notes, error = [], None
        try:
            notes = find_repairs_of_saved_context(path)
        except ContextError as refused:
            error = str(refused)
        code = max(code, 2 if error else 1 if notes else 0)
        report.append({"path": str(path), "would_repair": notes, "error": error})
        lines += [error or f"{path}: {'sound' if not notes else 'a restore would repair:'}"]
        lines += [f"  {note}" for note in notes]
    _print_report(arguments, {"files": report}, lines)
    return code


def _read_json_file_or_stdin(source: str) -> Any:
    from flag_harness.reference.context.store import MAX_CONTEXT_BYTES

    try:
        data = sys.stdin.buffer.read() if source == "-" else read_regular_file(Path(source), MAX_CONTEXT_BYTES)
        return json.loads(data)
    except OSError as error:
        raise ContextError(f"{source}: cannot be read: {error.strerror}; check --messages") from None
    except ValueError as error:
        raise ContextError(f"{source}: is not JSON: {error}; give an array of messages, or a request's body") from None
    except RecursionError:
        raise ContextError(f"{source}: its values are nested too deeply; give an array of messages") from None


def _block_text(block: dict[str, Any]) -> str:
    """Return a content block as readable text: its text if it is a text block, else its JSON."""
    return str(block["text"]) if block["type"] == "text" else json.dumps(block, ensure_ascii=False)


def _print_report(arguments: argparse.Namespace, report: dict[str, Any], lines: list[str]) -> None:
    if arguments.json:
        print_json(report)
    else:
        print("\n".join(lines))
