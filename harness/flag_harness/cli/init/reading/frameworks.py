"""Find the code that runs an agent of pydantic-ai, LangChain or LangGraph, or calls the model through LiteLLM."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from flag_harness.analysis.code.syntax import string_constants

_FRAMEWORK_MODULE_PATTERN = re.compile(r"^(pydantic_ai|langchain\w*|langgraph\w*|deepagents|litellm)(\.|$)")
_AGENT_MAKER_NAMES = frozenset(
    {
        *("Agent", "ChatAnthropic", "ChatLiteLLM", "init_chat_model", "create_agent", "create_react_agent"),
        *("create_deep_agent", "create_tool_calling_agent", "StateGraph"),
    }
)
"""The functions and classes that make an agent, or a model that can be called."""
_RUN_METHOD_NAMES = frozenset(
    {
        *("run", "run_sync", "run_stream", "run_stream_sync", "run_stream_events", "iter"),  # pydantic-ai
        *("invoke", "ainvoke", "stream", "astream", "astream_events", "batch", "abatch"),  # LangChain
    }
)
_LITELLM_FUNCTION_NAMES = ("completion", "acompletion")
_MODEL_KEYWORDS = ("model", "llm", "model_provider")
_ANTHROPIC_NAME_PATTERN = re.compile(r"anthropic|claude", re.IGNORECASE)
_OTHER_PROVIDER_NAME_PATTERN = re.compile(
    r"openai|gpt|gemini|google|groq|mistral|ollama|cohere|deepseek|bedrock|vertex", re.IGNORECASE
)
_MAX_IMPORT_PASSES = 3
"""How many times names of agents are looked up again, to follow an agent through modules, variables and functions."""


@dataclass(frozen=True, slots=True)
class FrameworkModule:
    """What a module does with the agents of a framework.

    Attributes:
        run_expressions: the expressions that run an agent, such as `agent.run_sync`.
        agent_maker_calls: the calls that make an agent, by the names of the variables, attributes and functions through
            which the module gets the agent.
    """

    run_expressions: frozenset[ast.AST] = frozenset()
    agent_maker_calls: Mapping[str, ast.Call] = field(default_factory=dict)


NO_FRAMEWORK = FrameworkModule()
"""The value for a module that uses no agent of a framework."""


def read_frameworks(trees: Mapping[str, ast.Module]) -> dict[str, FrameworkModule]:
    """Return what each module does that makes or runs agents of a framework, by path.

    Agents of models that are not Anthropic's are left out.
    """
    imports = {path: dict(_imported_names(tree)) for path, tree in trees.items()}
    if not any(_FRAMEWORK_MODULE_PATTERN.match(name) for names in imports.values() for name in names.values()):
        return {}
    makers: dict[str, dict[str, ast.Call]] = {}
    for _ in range(_MAX_IMPORT_PASSES):
        shared = {name: call for found in makers.values() for name, call in found.items()}
        for path, tree in trees.items():
            inherited = {
                name: shared[last] for name, full in imports[path].items() if (last := _last_name_part(full)) in shared
            }
            makers[path] = _agent_maker_calls_by_name(tree, imports[path], {**inherited, **makers.get(path, {})})
    modules = {
        path: FrameworkModule(frozenset(_find_run_expressions(tree, imports[path], makers[path])), makers[path])
        for path, tree in trees.items()
    }
    used = {path: module for path, module in modules.items() if module.run_expressions or module.agent_maker_calls}
    return used if used and any(map(_mentions_anthropic, trees.values())) else {}


def called_maker_name(call: ast.Call) -> str:
    """Return the name of the function or class that a call uses, such as `Agent` for `Agent[int](...)`."""
    function = call.func.value if isinstance(call.func, ast.Subscript) else call.func
    return str(getattr(function, "attr", getattr(function, "id", "")))


def _imported_names(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield the names that a module imports anywhere, each with its full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((one.asname or one.name, f"{node.module or ''}.{one.name}") for one in node.names)
        elif isinstance(node, ast.Import):
            yield from ((one.asname or one.name.partition(".")[0], one.name) for one in node.names)


def _last_name_part(name: str) -> str:
    return name.rpartition(".")[2]


def _agent_maker_calls_by_name(
    tree: ast.Module, imports: Mapping[str, str], known: Mapping[str, ast.Call]
) -> dict[str, ast.Call]:
    """Return the calls that make agents, by the names of the variables and functions in which the module has these
    agents.

    `known` are the calls that were found before; they are part of the result.
    """
    makers = dict(known)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [str(getattr(one, "attr", getattr(one, "id", ""))) for one in targets]
            values = [node.value]
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names = [node.name]
            values = [one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value is not None]
        else:
            continue
        calls = (_agent_maker_call_behind(value, imports, makers) for value in values)
        if (call := next(filter(None, calls), None)) is not None:
            makers.update(dict.fromkeys(filter(None, names), call))
    return makers


def _agent_maker_call_behind(
    node: ast.AST, imports: Mapping[str, str], makers: Mapping[str, ast.Call]
) -> ast.Call | None:
    """Return the call that made the agent which an expression names, wraps or contains, or None without an agent."""
    if isinstance(node, ast.Call):
        if _is_agent_maker_call(node, imports):
            return node
        if isinstance(node.func, ast.Attribute) and node.func.attr in _RUN_METHOD_NAMES:
            return None  # the answer of an agent
    elif isinstance(node, (ast.Name, ast.Attribute)):
        name = node.id if isinstance(node, ast.Name) else node.attr
        if name in makers:
            return makers[name]
    parts = (_agent_maker_call_behind(child, imports, makers) for child in ast.iter_child_nodes(node))
    return next(filter(None, parts), None)


def _is_agent_maker_call(call: ast.Call, imports: Mapping[str, str]) -> bool:
    """Return whether a call makes an agent or a model of a framework, with a model that may be Anthropic's."""
    first = next((one.id for one in ast.walk(call.func) if isinstance(one, ast.Name)), "")
    full = imports.get(first, "")
    name = _last_name_part(full) if isinstance(call.func, ast.Name) else called_maker_name(call)
    return (
        bool(_FRAMEWORK_MODULE_PATTERN.match(full)) and name in _AGENT_MAKER_NAMES and not _mentions_other_model(call)
    )


