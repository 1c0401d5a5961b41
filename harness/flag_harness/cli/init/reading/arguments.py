"""Guess the arguments with which a test can call a function of the project."""

import ast
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from flag_harness.analysis.code.inert_reasons import decorator_name
from flag_harness.cli.init.reading.programs import PROMPT_NAME_PATTERN

UNKNOWN_ARGUMENT = "..."
"""The text that stands for an argument that cannot be guessed, in a test that a person must complete."""
_API_METHODS = ("create", "stream", "tool_runner", "parse")
PROMPT_ARGUMENT = '"Hello."'
_MESSAGES_ARGUMENT = '[{"role": "user", "content": "Hello."}]'
_MAX_UNTYPED_PARAMETERS = 2
"""If more parameters than this could take the prompt, none of their arguments is guessed."""
_MESSAGES_PARAMETER_NAMES = ("messages", "history", "conversation")
_CLIENT_PARAMETER_NAMES = ("client", "anthropic", "anthropic_client", "llm")
_NON_PROMPT_NAME_PATTERN = re.compile(
    r"^(app|args|block|bot|callback|channel|config|conn(ection)?|ctx|context|data|db|event|file|func(tion)?|guild"
    r"|interaction|item|logger|member|node|options|params|payload|registry|repository|request|response|session|settings"
    r"|state|store|tool(_use)?s?|update|user|ws|websocket)$"
)
"""Matches the names of parameters without a type that hold no prompt."""
_NON_PROMPT_TEXT_NAME_PATTERN = re.compile(r"(^|_)(path|file|filename|folder|dir|directory|url|id)$")
"""Matches the names of text parameters that hold no prompt."""
_ARGUMENT_BY_TYPE = {"bool": "False", "int": "3", "float": "1.0"}


@dataclass(frozen=True, slots=True)
class CallArguments:
    """The text of the arguments of a call, and the names of the parameters that cannot be guessed.

    Attributes:
        code: the arguments as code, with `...` for those that cannot be guessed.
        needs_client: True if `code` uses a variable `client`.
        prompt_rank: 2 if an argument has the name of a prompt, 1 if another one is a text, else 0.
    """

    code: str
    needs_client: bool
    prompt_rank: int
    unknown_parameters: tuple[str, ...]


def guess_call_arguments(
    parameters: ast.arguments, clients: Collection[str], *, skip_first: bool, is_prompted_later: bool = False
) -> CallArguments:
    """Return the arguments with which a test calls a function. `clients` are the parameters that are used as a client
    of the API.

    The likeliest text parameter gets the prompt, unless `is_prompted_later` is true: then a later call gets it. If more
    than two parameters may be prompts, none of them can be guessed. `skip_first` leaves out `self` or `cls`.
    """
    positional = [*parameters.posonlyargs, *parameters.args][1 if skip_first else 0 :]
    required = positional[: len(positional) - len(parameters.defaults)] if parameters.defaults else positional
    keyword_only = [
        one for one, default in zip(parameters.kwonlyargs, parameters.kw_defaults, strict=True) if default is None
    ]
    guesses = {one.arg: "client" if one.arg in clients else _guess_argument(one) for one in (*required, *keyword_only)}
    prompts = [name for name, text in guesses.items() if text == PROMPT_ARGUMENT]
    rank = min(len(prompts), 1) + any(map(PROMPT_NAME_PATTERN.search, prompts))
    guesses.update(
        dict.fromkeys(prompts)
        if len(prompts) > _MAX_UNTYPED_PARAMETERS
        else _distinct_prompt_arguments(guesses, prompts, is_prompted_later)
    )
    texts: list[str] = []
    needs_keyword = False
    for parameter in (*required, *keyword_only):
        text = guesses[parameter.arg]
        needs_keyword |= text is None or parameter in keyword_only
        named = needs_keyword and parameter not in parameters.posonlyargs
        texts.append(f"{parameter.arg}={text or UNKNOWN_ARGUMENT}" if named else text or UNKNOWN_ARGUMENT)
    unknown = tuple(name for name, text in guesses.items() if text is None)
    return CallArguments(", ".join(texts), "client" in guesses.values(), rank, unknown)


