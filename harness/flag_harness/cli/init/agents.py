"""Find the agent of a repository: the function, method or program that calls the Messages API."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_API_METHODS = ("create", "stream", "tool_runner", "parse")
_MOST_PROMPTS = 2
"""A function with more parameters without a known type takes something else than prompts."""
_LIST_NAMES = ("messages", "history", "conversation")
_CLIENT_NAMES = ("client", "anthropic", "anthropic_client", "llm")


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
    """

    path: str
    name: str
    call: str
    kind: str
    needs_client: bool
    line: int
    rank: int
    has_answer: bool = True


def find_agents(tree: ast.Module, path: str) -> Iterator[FoundAgent]:
    """Yield the functions and programs of a module that call the API and that a test could call."""
    functions = dict(_functions_by_name(tree))
    calling = {name for name, node in functions.items() if any(map(_is_api_call, ast.walk(node)))}
    while more := {
        name for name, node in functions.items() if name not in calling and _used_functions(node, functions) & calling
    }:
        calling |= more
    called = {callee for name in calling for callee in _used_functions(functions[name], functions) if callee != name}
    constructors = {name.partition(".")[0]: node for name, node in functions.items() if name.endswith(".__init__")}
    for name in calling:
        node = functions[name]
        if name.rpartition(".")[2].startswith("_") or name in ("main", "cli"):
            continue
        if (agent := _make_agent(name, node, constructors, path, name not in called)) is not None:
            yield agent
    is_program = any(isinstance(node, ast.If) and "__main__" in ast.dump(node.test) for node in tree.body)
    calls_at_top = any(_is_api_call(one) for node in tree.body if not _is_definition(node) for one in ast.walk(node))
    if (is_program and calling) or calls_at_top:
        yield FoundAgent(path, "", '"Hello."', "program", False, 1, 1)


def _make_agent(
    name: str,
    node: ast.FunctionDef | ast.AsyncFunctionDef,
    constructors: Mapping[str, ast.AST],
    path: str,
    is_entry: bool,
) -> FoundAgent | None:
    """Return a function as an agent that a test can call, or None if its arguments cannot be guessed."""
    owner, _, method = name.rpartition(".")
    is_static = any(getattr(one, "id", "") == "staticmethod" for one in node.decorator_list)
    arguments = _call_arguments(node, skip_first=bool(owner) and not is_static)
    constructor = constructors.get(owner)
    created: tuple[str, bool, int] | None = ("", False, 0)
    if isinstance(constructor, (ast.FunctionDef, ast.AsyncFunctionDef)):
        created = _call_arguments(constructor, skip_first=True)
    if arguments is None or created is None or "." in owner:
        return None
    call = f"{owner}({created[0]}).{method}({arguments[0]})" if owner else f"{name}({arguments[0]})"
    is_async = isinstance(node, ast.AsyncFunctionDef)
    own_nodes = list(_nodes_outside_nested_functions(node))
    is_generator = any(isinstance(one, (ast.Yield, ast.YieldFrom)) for one in own_nodes)
    kind = f"{'async ' if is_async else ''}generator" if is_generator else "async" if is_async else "plain"
    rank = 4 + 4 * is_entry + 2 * arguments[2] - (".test" in path or "example" in path)
    has_answer = is_generator or any(isinstance(one, ast.Return) and one.value is not None for one in own_nodes)
    return FoundAgent(path, owner or name, call, kind, arguments[1] or created[1], node.lineno, rank, has_answer)


def _call_arguments(node: ast.FunctionDef | ast.AsyncFunctionDef, *, skip_first: bool) -> tuple[str, bool, int] | None:
    """Return the arguments to call a function with, whether one is a client, and how many are prompts.

    Return None if a required parameter is neither a prompt, a list of messages nor a client, or if more than two
    parameters may be prompts.
    """
    positional = [*node.args.posonlyargs, *node.args.args][1 if skip_first else 0 :]
    required = positional[: len(positional) - len(node.args.defaults)] if node.args.defaults else positional
    keyword_only = [
        one for one, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if default is None
    ]
    words, needs_client, prompts = [], False, 0
    for parameter in (*required, *keyword_only):
        kind = _parameter_kind(parameter)
        if kind is None:
            return None
        needs_client = needs_client or kind == "client"
        prompts += kind == "prompt"
        text = {"prompt": '"Hello."', "messages": '[{"role": "user", "content": "Hello."}]', "client": "client"}[kind]
        words.append(text if parameter in required else f"{parameter.arg}={text}")
    if prompts > _MOST_PROMPTS:
        return None
    return ", ".join(words), needs_client, min(prompts, 1)


def _parameter_kind(parameter: ast.arg) -> str | None:
    annotation = ast.unparse(parameter.annotation) if parameter.annotation else ""
    if "Anthropic" in annotation or (not annotation and parameter.arg in _CLIENT_NAMES):
        return "client"
    if annotation.lower().startswith(("list", "sequence", "iterable")) or (
        not annotation and parameter.arg in _LIST_NAMES
    ):
        return "messages"
    return "prompt" if annotation in ("", "str", "str | None") else None


def _functions_by_name(tree: ast.Module) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield the functions of a module and the methods of its classes, by name."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for method in node.body:
                if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
                    yield f"{node.name}.{method.name}", method


def _used_functions(node: ast.AST, functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef]) -> set[str]:
    """Return the names of the functions in `functions` that the code of `node` mentions, or calls as methods."""
    words = {getattr(one, "id", None) or getattr(one, "attr", None) for one in ast.walk(node)}
    return {name for name in functions if name.rpartition(".")[2] in words or name in words}


def _is_api_call(node: ast.AST) -> bool:
    """Return whether an expression is a call such as `client.messages.create(...)`."""
    function = node.func if isinstance(node, ast.Call) else None
    is_method = isinstance(function, ast.Attribute) and function.attr in _API_METHODS
    return is_method and getattr(getattr(function, "value", None), "attr", "") == "messages"


def _is_definition(node: ast.AST) -> bool:
    return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))


def _nodes_outside_nested_functions(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the syntax nodes of a function, without those of functions nested in it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            yield child
            yield from _nodes_outside_nested_functions(child)