def _find_run_expressions(
    tree: ast.Module, imports: Mapping[str, str], makers: Mapping[str, ast.Call]
) -> Iterator[ast.AST]:
    """Yield the expressions that run an agent, or call a model through LiteLLM."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in _RUN_METHOD_NAMES:
            if _agent_maker_call_behind(node.value, imports, makers) is not None:
                yield node
        elif isinstance(node, ast.Call):
            first = getattr(getattr(node.func, "value", node.func), "id", "")
            is_litellm = imports.get(first, "").startswith("litellm")
            if (
                is_litellm
                and _last_name_part(ast.unparse(node.func)) in _LITELLM_FUNCTION_NAMES
                and not _mentions_other_model(node)
            ):
                yield node


def _mentions_other_model(call: ast.Call) -> bool:
    """Return whether a call names a model that is not Anthropic's."""
    models = [*call.args[:1], *(one.value for one in call.keywords if one.arg in _MODEL_KEYWORDS)]
    text = " ".join(map(ast.unparse, models))
    return bool(_OTHER_PROVIDER_NAME_PATTERN.search(text)) and not _ANTHROPIC_NAME_PATTERN.search(text)


def _mentions_anthropic(tree: ast.Module) -> bool:
    """Return whether a module mentions Anthropic or one of its models, outside of comments and docstrings."""
    return any(_ANTHROPIC_NAME_PATTERN.search(text) for _, text in string_constants(tree)) or any(
        _ANTHROPIC_NAME_PATTERN.search(f"{name} {full}") for name, full in _imported_names(tree)
    )
