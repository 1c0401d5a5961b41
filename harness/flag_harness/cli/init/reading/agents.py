"""Find the agent of a repository: the function, method or program that calls the Messages API."""

import ast
from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import TypeAlias

from flag_harness.analysis.code.detected_flag import DetectedFlag
from flag_harness.analysis.code.inert_reasons import decorator_name, is_main_guard
from flag_harness.cli.init.reading.arguments import (
    PROMPT_ARGUMENT,
    UNKNOWN_ARGUMENT,
    CallArguments,
    client_of_api_call,
    dataclass_parameters,
    find_client_parameters,
    guess_call_arguments,
)
from flag_harness.cli.init.reading.click_programs import command_arguments, find_click_command, find_command_flags
from flag_harness.cli.init.reading.found_agent import FoundAgent, UncallableFunction
from flag_harness.cli.init.reading.framework_agents import find_module_agents
from flag_harness.cli.init.reading.frameworks import NO_FRAMEWORK, FrameworkModule
from flag_harness.cli.init.reading.programs import find_option_flags, program_arguments
from flag_harness.cli.init.reading.side_folders import rank_penalty_for_side_folder

_TRANSPARENT_DECORATORS = frozenset(
    {"staticmethod", "classmethod", "cache", "lru_cache", "retry", "wraps", "override", "traceable"}
)
"""Decorators that do not change how a function is called."""
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_MAIN_FUNCTION_NAMES = ("main", "cli")
_ARGV_PARAMETER_NAMES = ("argv", "args", "arguments")
_EXIT_FUNCTION_NAMES = ("exit", "quit", "SystemExit")
_EXTRA_RANK_OF_FLAG_OPTIONS = 12
"""How much more likely a program is tested if its options are flags, since these flags have an effect only through the
program.
"""


def find_agents(
    tree: ast.Module,
    path: str,
    api_callers: Collection[str] = (),
    framework: FrameworkModule = NO_FRAMEWORK,
    classes: Mapping[str, ast.ClassDef] = MappingProxyType({}),
) -> Iterator[FoundAgent | UncallableFunction]:
    """Yield the functions and programs of a module that call the API, with how a test could call them.

    `api_callers` are the functions and classes of the project's other modules that call the API, `framework` is what
    this module does with the agents of a framework, and `classes` has the classes of the project by name.
    """
    functions = dict(_functions_by_name(tree))
    calling = _find_calling_functions(functions, framework.run_expressions)
    called = {
        callee
        for name in calling
        for callee in _names_of_mentioned_functions(functions[name], functions)
        if callee != name
    }
    run = [
        node for node in tree.body if not _is_definition(node) and _calls_api(node, calling, framework.run_expressions)
    ]
    sends_if_imported = not all(map(is_main_guard, run))
    command = find_click_command(tree)
    options = find_option_flags(tree, path) if command is None else find_command_flags(command, path)
    main = None if sends_if_imported else _find_main_function(tree, functions, calling, api_callers)
    for name in functions:
        if name not in calling or sends_if_imported or name == main:
            continue
        method = name.rpartition(".")[2]
        if (not method.startswith("_") or method == "__call__") and name not in _MAIN_FUNCTION_NAMES:
            yield _make_agent_from_function(name, functions[name], tree, path, name not in called)
    if not sends_if_imported:
        yield from find_module_agents(tree, path, framework, classes)
    is_started = bool(run) or (any(map(is_main_guard, tree.body)) and bool(calling or (main and options)))
    callable_main = functions.get(main or "") if command is None else None
    arguments = program_arguments(tree) if command is None else command_arguments(command)
    yield from _find_programs(path, callable_main, arguments, options, is_started=is_started)


