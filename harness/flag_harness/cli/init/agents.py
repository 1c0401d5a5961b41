"""Find the agent of a repository: the function, method or program that calls the Messages API."""

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from flag_harness.analysis.code.inert_reasons import decorator_name, is_main_guard
from flag_harness.cli.init.programs import PROMPT_NAME, program_arguments

_API_METHODS = ("create", "stream", "tool_runner", "parse")
_PROMPT_ARGUMENT = '"Hello."'
_MAX_UNTYPED_PARAMETERS = 2
"""A function with more parameters without a known type takes something else than prompts."""
_MESSAGE_LIST_NAMES = ("messages", "history", "conversation")
_CLIENT_NAMES = ("client", "anthropic", "anthropic_client", "llm")
_NON_PROMPT_NAMES = re.compile(
    r"^(app|args|block|bot|callback|channel|config|conn(ection)?|ctx|context|data|db|event|file|func(tion)?|guild"
    r"|interaction|item|logger|member|node|options|params|payload|request|response|session|settings|state|tool(_use)?s?"
    r"|update|user|ws|websocket)$"
)
"""Parameters without a type that are no prompts."""
_NON_PROMPT_TEXT_NAMES = re.compile(r"(^|_)(path|file|filename|folder|dir|directory|url|id)$")
"""Names of text parameters that are no prompts."""
_ARGUMENT_BY_TYPE = {"bool": "False", "int": "3", "float": "1.0"}
_TRANSPARENT_DECORATORS = frozenset(
    {"staticmethod", "classmethod", "cache", "lru_cache", "retry", "wraps", "override", "traceable"}
)
"""Decorators that leave a function to be called as it is defined."""
_SIDE_FOLDERS = re.compile(
    r"(^|[-_./])(examples?|samples?|demos?|tutorials?|notebooks?|cookbooks?|archived?|legacy|deprecated|old|docs?"
    r"|scripts?|benchmarks?|evals?|tests?|experiments?)([-_./]|$)"
)
"""Folders and files that hold something else than the product, if the repository has more."""


@dataclass(frozen=True, slots=True)
class FoundAgent:
    """A function, class or program of the repository that a test can call and that sends requests to the API.

    Attributes:
        path: the file, relative to the repository, with `/`.
        name: the function or class, or empty for a program that is started by its path.
        call: the expression that calls it, or the arguments of the program.
        kind: `plain`, `async`, `generator`, `async generator`, `program` or `node`.
        needs_client: True if `call` uses a variable `client`.
        line: the line of the definition.
        rank: how likely it is the function that users call; the agent with the highest rank is tested.
        has_answer: False for a function that returns nothing.
        folder: the folder that must be on `sys.path` to import the module, relative to the repository.
        module: the name to import the module by.
    """

    path: str
    name: str
    call: str
    kind: str
    needs_client: bool
    line: int
    rank: int
    has_answer: bool = True
    folder: str = "."
    module: str = ""


@dataclass(frozen=True, slots=True)
class UncallableFunction:
    """A function that calls the API and whose arguments cannot be guessed.

    Attributes:
        place: the file and the line of the definition.
        unknown: the parameters that nobody can guess, or what else is in the way.
    """

    place: str
    name: str
    unknown: str


def find_agents(tree: ast.Module, path: str) -> Iterator[FoundAgent | UncallableFunction]:
    """Yield the functions and programs of a module that call the API, with how a test could call them."""
    functions = dict(_functions_by_name(tree))
    calling = {name for name, node in functions.items() if any(map(_is_api_call, ast.walk(node)))}
    while more := {
        name
        for name, node in functions.items()
        if name not in calling and _names_of_mentioned_functions(node, functions) & calling
    }:
        calling |= more
    called = {
        callee
        for name in calling
        for callee in _names_of_mentioned_functions(functions[name], functions)
        if callee != name
    }
    constructors = {name.partition(".")[0]: node for name, node in functions.items() if name.endswith(".__init__")}
    is_program = any(map(is_main_guard, tree.body))
    run = [node for node in tree.body if not _is_definition(node) and _calls_api(node, calling)]
    sends_if_imported = not all(map(is_main_guard, run))
    for name in functions:
        if name not in calling or sends_if_imported:
            continue
        method = name.rpartition(".")[2]
        if not method.startswith("_") and name not in ("main", "cli"):
            yield _make_agent(name, functions[name], constructors, path, name not in called)
    if ((is_program and calling) or run) and (arguments := program_arguments(tree)) is not None:
        yield FoundAgent(path, "", arguments, "program", False, 1, 1 - _penalty_for_side_folder(path))


