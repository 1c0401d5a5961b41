"""Find the options and the arguments of a program that reads its command line with click or typer."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from flag_harness.analysis.code.detected_flag import DetectedFlag
from flag_harness.analysis.code.python_flags import called_function_name
from flag_harness.analysis.code.syntax import string_literal
from flag_harness.cli.init.reading.programs import NON_FLAG_OPTION_PATTERN, PROMPT_NAME_PATTERN

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class _Parameter:
    """An option or an argument of a command.

    Attributes:
        option_names: the options as they are written, such as `--stream/--no-stream`; empty for an argument.
        parameter_name: the parameter of the function.
        is_switch: True if it takes no value.
        is_on_by_default: True if a switch is on without the option.
        is_required: True if it has no default.
        accepts_any_text: True if any text is a value.
    """

    option_names: tuple[str, ...]
    parameter_name: str
    is_switch: bool
    is_on_by_default: bool
    is_required: bool
    accepts_any_text: bool
    line: int


def find_click_command(tree: ast.Module) -> _Function | None:
    """Return the function that click or typer makes a command of, or None if there is none or more than one."""
    run = {
        getattr(node.args[0], "id", "")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) in ("typer.run", "run")
    }
    found = [
        node
        for node in tree.body
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and (node.name in run or any(called_function_name(one) == "command" for one in node.decorator_list))
    ]
    modules = {one.name for node in ast.walk(tree) if isinstance(node, ast.Import) for one in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return found[0] if len(found) == 1 and modules & {"click", "typer"} else None


def command_arguments(command: _Function) -> str | None:
    """Return the arguments that give a command a prompt, as code, or None if the command requires other arguments."""
    words: list[str] = []
    for one in _command_parameters(command):
        is_prompt = one.accepts_any_text and bool(PROMPT_NAME_PATTERN.search(one.parameter_name))
        if one.is_required and not is_prompt:
            return None
        if is_prompt and (one.is_required or not one.option_names):
            words += [f'"{_longest_option(one)}"'] * bool(one.option_names) + ['"Hello."']
    return ", ".join(words)


def find_command_flags(command: _Function, path: str) -> tuple[DetectedFlag, ...]:
    """Return a flag for each option of a command that switches something on or off, in order."""
    flags = []
    for one in _command_parameters(command):
        on, _, off = _longest_option(one).partition("/")
        if one.is_switch and on and not NON_FLAG_OPTION_PATTERN.match(one.parameter_name):
            flags.append(
                DetectedFlag(
                    one.parameter_name, "option", on, on, off or None, one.is_on_by_default, f"{path}:{one.line}"
                )
            )
    return tuple(flags)


def _longest_option(parameter: _Parameter) -> str:
    return max((name for name in parameter.option_names if name.startswith("--")), key=len, default="")


def _command_parameters(command: _Function) -> Iterator[_Parameter]:
    """Yield the options and arguments of a command: those of click's decorators or, for typer, the function's
    parameters.
    """
    calls = [one for one in command.decorator_list if called_function_name(one) in ("option", "argument")]
    if calls:
        yield from (_parse_decorator(one) for one in calls if isinstance(one, ast.Call))
        return
    positional = command.args.args
    defaults = [None] * (len(positional) - len(command.args.defaults)) + [*command.args.defaults]
    for parameter, default in zip(positional, defaults, strict=True):
        yield _parse_typer_parameter(parameter, default)


def _parse_decorator(call: ast.Call) -> _Parameter:
    """Return what `click.option` or `click.argument` declares."""
    words = {word.arg: getattr(word.value, "value", None) for word in call.keywords}
    texts = [text for one in call.args if (text := string_literal(one)) is not None]
    options = tuple(text for text in texts if text.startswith("-"))
    long = max(options, key=len, default="").partition("/")[0]
    name = next((text for text in texts if text not in options), long.strip("-").replace("-", "_"))
    is_pair = any("/" in text for text in options)
    is_required = words.get("required") is True if options else words.get("required") is not False
    is_required = is_required and not {"default", "nargs"} & {*words}
    is_switch = is_pair or words.get("is_flag") is True
    return _Parameter(
        options, name.lower(), is_switch, words.get("default") is True, is_required, "type" not in words, call.lineno
    )


def _parse_typer_parameter(parameter: ast.arg, default: ast.expr | None) -> _Parameter:
    """Return what a parameter of a function declares for typer."""
    kind = parameter.annotation
    details = [one for one in ast.walk(kind) if isinstance(one, ast.Call)] if kind is not None else []
    if isinstance(default, ast.Call):
        details, default = [default], default.args[0] if default.args else None
    if getattr(default, "value", None) is ...:
        default = None
    annotated = kind.slice if isinstance(kind, ast.Subscript) else kind
    first = annotated.elts[0] if isinstance(annotated, ast.Tuple) else annotated
    text = ast.unparse(first) if first is not None else "str"
    names = tuple(name for call in details for one in call.args if (name := string_literal(one) or "").startswith("-"))
    is_option = default is not None or any(called_function_name(one) == "Option" for one in details)
    dashed = parameter.arg.replace("_", "-")
    own = f"--{dashed}/--no-{dashed}" if text == "bool" else f"--{dashed}"
    options = (names or (own,)) if is_option else ()
    is_on = getattr(default, "value", None) is True
    return _Parameter(options, parameter.arg, text == "bool", is_on, default is None, text == "str", parameter.lineno)