def _distinct_prompt_arguments(
    guesses: Mapping[str, str | None], prompts: Sequence[str], is_prompted_later: bool
) -> dict[str, str]:
    """Return a text for each parameter in `prompts` but the likeliest, which gets the prompt. All texts are different,
    so that a test notices swapped arguments.

    The likeliest is a parameter named like a prompt, else a list of messages, else the first. If `is_prompted_later`,
    there is none.
    """
    lists = [name for name, text in guesses.items() if text == _MESSAGES_ARGUMENT]
    named = sorted(filter(PROMPT_NAME_PATTERN.search, prompts), key=lambda name: "system" in name)
    likeliest = "" if is_prompted_later else next(iter([*named, *lists, *prompts]), "")
    return {name: f'"test-{name}"' for name in prompts if name != likeliest}


def _guess_argument(parameter: ast.arg) -> str | None:
    """Return an argument as code, or None if it cannot be guessed."""
    name = parameter.arg
    annotation = ast.unparse(parameter.annotation).strip("'\"") if parameter.annotation else ""
    if "Anthropic" in annotation or (not annotation and name in _CLIENT_PARAMETER_NAMES):
        return "client"
    if annotation.lower().startswith(("list", "sequence", "iterable")) or (
        not annotation and name in _MESSAGES_PARAMETER_NAMES
    ):
        if _is_list_of_project_values(annotation):
            return "[]"
        return _MESSAGES_ARGUMENT if not _is_list_without_messages(annotation, name) else None
    if name == "model" and annotation in ("", "str"):
        return '"claude-haiku-4-5"'
    if annotation in _ARGUMENT_BY_TYPE:
        return "1024" if "tokens" in name else _ARGUMENT_BY_TYPE[annotation]
    is_text = annotation in ("", "str", "str | None") and not _NON_PROMPT_TEXT_NAME_PATTERN.search(name)
    return PROMPT_ARGUMENT if is_text and (annotation or not _NON_PROMPT_NAME_PATTERN.search(name)) else None


def _is_list_without_messages(annotation: str, name: str) -> bool:
    """Return whether a parameter is a list of something other than messages, such as paths."""
    return bool(re.search(r"\[(str|Path|int|Tool\w*)\]", annotation)) or "tool" in name


def _is_list_of_project_values(annotation: str) -> bool:
    """Return whether a parameter is a list of objects of the project's own class, such as `list[SkillDomain]`."""
    inner = re.search(r"\[(?:[a-z_]+\.)*([A-Z]\w*)", annotation)
    return inner is not None and not re.search(r"Message|Dict|Any|Mapping|Path|Tool|Union|Optional", inner[1])


def dataclass_parameters(node: ast.ClassDef) -> ast.arguments | None:
    """Return the parameters with which a dataclass is made, `self` first; None if a class is no dataclass."""
    if "dataclass" not in {decorator_name(one) for one in node.decorator_list}:
        return None
    fields = [one for one in node.body if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)]
    names = [(one.target.id, one) for one in fields if isinstance(one.target, ast.Name)]
    required = [ast.arg(name, field.annotation) for name, field in names if field.value is None]
    return ast.arguments([], [ast.arg("self"), *required], None, [], [], None, [])


def find_client_parameters(node: ast.AST, owner: ast.ClassDef | None) -> frozenset[str]:
    """Return the names that a function uses as a client of the API: those before `.messages.create`.

    For a method, these are also the constructor's parameters and the fields that become the client attribute of its
    class.
    """
    scope = owner or node
    used = {ast.unparse(client) for one in ast.walk(scope) if (client := client_of_api_call(one)) is not None}
    names = {name for name in used if name.isidentifier()} if owner is None else set[str]()
    names |= {name.removeprefix("self.") for name in used if name.startswith("self.")}
    for one in ast.walk(node):
        targets = one.targets if isinstance(one, ast.Assign) else [one.target] if isinstance(one, ast.AnnAssign) else []
        value = getattr(one, "value", None)
        if value is not None and any(ast.unparse(target) in used for target in targets):
            names |= {word.id for word in ast.walk(value) if isinstance(word, ast.Name)}
    return frozenset(names)


def client_of_api_call(node: ast.AST) -> ast.expr | None:
    """Return the client in an expression such as `client.messages.create`, which may be called or passed on; None for
    any other expression.
    """
    if not isinstance(node, ast.Attribute) or node.attr not in _API_METHODS:
        return None
    owner = node.value
    if isinstance(owner, ast.Attribute) and owner.attr in ("with_raw_response", "with_streaming_response"):
        owner = owner.value
    if not isinstance(owner, ast.Attribute) or owner.attr != "messages":
        return None
    client = owner.value
    return client.value if isinstance(client, ast.Attribute) and client.attr == "beta" else client
