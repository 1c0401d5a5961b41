"""Find the arguments with which a program gets a prompt."""

import ast
import re

PROMPT_NAME = re.compile(r"prompt|question|query|message|text|task|input|goal|request|instruction|ask|^q$")


def program_arguments(tree: ast.Module) -> str | None:
    """Return the arguments that give a program a prompt, as code; None if it requires others.

    A program without `add_argument` gets the prompt as its only argument.
    """
    words: list[str] = []
    optional = ""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    options = [node for node in calls if getattr(node.func, "attr", "") == "add_argument" and node.args]
    for call in options:
        names = [str(one.value) for one in call.args if isinstance(one, ast.Constant)]
        name = max(names, key=len, default="")
        settings = {one.arg: getattr(one.value, "value", None) for one in call.keywords}
        is_prompt = bool(PROMPT_NAME.search(name.strip("-").lower())) and "type" not in settings
        is_option = name.startswith("-")
        is_required = settings.get("required") is True if is_option else settings.get("nargs") not in ("?", "*")
        if is_required and not is_prompt:
            return None
        if is_prompt and is_option and not is_required and "action" not in settings:
            optional = optional or f'"{name}", "Hello."'
        elif is_prompt and (is_required or not is_option):
            words += [f'"{name}"'] * is_option + ['"Hello."']
    return ", ".join(words) or optional or ('"Hello."' if not options else "")
