"""Find flags in Python code: environment variables that are used as switches, flag services' keys, settings classes.

The flag services are OpenFeature and LaunchDarkly.
"""

import ast
import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from flag_harness.analysis.code.detected_flag import DetectedFlag, short_flag_name
from flag_harness.analysis.code.settings_classes import flags_in_settings_class
from flag_harness.analysis.code.syntax import string_literal

_ON_WORDS = ("true", "1", "yes", "on", "t", "y", "enabled")
_OFF_WORDS = ("false", "0", "no", "off", "f", "n", "disabled", "")
_FLAG_NAME_PATTERN = re.compile(
    r"(^|_)(ENABLED?|DISABLED?|USE|FEATURE|FLAG|TOGGLE|EXPERIMENT(AL)?|BETA|NEW|SKIP|ALLOW|STRICT|V\d+)(_|$)|^(IS|HAS|WITH)_"
)
NON_FLAG_NAME_PATTERN = re.compile(
    r"(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|URL|URI|HOST|PORT|PATH|DIR|FILE|REGION|ACCOUNT|USER|EMAIL|ID)$"
    r"|^(HOME|PATH|CI|DEBUG|TERM|NO_COLOR|PYTEST\w*|PYTHON\w*|GITHUB_\w+|AWS_\w+|GOOGLE_\w+)$"
)
_OPENFEATURE_METHOD_PATTERN = re.compile(r"^get_boolean_(value|details)(_async)?$")


_AMBIGUOUS_FUNCTION_NAMES = frozenset({"get", "pop", "setdefault", "getenv"})
"""Function names that are too common to recognise a function of the project by: other functions have them, too."""


@dataclass(frozen=True, slots=True)
class FlagReadingFunction:
    """A function of the project (a helper) whose first parameter is the name of the flag that it reads.

    Attributes:
        source_kind: the kind of source: `env` for an environment variable, `openfeature`, or `set` for another flag
            service.
        compared_words: the texts with which it compares an environment variable.
        is_negated: whether the comparison is `!=` or `not in`.
        default: whether a flag of a flag service is on if nobody sets it; None if each call states its own default.
    """

    source_kind: str
    compared_words: tuple[str, ...] = ()
    is_negated: bool = False
    default: bool | None = False