def _find_programs(
    path: str, main: _Function | None, arguments: str | None, options: tuple[DetectedFlag, ...], *, is_started: bool
) -> Iterator[FoundAgent | UncallableFunction]:
    """Yield the function `main` of a module, if a test can call it, and the module as a program.

    The program is only yielded if `is_started` is true: the module is run by its path. `arguments` are the arguments
    that give it a prompt, or None if they are unknown.
    """
    if main is not None and (agent := _make_main_agent(main.name, main, arguments, options, path)) is not None:
        yield agent
    if is_started and arguments is not None:
        rank = 1 + _EXTRA_RANK_OF_FLAG_OPTIONS * bool(options) - rank_penalty_for_side_folder(path)
        yield FoundAgent(path, "", arguments, "program", False, 1, rank, option_flags=options)


def find_api_callers(tree: ast.Module, run_expressions: Collection[ast.AST] = ()) -> set[str]:
    """Return the names of the functions and classes of a module that call the API.

    `run_expressions` are expressions that call the API through an agent of a framework.
    """
    return {name.partition(".")[0] for name in _find_calling_functions(dict(_functions_by_name(tree)), run_expressions)}


def _find_calling_functions(functions: dict[str, _Function], run_expressions: Collection[ast.AST]) -> set[str]:
    """Return the names of the functions that call the API, directly, through one of `run_expressions`, or through each
    other.
    """
    calling = {
        name
        for name, node in functions.items()
        if any(_is_api_call_or_run(one, run_expressions) for one in ast.walk(node))
    }
    while more := {
        name
        for name, node in functions.items()
        if name not in calling and _names_of_mentioned_functions(node, functions) & calling
    }:
        calling |= more
    return calling


def _find_main_function(
    tree: ast.Module, functions: dict[str, _Function], calling: Collection[str], callers: Collection[str]
) -> str | None:
    """Return the function that reads the arguments of the command line and calls the API, or None."""
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in callers
    }
    for name, node in functions.items():
        is_caller = name in calling or any(getattr(one, "id", "") in imported for one in ast.walk(node))
        if is_caller and "." not in name and (name in _MAIN_FUNCTION_NAMES or _takes_only_argv(node)):
            return name
    return None


def _takes_only_argv(node: _Function) -> bool:
    """Return whether the only parameter of a function is a list of command-line arguments."""
    parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    if len(parameters) != 1 or parameters[0].arg not in _ARGV_PARAMETER_NAMES:
        return False
    annotation = ast.unparse(parameters[0].annotation) if parameters[0].annotation else "str"
    return parameters[0].arg == "argv" or ("str" in annotation and "Namespace" not in annotation)


def _make_main_agent(
    name: str, node: _Function, arguments: str | None, options: tuple[DetectedFlag, ...], path: str
) -> FoundAgent | UncallableFunction | None:
    """Return the function `main` of a module as an agent that a test calls in pytest's process.

    Return None if `main` must be started as a program instead, because it exits the process, or reads `sys.argv` and
    has no options to test.
    """
    takes_argv = _takes_only_argv(node)
    exits = any(getattr(one, "attr", getattr(one, "id", "")) in _EXIT_FUNCTION_NAMES for one in ast.walk(node))
    if exits or not (takes_argv or (options and not node.args.args)):
        return None
    kind = "async main" if isinstance(node, ast.AsyncFunctionDef) else "main"
    rank = 2 + _EXTRA_RANK_OF_FLAG_OPTIONS * bool(options) - rank_penalty_for_side_folder(path)
    call = UNKNOWN_ARGUMENT if arguments is None else arguments
    agent = FoundAgent(path, name, call, kind, False, node.lineno, rank, option_flags=options, takes_argv=takes_argv)
    if arguments is None:
        return UncallableFunction(agent, name, "the arguments that its command line requires")
    return agent


