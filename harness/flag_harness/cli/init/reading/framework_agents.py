"""The agents that a module makes with a framework, and how a test runs them."""

import ast
from collections.abc import Iterator, Mapping

from flag_harness.cli.init.reading.arguments import PROMPT_ARGUMENT, UNKNOWN_ARGUMENT
from flag_harness.cli.init.reading.found_agent import FoundAgent, UncallableFunction
from flag_harness.cli.init.reading.frameworks import FrameworkModule, called_maker_name
from flag_harness.cli.init.reading.side_folders import rank_penalty_for_side_folder

_MESSAGES_ARGUMENT = f'{{"messages": [{{"role": "user", "content": {PROMPT_ARGUMENT}}}]}}'
_THREAD_ARGUMENT = ', {"configurable": {"thread_id": "1"}}'
"""The argument that names the conversation, for an agent that keeps the messages of each conversation."""
_MAKERS_OF_LANGCHAIN_AGENTS = ("create_agent", "create_react_agent", "create_deep_agent")
_RANK_OF_MODULE_AGENT = 3
"""The rank of an agent that is a variable of a module. A function that runs such an agent is more likely what users
call.
"""


def find_module_agents(
    tree: ast.Module, path: str, module: FrameworkModule, classes: Mapping[str, ast.ClassDef]
) -> Iterator[FoundAgent | UncallableFunction]:
    """Yield the agents that are variables of a module, each with the call with which a test could run it.

    `classes` has the project's classes by name.
    """
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        name = str(getattr(targets[0], "id", "")) if isinstance(node, (ast.Assign, ast.AnnAssign)) else ""
        maker = module.agent_maker_calls.get(name)
        if maker is None or not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        if (found := _method_and_arguments_to_run(maker, node.value, classes)) is None:
            continue
        method, arguments, unknown = found
        call = f"{name}.{method}({arguments})"
        kind = "async" if method == "ainvoke" else "plain"
        agent = FoundAgent(
            path, name, call, kind, False, node.lineno, _RANK_OF_MODULE_AGENT - rank_penalty_for_side_folder(path)
        )
        yield UncallableFunction(agent, name, unknown) if unknown else agent


def _method_and_arguments_to_run(
    maker: ast.Call, value: ast.expr, classes: Mapping[str, ast.ClassDef]
) -> tuple[str, str, str] | None:
    """Return the name of the method that runs an agent, its arguments as code, and which of them are unknown.

    Return None if `value` is no agent yet, such as a model, or a graph that is not compiled. `maker` is the call that
    made it.
    """
    name = called_maker_name(maker)
    keywords = {word.arg: word.value for call in (maker, value) for word in getattr(call, "keywords", ())}
    thread = _THREAD_ARGUMENT if "checkpointer" in keywords else ""
    if name == "Agent":
        if "deps_type" in keywords:
            unknown = f"deps, of the type {ast.unparse(keywords['deps_type'])}"
            return "run_sync", f"{PROMPT_ARGUMENT}, deps={UNKNOWN_ARGUMENT}", unknown
        return "run_sync", PROMPT_ARGUMENT, ""
    if name in _MAKERS_OF_LANGCHAIN_AGENTS:
        return "invoke", f"{_MESSAGES_ARGUMENT}{thread}", ""
    if name != "StateGraph" or ".compile(" not in ast.unparse(value):
        return None
    state = ast.unparse(maker.args[0]) if maker.args else ""
    if _has_messages(state, classes):
        return "ainvoke", f"{_MESSAGES_ARGUMENT}{thread}", ""
    return "ainvoke", f"{UNKNOWN_ARGUMENT}{thread}", f"the {state or 'state'} that the graph begins with"


def _has_messages(name: str, classes: Mapping[str, ast.ClassDef]) -> bool:
    """Return whether the state of a graph is a list of messages under `messages`, and needs nothing else."""
    if name.rpartition(".")[2] in ("MessagesState", "AgentState"):
        return True
    node = classes.get(name)
    if node is None:
        return False
    fields = [getattr(one.target, "id", "") for one in node.body if isinstance(one, ast.AnnAssign)]
    return "messages" in fields or any(_has_messages(ast.unparse(base), classes) for base in node.bases)