def _make_agent(
    name: str,
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    constructors: Mapping[str, ast.AST],
    path: str,
    is_entry: bool,
) -> FoundAgent | UncallableFunction:
    """Return a function as an agent that a test can call, or with the arguments that cannot be guessed."""
    owner, _, method = name.rpartition(".")
    decorators = {decorator_name(one) for one in node.decorator_list}
    arguments = _guess_call_arguments(node, skip_first=bool(owner) and "staticmethod" not in decorators)
    constructor = constructors.get(owner)
    created = _CallArguments("", False, 0, ())
    if isinstance(constructor, (ast.FunctionDef, ast.AsyncFunctionDef)):
        created = _guess_call_arguments(constructor, skip_first=True)
    unknown = [*(f"{owner}({one})" for one in created.unknown), *arguments.unknown]
    if method.startswith("on_"):
        unknown = unknown or ["the event that it handles"]
    if unknown:
        return UncallableFunction(f"{path}:{node.lineno}", name, ", ".join(unknown))
    call = f"{owner}({created.text}).{method}({arguments.text})" if owner else f"{name}({arguments.text})"
    is_async = isinstance(node, ast.AsyncFunctionDef)
    own_nodes = list(_nodes_outside_nested_functions(node))
    is_generator = any(isinstance(one, (ast.Yield, ast.YieldFrom)) for one in own_nodes)
    kind = f"{'async ' if is_async else ''}generator" if is_generator else "async" if is_async else "plain"
    rank = (
        4
        + 4 * is_entry
        + 2 * arguments.prompts
        - 3 * bool(decorators - _TRANSPARENT_DECORATORS)
        - _penalty_for_side_folder(path)
    )
    has_answer = is_generator or any(isinstance(one, ast.Return) and one.value is not None for one in own_nodes)
    needs_client = arguments.needs_client or created.needs_client
    return FoundAgent(path, owner or name, call, kind, needs_client, node.lineno, rank, has_answer)


@dataclass(frozen=True, slots=True)
class _CallArguments:
    """The text of the arguments of a call, and the names of the parameters that cannot be guessed.

    Attributes:
        prompts: 2 if an argument has the name of a prompt, 1 if another one is a text, else 0.
    """

    text: str
    needs_client: bool
    prompts: int
    unknown: tuple[str, ...]


def _guess_call_arguments(node: ast.FunctionDef | ast.AsyncFunctionDef, *, skip_first: bool) -> _CallArguments:
    """Return the arguments to call a function with.

    If more than two parameters may be prompts, none of them can be guessed.
    """
    positional = [*node.args.posonlyargs, *node.args.args][1 if skip_first else 0 :]
    required = positional[: len(positional) - len(node.args.defaults)] if node.args.defaults else positional
    keyword_only = [
        one for one, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if default is None
    ]
    guesses = {parameter.arg: _guess_argument(parameter) for parameter in (*required, *keyword_only)}
    keywords = {parameter.arg for parameter in keyword_only}
    texts = [f"{name}={text}" if name in keywords else str(text) for name, text in guesses.items()]
    prompts = [name for name, text in guesses.items() if text == _PROMPT_ARGUMENT]
    unknown = [name for name, text in guesses.items() if text is None]
    rank = min(len(prompts), 1) + any(map(PROMPT_NAME.search, prompts))
    if len(prompts) > _MAX_UNTYPED_PARAMETERS:
        unknown = prompts
    return _CallArguments(", ".join(texts), "client" in guesses.values(), rank, tuple(unknown))


def _guess_argument(parameter: ast.arg) -> str | None:
    """Return an argument as code, or None if it cannot be guessed."""
    name = parameter.arg
    annotation = ast.unparse(parameter.annotation).strip("'\"") if parameter.annotation else ""
    if "Anthropic" in annotation or (not annotation and name in _CLIENT_NAMES):
        return "client"
    if annotation.lower().startswith(("list", "sequence", "iterable")) or (
        not annotation and name in _MESSAGE_LIST_NAMES
    ):
        return '[{"role": "user", "content": "Hello."}]' if not _is_list_without_messages(annotation, name) else None
    if name == "model" and annotation in ("", "str"):
        return '"claude-haiku-4-5"'
    if annotation in _ARGUMENT_BY_TYPE:
        return "1024" if "tokens" in name else _ARGUMENT_BY_TYPE[annotation]
    is_text = annotation in ("", "str", "str | None") and not _NON_PROMPT_TEXT_NAMES.search(name)
    return _PROMPT_ARGUMENT if is_text and (annotation or not _NON_PROMPT_NAMES.search(name)) else None


def _is_list_without_messages(annotation: str, name: str) -> bool:
    """Return whether a list holds something else than messages, such as paths."""
    return bool(re.search(r"\[(str|Path|int|Tool\w*)\]", annotation)) or "tool" in name


def _functions_by_name(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield the functions of a module and the methods of its classes, by name."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield f"{node.name}.{method.name}", method


def _names_of_mentioned_functions(
    node: ast.AST, functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef]
) -> set[str]:
    """Return the names of the functions in `functions` that the code of `node` mentions, or calls as methods."""
    words = {getattr(one, "id", None) or getattr(one, "attr", None) for one in ast.walk(node)}
    return {name for name in functions if name.rpartition(".")[2] in words or name in words}


def _is_api_call(node: ast.AST) -> bool:
    """Return whether an expression is `client.messages.create` or the like, called or given to another function."""
    if not isinstance(node, ast.Attribute) or node.attr not in _API_METHODS:
        return False
    owner = node.value
    if isinstance(owner, ast.Attribute) and owner.attr in ("with_raw_response", "with_streaming_response"):
        owner = owner.value
    return isinstance(owner, ast.Attribute) and owner.attr == "messages"


def _penalty_for_side_folder(path: str) -> int:
    """Return how much less likely an agent in this file is the product."""
    return 10 if _SIDE_FOLDERS.search(path.rpartition(".")[0].lower()) else 0


def _is_definition(node: ast.AST) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


def _calls_api(node: ast.AST, calling: Collection[str]) -> bool:
    """Return whether the code of a node calls the API, or a function in `calling`."""
    return any(_is_api_call(one) or getattr(getattr(one, "func", None), "id", "") in calling for one in ast.walk(node))


def _nodes_outside_nested_functions(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the syntax nodes of a function, without those of functions nested in it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from _nodes_outside_nested_functions(child)