def _make_agent_from_function(
    name: str, node: _Function, tree: ast.Module, path: str, is_entry_point: bool
) -> FoundAgent | UncallableFunction:
    """Return a function as an agent that a test can call or, if its arguments cannot be guessed, as an
    `UncallableFunction`.

    `is_entry_point` is true if no other function of its module calls it.
    """
    owner, _, method = name.rpartition(".")
    class_node = next((one for one in tree.body if isinstance(one, ast.ClassDef) and one.name == owner), None)
    decorators = {decorator_name(one) for one in node.decorator_list}
    clients = find_client_parameters(node, None)
    arguments = guess_call_arguments(
        node.args, clients, skip_first=class_node is not None and "staticmethod" not in decorators
    )
    created = _guess_constructor_arguments(class_node, is_prompted_later=PROMPT_ARGUMENT in arguments.code)
    unknown = [*(f"{owner}({one})" for one in created.unknown_parameters), *arguments.unknown_parameters]
    texts = arguments.code
    if method.startswith("on_") and not unknown:
        unknown, texts = ["the event that it handles"], UNKNOWN_ARGUMENT
    attribute = "" if method == "__call__" else f".{method}"
    call = f"{owner}({created.code}){attribute}({texts})" if owner else f"{name}({texts})"
    is_async = isinstance(node, ast.AsyncFunctionDef)
    own_nodes = list(_nodes_outside_nested_functions(node))
    is_generator = any(isinstance(one, (ast.Yield, ast.YieldFrom)) for one in own_nodes)
    kind = f"{'async ' if is_async else ''}generator" if is_generator else "async" if is_async else "plain"
    rank = (
        4
        + 4 * is_entry_point
        + 2 * arguments.prompt_rank
        - 3 * bool(decorators - _TRANSPARENT_DECORATORS)
        - rank_penalty_for_side_folder(path)
    )
    has_answer = is_generator or any(isinstance(one, ast.Return) and one.value is not None for one in own_nodes)
    needs_client = arguments.needs_client or created.needs_client
    agent = FoundAgent(path, owner or name, call, kind, needs_client, node.lineno, rank, has_answer)
    return UncallableFunction(agent, name, ", ".join(unknown)) if unknown else agent


def _guess_constructor_arguments(owner: ast.ClassDef | None, *, is_prompted_later: bool) -> CallArguments:
    """Return the arguments with which a test makes an object of the class; none if the class defines no constructor.

    `is_prompted_later` is true if the prompt is passed to a method instead.
    """
    if owner is None:
        return CallArguments("", False, 0, ())
    constructor = next((one for one in owner.body if getattr(one, "name", "") == "__init__"), None)
    if isinstance(constructor, (ast.FunctionDef, ast.AsyncFunctionDef)):
        parameters: ast.arguments | None = constructor.args
    else:
        parameters = dataclass_parameters(owner)
    if parameters is None:
        return CallArguments("", False, 0, ())
    clients = find_client_parameters(constructor or owner, owner)
    return guess_call_arguments(parameters, clients, skip_first=True, is_prompted_later=is_prompted_later)


def _functions_by_name(tree: ast.Module) -> Iterator[tuple[str, _Function]]:
    """Yield the functions of a module and the methods of its classes, by name."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield f"{node.name}.{method.name}", method


def _names_of_mentioned_functions(node: ast.AST, functions: dict[str, _Function]) -> set[str]:
    """Return the names of the functions in `functions` that the code of `node` mentions, or calls as methods."""
    words = {getattr(one, "id", None) or getattr(one, "attr", None) for one in ast.walk(node)}
    return {name for name in functions if name.rpartition(".")[2] in words or name in words}


def _is_definition(node: ast.AST) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


def _calls_api(node: ast.AST, calling: Collection[str], run_expressions: Collection[ast.AST]) -> bool:
    """Return whether the code of a node calls the API, calls a function in `calling`, or contains one of
    `run_expressions`.
    """
    return any(
        _is_api_call_or_run(one, run_expressions) or getattr(getattr(one, "func", None), "id", "") in calling
        for one in ast.walk(node)
    )


def _is_api_call_or_run(node: ast.AST, run_expressions: Collection[ast.AST]) -> bool:
    """Return whether an expression calls the API, or is one of `run_expressions`."""
    return node in run_expressions or client_of_api_call(node) is not None


def _nodes_outside_nested_functions(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the syntax nodes of a function, without those of functions nested in it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from _nodes_outside_nested_functions(child)