def parse_code(text: str) -> ast.Module | None:
    """Parse Python source, and ignore its syntax warnings. Return None if it is not valid Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError):
            return None


def find_flags(
    tree: ast.Module, path: str, other_helpers: Mapping[str, FlagReadingFunction] | None = None
) -> Iterator[DetectedFlag]:
    """Yield the flags that the module at `path` reads, once for each read.

    `other_helpers` are functions of other modules that read the flag which their first argument names.
    """
    parents = parent_by_node(tree)
    helpers = {**(other_helpers or {}), **find_flag_reading_functions(tree)}
    in_environment = {name: helper for name, helper in helpers.items() if helper.source_kind == "env"}
    for node in ast.walk(tree):
        place = f"{path}:{getattr(node, 'lineno', 1)}"
        if isinstance(node, ast.ClassDef):
            yield from flags_in_settings_class(node, path)
        elif (read := parse_variable_read(node, in_environment)) is not None:
            name, default, is_helper = read
            helper = in_environment[called_function_name(node)] if is_helper else None
            flag = _flag_from_variable_read(node, name, default, helper, parents, place)
            if flag is not None:
                yield flag
        elif isinstance(node, ast.Call):
            yield from _flags_in_service_call(node, helpers.get(called_function_name(node)), place)


def parent_by_node(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def find_flag_reading_functions(tree: ast.Module) -> dict[str, FlagReadingFunction]:
    """Return the functions of a module whose first parameter is the name of the flag that they read, by the function's
    name.
    """
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    found = (
        (node.name, _parse_flag_reading_function(node))
        for node in functions
        if node.name not in _AMBIGUOUS_FUNCTION_NAMES
    )
    return {name: helper for name, helper in found if helper is not None}


def _parse_flag_reading_function(function: ast.FunctionDef) -> FlagReadingFunction | None:
    """Return how a function reads a flag, or None if its first parameter is not the name of a flag that it reads."""
    arguments = function.args.args
    names = [one.arg for one in arguments if one.arg not in ("self", "cls")]
    with_default = arguments[len(arguments) - len(function.args.defaults) :]
    defaults = {one.arg: value for one, value in zip(with_default, function.args.defaults, strict=True)}
    for node in ast.walk(function):
        key: ast.expr | None = None
        if isinstance(node, ast.Subscript) and _is_environ(node.value):
            key = node.slice
        elif isinstance(node, ast.Call) and node.args:
            key = node.args[0]
        if not names or not isinstance(key, ast.Name) or key.id != names[0]:
            continue
        if not isinstance(node, ast.Call) or _reads_environ(node.func):
            return FlagReadingFunction("env", *_strings_compared_in_function(function, node))
        last = default_argument(node)
        value = defaults.get(last.id) if isinstance(last, ast.Name) else last
        source = flag_source_kind_of_method(called_function_name(node))
        if source and isinstance(value, ast.Constant) and isinstance(value.value, bool):
            return FlagReadingFunction(source, default=value.value)
        if source and value is None and getattr(last, "id", "") in names:
            return FlagReadingFunction(source, default=None)
    return None


def _strings_compared_in_function(function: ast.FunctionDef, read: ast.AST) -> tuple[tuple[str, ...], bool]:
    """Return the strings with which a function compares the value of an environment variable.

    The second result is True if the comparison is `!=` or `not in`. `read` is the expression that reads the variable.
    """
    parents = parent_by_node(function)
    words, is_negated = strings_compared_with(read, parents)
    if not words:  # perhaps the function assigns the value first, and compares it later
        for node in ast.walk(function):
            if isinstance(node, ast.Compare):
                words, is_negated = strings_compared_with(node.left, parents)
    return tuple(words), is_negated


def called_function_name(node: ast.AST) -> str:
    """Return the last part of the name of the function that `node` calls, or an empty string if `node` is
    no such call.
    """
    function = getattr(node, "func", None)
    return str(getattr(function, "attr", getattr(function, "id", "")))


def flag_source_kind_of_method(method: str) -> str:
    """Return the kind of source (`openfeature` or `set`) from which a flag service's method of this name reads flags.

    The result is empty for any other method.
    """
    if _OPENFEATURE_METHOD_PATTERN.match(method):
        return "openfeature"
    return "set" if method in ("variation", "variation_detail", "bool_variation") else ""


def default_argument(call: ast.Call) -> ast.expr:
    """Return the argument of a flag service's call that holds the default: the one named `default…`, or the
    last one.
    """
    named = (one.value for one in call.keywords if (one.arg or "").startswith("default"))
    return next(named, call.args[-1])


def parse_variable_read(node: ast.AST, helpers: Collection[str]) -> tuple[str, ast.expr | None, bool] | None:
    """Return `(variable, default, is_helper_call)` if an expression reads an environment variable, else None.

    `is_helper_call` is True if the expression calls one of `helpers`, functions of the project that read a variable.
    """
    if isinstance(node, ast.Subscript) and _is_environ(node.value):
        name = string_literal(node.slice)
        return (name, None, False) if name is not None else None
    if not isinstance(node, ast.Call) or not node.args or (variable := string_literal(node.args[0])) is None:
        return None
    function = node.func
    is_helper = called_function_name(node) in helpers
    if not is_helper and not _reads_environ(function):
        return None
    return variable, node.args[1] if len(node.args) > 1 else None, is_helper


def _flag_from_variable_read(
    node: ast.AST,
    name: str,
    default: ast.expr | None,
    helper: FlagReadingFunction | None,
    parents: dict[ast.AST, ast.AST],
    place: str,
) -> DetectedFlag | None:
    """Return the flag for an environment variable, or None if the code does not use the variable as a switch.

    `node` reads the variable `name`, directly or by the function `helper`. `parents` has the parent of each syntax
    node.
    """
    if not re.fullmatch(r"[A-Za-z_]\w*", name) or NON_FLAG_NAME_PATTERN.search(name.upper()):
        return None
    text = str(default.value) if isinstance(default, ast.Constant) and default.value is not None else None
    words, is_negated = strings_compared_with(node, parents)
    if helper and not words:
        words, is_negated = [*helper.compared_words], helper.is_negated
    is_condition = _is_condition(node, parents) or _is_stored_for_conditions(node, parents)
    is_switch = bool({*words} & {*_ON_WORDS, *_OFF_WORDS} - {""}) or is_condition
    if not is_switch and not (
        _FLAG_NAME_PATTERN.search(name.upper()) and (helper or text is None or is_on_or_off_word(text))
    ):
        return None
    on, off = "true", "false"
    if words and not is_negated:
        on = next((word for word in _ON_WORDS if word in words), words[0])
    elif words:
        off = next((word for word in _OFF_WORDS if word in words), words[0])
    is_on = (text or "") not in words if is_negated and words else bool(text) and (text or "").lower() in _ON_WORDS
    return DetectedFlag(short_flag_name(name), "env", name, on, off if is_on else None, is_on, place)


def strings_compared_with(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> tuple[list[str], bool]:
    """Return the strings with which an expression is compared, and True if the comparison is `!=` or `not in`."""
    current, parent = node, parents.get(node)
    while isinstance(parent, (ast.Attribute, ast.Call, ast.BoolOp)):
        current, parent = parent, parents.get(parent)
    if not isinstance(parent, ast.Compare):
        return [], False
    operands = [one for one in (parent.left, *parent.comparators) if one is not current]
    items = (
        item
        for operand in operands
        for item in (operand.elts if isinstance(operand, (ast.Tuple, ast.List, ast.Set)) else [operand])
    )
    words = [word for item in items if (word := string_literal(item)) is not None]
    return words, isinstance(parent.ops[0], (ast.NotEq, ast.NotIn))


def _is_condition(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Return whether an expression is used as a condition, as in `if x` or `x and y`."""
    current, parent = node, parents.get(node)
    while isinstance(parent, (ast.BoolOp, ast.UnaryOp)):
        current, parent = parent, parents.get(parent)
    if isinstance(parent, (ast.If, ast.IfExp, ast.While)):
        return parent.test is current
    return isinstance(parent, ast.Call) and getattr(parent.func, "id", "") == "bool"


