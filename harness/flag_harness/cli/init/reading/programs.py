"""Find the arguments with which a program gets a prompt, and its options that switch something on or off."""

import ast
import re
from collections.abc import Iterator
from dataclasses import replace

from flag_harness.analysis.code.detected_flag import DetectedFlag

PROMPT_NAME_PATTERN = re.compile(r"prompt|question|query|message|text|task|input|goal|request|instruction|ask|^q$")
_SWITCH_ACTIONS = ("store_true", "store_false", "BooleanOptionalAction")
NON_FLAG_OPTION_PATTERN = re.compile(
    r"^(verbose|debug|quiet|silent|version|help|dry_run|force|yes|interactive|repl|chat|json|raw|colou?r|no_colou?r|log\w*"
    r"|list\w*|test|watch|serve|save\w*|overwrite|print\w*|show\w*|profile)$"
)
"""Matches the names of options that only say how a program runs or what it prints."""


def program_arguments(tree: ast.Module) -> str | None:
    """Return the arguments that give a program a prompt, as code.

    Return None if it requires other arguments, or has subcommands. A program without `add_argument` gets the prompt as
    its only argument.
    """
    words: list[str] = []
    optional = ""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if any(_method_name(call) == "add_subparsers" for call in calls):
        return None
    options = [node for node in calls if _method_name(node) == "add_argument" and node.args]
    for call in options:
        names = [str(one.value) for one in call.args if isinstance(one, ast.Constant)]
        name = max(names, key=len, default="")
        settings = {one.arg: getattr(one.value, "value", None) for one in call.keywords}
        is_prompt = bool(PROMPT_NAME_PATTERN.search(name.strip("-").lower())) and "type" not in settings
        is_option = name.startswith("-")
        is_required = settings.get("required") is True if is_option else settings.get("nargs") not in ("?", "*")
        if is_required and not is_prompt:
            return None
        if is_prompt and is_option and not is_required and "action" not in settings:
            optional = optional or f'"{name}", "Hello."'
        elif is_prompt and (is_required or not is_option):
            words += [f'"{name}"'] * is_option + ['"Hello."']
    return ", ".join(words) or optional or ('"Hello."' if not options else "")


def find_option_flags(tree: ast.Module, path: str) -> tuple[DetectedFlag, ...]:
    """Return a flag for each option of a program that switches something on or off, in order.

    `on` and `off` of a flag are the options that give it these values, or None if no option is needed. Two options with
    the same destination are one flag. Options that exclude each other become flags that exclude each other; the one
    that is on by default is left out.
    """
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    groups = set(_exclusive_group_variables(tree))
    defaults = {
        word.arg: word.value for call in calls if _method_name(call) == "set_defaults" for word in call.keywords
    }
    flags: dict[str, DetectedFlag] = {}
    members: dict[str, list[str]] = {}
    for call in sorted(calls, key=lambda one: (one.lineno, one.col_offset)):
        if _method_name(call) != "add_argument" or (flag := _parse_option(call, path)) is None:
            continue
        known = flags.get(flag.name)
        group = str(getattr(getattr(call.func, "value", None), "id", ""))
        if known is not None:
            flags[flag.name] = replace(known, on=known.on or flag.on, off=known.off or flag.off)
            continue
        default = getattr(defaults.get(flag.name), "value", flag.is_on_by_default)
        if group in groups and default is True:
            continue
        others = members.setdefault(group, []) if group in groups else []
        flags[flag.name] = replace(flag, is_on_by_default=default is True, excludes=tuple(others))
        others.append(flag.name)
    return tuple(flags.values())


def _exclusive_group_variables(tree: ast.Module) -> Iterator[str]:
    """Yield the names of variables that contain a group of options of which only one can be given."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and _method_name(node.value) == "add_mutually_exclusive_group":
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _parse_option(call: ast.Call, path: str) -> DetectedFlag | None:
    """Return the flag for an option that takes no value, or None for any other call."""
    words = {word.arg: word.value for word in call.keywords}
    kind = ast.unparse(words["action"]).rpartition(".")[2].strip("'") if "action" in words else ""
    names = [str(one.value) for one in call.args if isinstance(one, ast.Constant)]
    option = next((name for name in names if name.startswith("--")), "")
    if kind not in _SWITCH_ACTIONS or not option:
        return None
    dest = str(getattr(words.get("dest"), "value", "")) or option.removeprefix("--").replace("-", "_")
    if NON_FLAG_OPTION_PATTERN.match(dest) or not dest.isidentifier():
        return None
    default = getattr(words.get("default"), "value", kind == "store_false") is True
    on = option if kind != "store_false" else ""
    off = {"store_true": None, "store_false": option}.get(kind, f"--no-{option.removeprefix('--')}")
    return DetectedFlag(dest, "option", option, on, off, default, f"{path}:{call.lineno}")


def _method_name(node: ast.AST) -> str:
    """Return the name of the method that an expression calls, or an empty string."""
    return str(getattr(getattr(node, "func", None), "attr", ""))