def _is_stored_for_conditions(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Return whether the result of an expression is assigned to a variable that its function uses in
    conditions only.
    """
    assignment = parents.get(node)
    name = getattr(assignment.targets[0], "id", "") if isinstance(assignment, ast.Assign) else ""
    function = parents.get(assignment) if assignment is not None else None
    while function is not None and not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
        function = parents.get(function)
    if not name or function is None:
        return False
    loads = [one for one in ast.walk(function) if isinstance(one, ast.Name) and one.id == name]
    loads = [one for one in loads if isinstance(one.ctx, ast.Load)]
    return bool(loads) and all(_is_condition(one, parents) for one in loads)


def _flags_in_service_call(call: ast.Call, helper: FlagReadingFunction | None, place: str) -> Iterator[DetectedFlag]:
    """Yield the flag that a call reads from OpenFeature or LaunchDarkly, directly or by the function `helper`."""
    key = string_literal(call.args[0]) if call.args else None
    source = helper.source_kind if helper else flag_source_kind_of_method(called_function_name(call))
    if key is None or not source:
        return
    default = getattr(default_argument(call), "value", None)
    if helper and not isinstance(default, bool):
        default = helper.default
    if source == "openfeature" or isinstance(default, bool):
        yield DetectedFlag(short_flag_name(key), source, key, "true", None, default is True, place)


def variable_name_expression(node: ast.AST) -> ast.expr | None:
    """Return the expression that gives the name of the environment variable which `node` reads, or None if it reads
    none.
    """
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _is_environ(node.value):
        return node.slice
    if isinstance(node, ast.Call) and node.args and _reads_environ(node.func):
        return node.args[0]
    return None


def _reads_environ(function: ast.expr) -> bool:
    """Return whether `function` is `os.environ.get` or `os.getenv`, under whatever name it was imported."""
    if isinstance(function, ast.Attribute):
        return function.attr == "getenv" or (function.attr == "get" and _is_environ(function.value))
    return getattr(function, "id", "") == "getenv"


def _is_environ(node: ast.expr) -> bool:
    """Return whether an expression is `environ` or `os.environ`."""
    return getattr(node, "attr", getattr(node, "id", "")) == "environ"


def is_on_or_off_word(text: str) -> bool:
    """Return whether a text usually turns a flag on or off, such as `true` or `0`."""
    return text.lower() in (*_ON_WORDS, *_OFF_WORDS)
